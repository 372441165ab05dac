"""What a Python team writes for itself: FastAPI or Strawberry, SQLAlchemy and asyncpg, one transaction a call."""
