"""The same in GraphQL, Strawberry with its default settings: `uvicorn benchmarks.hand_rolled.graphql:app`."""

# No postponed annotations here: Strawberry reads them.
from typing import Any

import strawberry
from fastapi import FastAPI
from strawberry.fastapi import GraphQLRouter
from strawberry.types import Info

from benchmarks.hand_rolled.database import KEY, record, sessions


@strawberry.input
class CreateUsageEventInput:
    """What was used."""

    user_id: str
    feature_id: str
    delta: int = 1
    idempotency_key: str


@strawberry.type
class RecordedUsage:
    """Whether it counts."""

    recorded: bool
    reason: str | None = None


@strawberry.type
class Query:
    """Nothing."""

    @strawberry.field
    def ping(self) -> bool:
        """Answer."""
        return True


@strawberry.type
class Mutation:
    """Record."""

    @strawberry.mutation
    async def record_usage(self, info: Info[Any, Any], input: CreateUsageEventInput) -> RecordedUsage:  # noqa: A002
        """Record."""
        if info.context["request"].headers.get("authorization") != KEY:
            raise PermissionError
        async with sessions.begin() as session:
            recorded = await record(
                session,
                user_id=input.user_id,
                feature_id=input.feature_id,
                delta=input.delta,
                key=input.idempotency_key,
            )
        return RecordedUsage(recorded=recorded, reason=None if recorded else "limit")


app = FastAPI()
app.include_router(GraphQLRouter(strawberry.Schema(Query, Mutation)), prefix="/graphql")
