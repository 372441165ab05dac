"""The hand-rolled REST service: `uvicorn benchmarks.hand_rolled.rest:app`."""

from __future__ import annotations

from typing import Annotated

from fastapi import FastAPI, Header, HTTPException
from pydantic import BaseModel, Field

from benchmarks.hand_rolled.database import KEY, record, sessions

app = FastAPI()


class Usage(BaseModel):
    """What was used."""

    user_id: str = Field(min_length=1, max_length=255)
    feature_id: str = Field(min_length=1, max_length=255)
    delta: int = 1
    key: str


class Recorded(BaseModel):
    """Whether it counts."""

    recorded: bool


@app.post("/record")
async def record_usage(usage: Usage, authorization: Annotated[str, Header()]) -> Recorded:
    """Record."""
    if authorization != KEY:
        raise HTTPException(401)
    async with sessions.begin() as session:
        recorded = await record(session, **usage.model_dump())
    return Recorded(recorded=recorded)
