"""The tables and the one transaction of the hand-rolled services: lock the counter, decide, write, commit."""

from __future__ import annotations

import os
from datetime import UTC, datetime

from sqlalchemy import BigInteger, DateTime, ForeignKey, String, UniqueConstraint, select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

URL = os.environ.get("HAND_ROLLED_URL", "").replace("postgresql://", "postgresql+asyncpg://")
KEY = "prv_test_benchmark"
LIMIT = 1_000_000_000


class Base(DeclarativeBase):
    """The tables."""


class Counter(Base):
    """What a user used of a feature in the current period, and how much they may."""

    __tablename__ = "counters"
    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[str] = mapped_column(String(255), index=True)
    feature_id: Mapped[str] = mapped_column(String(255))
    used: Mapped[int] = mapped_column(BigInteger, default=0)
    unit_limit: Mapped[int] = mapped_column(BigInteger)
    __table_args__ = (UniqueConstraint("user_id", "feature_id"),)


class Event(Base):
    """One usage."""

    __tablename__ = "events"
    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    counter_id: Mapped[int] = mapped_column(ForeignKey("counters.id"))
    delta: Mapped[int] = mapped_column(BigInteger)
    key: Mapped[str] = mapped_column(String(255), unique=True)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))


engine = create_async_engine(URL, pool_size=20, max_overflow=10) if URL else None
sessions = async_sessionmaker(engine, expire_on_commit=False)


async def create(users: int) -> None:
    """Make the tables and the users."""
    assert engine is not None
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    async with sessions.begin() as session:
        session.add_all(Counter(user_id=f"u{n}", feature_id="calls", used=0, unit_limit=LIMIT) for n in range(users))


async def record(session: AsyncSession, *, user_id: str, feature_id: str, delta: int, key: str) -> bool:
    """Decide under the row's lock and write, in the caller's transaction; return whether it counts."""
    counter = await session.scalar(
        select(Counter).where(Counter.user_id == user_id, Counter.feature_id == feature_id).with_for_update()
    )
    if counter is None:
        raise LookupError(user_id)
    first = await session.scalar(select(Event).where(Event.key == key))
    if first is not None:
        return True
    if counter.used + delta > counter.unit_limit:
        return False
    counter.used += delta
    session.add(Event(counter_id=counter.id, delta=delta, key=key, created_at=datetime.now(UTC)))
    return True
