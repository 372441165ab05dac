"""A caller of the small schema, inside this process."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest

from tests.api.small import KEY, World, small_app


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
async def client(world: World) -> AsyncIterator[httpx.AsyncClient]:
    """Speaks to the small application with its private key."""
    transport = httpx.ASGITransport(app=small_app(world))
    headers = {"Authorization": f"Bearer {KEY}"}
    async with httpx.AsyncClient(transport=transport, base_url="http://kana", headers=headers) as client:
        yield client


@pytest.fixture
def ask(client: httpx.AsyncClient) -> Callable[..., Any]:
    """Sends a query and gives the decoded answer, which must be 200."""

    async def ask(query: str, **parameters: Any) -> Any:
        answer = await client.post("/graphql", json={"query": query, **parameters})
        assert answer.status_code == 200, answer.text
        return answer.json()

    return ask
