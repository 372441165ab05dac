"""UserImports are merged page by page once they are decided, and never seen before, on each kind of database."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from itertools import repeat

import pytest

from kana.engine.ports.store import Store
from kana.engine.ports.users import Signed
from kana.errors import Conflict, KanaError
from kana.model.environment import Environment, bucket_of
from kana.model.user import User
from kana.model.user_import import Row, UserImport, merged
from kana.store import log
from tests.support.stores import Place
from tests.support.world import LIVE, NOON, TEST, TESTER, a_user

LATER = NOON + timedelta(seconds=5)


def an_import(number: int, environment: Environment = TEST) -> UserImport:
    """An import that was just begun."""
    return UserImport(id=number, environment=environment, source="users.csv", by=TESTER, begun_at=NOON, moved_at=NOON)


def a_row(number: int, user_id: str, **details: object) -> Row:
    """A row of an import."""
    return Row(number=number, id=user_id, details=details)  # type: ignore[arg-type]


def merge(environment: Environment, row: Row, old: User | None) -> User:
    """The real rule; a new user's key is the number of their row."""
    return merged(row, old, environment=environment, key=row.number, now=NOON)


async def keep(store: Store, number: int, *pages: list[Row]) -> None:
    """Begin an import and keep its pages."""
    await store.imports.begin_import(an_import(number))
    for page, rows in enumerate(pages):
        await store.imports.keep_page(number, page, rows, now=NOON)


async def test_a_decided_import_is_merged_page_by_page(store: Store) -> None:
    """New ones are made, changed ones changed, the rest left; at the end the log has one line, and all is forgotten."""
    old = await store.users.create_user(
        a_user("old", key=77, bucket=bucket_of(TEST, "old"), name="Old", email="o@example.com", metadata={"a": 1})
    )
    same = await store.users.create_user(a_user("same", key=78, bucket=bucket_of(TEST, "same"), metadata={}))
    await keep(store, 5, [a_row(2, "new", name="N"), a_row(3, "old", name='O"\\', metadata=[1])], [a_row(4, "same")])
    await store.imports.decide_import(5, now=LATER)
    assert [each.is_decided for each in await store.imports.imports()] == [True]

    assert await store.imports.merge_page(5, merge, now=LATER) == 2
    assert await store.users.user(TEST, "old") == replace(old, name='O"\\', metadata=[1])
    new = await store.users.user(TEST, "new")
    assert (new.key, new.name, new.metadata, new.bucket) == (2, "N", {}, bucket_of(TEST, "new"))
    assert await store.insights.log(TEST, limit=9, before=None, subject_id=None, shared=False) == []
    assert await store.imports.merge_page(5, merge, now=LATER) == 1
    assert await store.imports.merge_page(5, merge, now=LATER) is None
    assert await store.imports.merge_page(5, merge, now=LATER) is None  # As another process would find it.
    assert await store.users.user(TEST, "same") == same
    [line] = await store.insights.log(TEST, limit=9, before=None, subject_id=None, shared=False)
    assert (line.action, line.subject_kind, line.subject_id, line.actor) == ("imported", "users", "users.csv", TESTER)
    assert (line.before, line.after) == (None, {"made": 1, "changed": 1})
    assert await store.imports.imports() == []
    assert await store.users.users(LIVE, limit=9, after=None) == []


async def test_an_import_that_cannot_be_told_is_not_at_its_end(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its line comes when all is merged: as long as it cannot be written the user_import stays, and then it is told."""
    await store.users.create_user(a_user("ada"), signed=Signed(TESTER, lambda: NOON))
    [taken] = await store.insights.log(TEST, limit=1, before=None, subject_id=None, shared=False)
    await keep(store, 5, [a_row(2, "a")])
    await store.imports.decide_import(5, now=NOON)
    assert await store.imports.merge_page(5, merge, now=NOON) == 1
    with monkeypatch.context() as patched:
        patched.setattr(log, "_LINES", repeat(taken.id))
        with pytest.raises(KanaError, match="admin_log"):
            await store.imports.merge_page(5, merge, now=NOON)
    assert len(await store.imports.imports()) == 1
    assert await store.imports.merge_page(5, merge, now=NOON) is None
    [line, _] = await store.insights.log(TEST, limit=9, before=None, subject_id=None, shared=False)
    assert line.after == {"made": 1, "changed": 0}


async def test_what_is_not_decided_is_never_merged(store: Store) -> None:
    """Nobody sees it; it is dropped page by page, and whoever still wrote to it is told."""
    await keep(store, 5, [a_row(2, "a")], [a_row(3, "b")])
    await store.imports.keep_page(5, 2, [a_row(4, "c")], now=LATER)
    assert await store.imports.imports() == [replace(an_import(5), moved_at=LATER)]
    assert await store.imports.merge_page(5, merge, now=LATER) is None
    assert await store.users.users(TEST, limit=9, after=None) == []
    assert [await store.imports.drop_page(5) for _ in range(5)] == [True, True, True, False, False]
    assert await store.imports.imports() == []
    with pytest.raises(Conflict, match="given up"):
        await store.imports.keep_page(5, 3, [a_row(5, "d")], now=LATER)
    with pytest.raises(Conflict, match="given up"):
        await store.imports.decide_import(5, now=LATER)


async def test_what_is_decided_cannot_be_dropped(store: Store) -> None:
    """Nor added to."""
    await keep(store, 5, [a_row(2, "a")])
    await store.imports.decide_import(5, now=LATER)
    assert await store.imports.drop_page(5) is False
    with pytest.raises(Conflict):
        await store.imports.keep_page(5, 1, [a_row(3, "b")], now=LATER)
    assert await store.imports.merge_page(5, merge, now=LATER) == 1


async def test_a_page_that_meets_another_maker_writes_nothing(store: Store, place: Place) -> None:
    """The id of one of its users was given away meanwhile; the page stays and can be tried again."""
    taken = f"values ({bucket_of(TEST, 'b')}, 'test', 'b', {bucket_of(TEST, 'b')}, 9)"
    await keep(store, 5, [a_row(2, "a"), a_row(3, "b")])
    await store.imports.decide_import(5, now=LATER)
    await place.tamper(f"insert into user_ids (bucket, environment, id, home_bucket, user_key) {taken}")
    with pytest.raises(Conflict, match="meanwhile"):
        await store.imports.merge_page(5, merge, now=LATER)
    assert await store.users.users(TEST, limit=9, after=None) == []
    await place.tamper("delete from user_ids where id = 'b'")
    assert await store.imports.merge_page(5, merge, now=LATER) == 2
    assert [user.id for user in await store.users.users(TEST, limit=9, after=None)] == ["a", "b"]
