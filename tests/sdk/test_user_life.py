"""Exporting, merging and deleting users with both clients, against a real server."""

from __future__ import annotations

from typing import Any

import pytest

from kana.errors import Conflict, UserNotFound
from kana.sdk import users
from tests.sdk.people import value


async def test_a_user_is_exported(either: Any, number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """All records, whatever number of pages they take."""
    user_id = f"exported-{number}"
    await value(either.users.create(id=user_id, name="Ada", metadata={"a": 1}))
    for size in (200, 1):
        monkeypatch.setattr(users, "EXPORT_PAGE", size)
        user, user_s_id = await value(either.users.export(user_id=user_id))
        assert (user["kind"], user["name"], user["metadata"]) == ("user", "Ada", {"a": 1})
        assert user_s_id == {"kind": "id", "id": user_id, "since": None, "until": None}


async def test_users_are_merged(either: Any, number: int) -> None:
    """The first id leads to the other user, and cannot be merged again."""
    source, into = f"source-{number}", f"into-{number}"
    await value(either.users.create(id=source))
    kept = await value(either.users.create(id=into, name="Bob"))
    assert await value(either.users.merge(source=source, into=into)) == kept
    assert await value(either.users.retrieve(id=source)) == kept
    with pytest.raises(Conflict, match="was merged into"):
        await value(either.users.merge(source=source, into=into))


async def test_a_user_is_deleted(either: Any, number: int) -> None:
    """They are found no more, and their id is free for somebody else."""
    user_id = f"deleted-{number}"
    await value(either.users.create(id=user_id, name="Ada"))
    deleted = await value(either.users.delete(user_id=user_id))
    assert deleted.is_cleared
    assert deleted.id.startswith("deleted-user:")
    with pytest.raises(UserNotFound):
        await value(either.users.retrieve(id=user_id))
    assert (await value(either.users.create(id=user_id))).name is None
