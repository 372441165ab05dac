"""Long lists are whole, in order, and bounded."""

from __future__ import annotations

import pytest

from kana.api.graphql import lists
from kana.api.graphql.budget import OBJECTS_AT_ONCE
from kana.model.environment import Environment
from tests.support.serving import Served
from tests.support.v1 import Caller


async def create_users(served: Served, count: int) -> None:
    for number in range(count):
        await served.engine.accounts.create_user(Environment.TEST, id=f"many/{number:04}")


def test_a_list_that_is_written_in_parts_is_whole(served: Served, v1: Caller) -> None:
    """Others have their turn in between, and no item is lost or doubled where one part ends."""
    count = 2 * OBJECTS_AT_ONCE + 1
    served.run(create_users(served, count))

    ids = [each["id"] for each in v1("users")["items"] if each["id"].startswith("many/")]

    assert ids == [f"many/{number:04}" for number in range(count)]
    assert v1("topUps", userId="ada") == {"items": []}


def test_an_answer_that_is_too_long_is_refused(served: Served, v1: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the bound of the Admin API, with what to do; a page of it is answered."""
    served.run(create_users(served, 20))
    monkeypatch.setattr(lists, "BYTES_MAX", 1_000)

    answer = v1.raw("GET", "/v1/users")

    assert (answer.status_code, answer.json()["code"]) == (400, "QUERY_TOO_COMPLEX")
    assert "page with first and after" in answer.json()["detail"]
    assert len(v1("users", first=2)["items"]) == 2
