"""Users are found with what they hold, and an import is ruled on and merged by one rule."""

from __future__ import annotations

import pytest

from kana.engine.users.directory import CHUNK, CheckedRow, in_chunks
from kana.model.search import UserOrder
from kana.model.text import identifier
from kana.model.user_import import Row, RowOutcome, WrongRow
from tests.support.world import NOON, TEST, TESTER, World, a_package, allows


def row(number: int, user_id: str, **details: object) -> Row:
    """A row of an import."""
    return Row(number=number, id=user_id, details=details)  # type: ignore[arg-type]


async def test_users_are_listed_with_what_stands(world: World) -> None:
    """Subscriptions that have ended are left out; a page goes on behind an id, in the order asked for."""
    await world.furnish(a_package("basic", allows(1)), a_package("pro", allows(2)))
    await world.subscribed_user("ada", "basic")
    await world.subscribed_user("bob", "basic")
    await world.accounts.change_subscription(TEST, "ada", "pro")
    found = await world.engine.directory.search(TEST)
    assert [(each.user.id, [package.id for _, package in each.holds]) for each in found] == [
        ("ada", ["pro"]),
        ("bob", ["basic"]),
    ]
    for after, expected in (("ada", ["bob"]), ("bob", []), ("gone", ["ada", "bob"])):
        found = await world.engine.directory.search(TEST, after=after, order=UserOrder.NAME, first=2)
        assert [each.user.id for each in found] == expected
    assert [each.user.id for each in await world.engine.directory.search(TEST, text="B", package_id="basic")] == ["bob"]


async def test_what_is_ruled_is_what_is_done(world: World) -> None:
    """Made, changed, left, wrong; and after the merge the same rows leave everything as it is."""
    await world.accounts.create_user(TEST, id="old", name="Old", email="o@example.com", metadata={"a": 1})
    right = [row(2, "new", name="New"), row(3, "old", name="Older"), row(4, "same"), row(5, "old2", metadata=[1])]
    await world.accounts.create_user(TEST, id="same")
    checked_rows = await world.engine.directory.rule(
        TEST, [*right, WrongRow(6, "w", "no user"), row(7, "bad", name="x" * 256), row(8, "same", email="\n")]
    )
    assert [(checked.number, checked.outcome) for checked in checked_rows] == [
        (2, RowOutcome.CREATED), (3, RowOutcome.UPDATED), (4, RowOutcome.UNCHANGED), (5, RowOutcome.CREATED),
        (6, RowOutcome.WRONG), (7, RowOutcome.WRONG), (8, RowOutcome.WRONG),
    ]  # fmt: skip
    assert checked_rows[4] == CheckedRow(6, "w", RowOutcome.WRONG, "no user")
    assert checked_rows[6].why == r"email must not contain control characters or lone surrogates, got '\n'"
    await world.engine.imports.merge(TEST, right, on_rows=lambda _: None, by=TESTER)
    old, new = await world.accounts.user(TEST, "old"), await world.accounts.user(TEST, "new")
    assert (old.name, old.email, old.metadata) == ("Older", "o@example.com", {"a": 1})
    assert (new.name, new.email, new.metadata, new.created_at) == ("New", None, {}, NOON)
    assert {checked.outcome for checked in await world.engine.directory.rule(TEST, right)} == {RowOutcome.UNCHANGED}


async def test_a_new_row_with_a_blank_at_an_end_is_wrong(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody new is called so; who is called so from before is taken in like anybody."""
    with monkeypatch.context() as before:
        before.setattr("kana.engine.users.accounts.new_identifier", identifier)
        await world.accounts.create_user(TEST, id="old ")
    rows = [row(2, "old ", name="Old"), row(3, "new "), row(4, " ")]
    checked_rows = await world.engine.directory.rule(TEST, rows)
    assert [checked.outcome for checked in checked_rows] == [RowOutcome.UPDATED, RowOutcome.WRONG, RowOutcome.WRONG]
    assert checked_rows[1].why.startswith("id must not begin or end with a space")
    await world.engine.imports.merge(TEST, rows[:1], on_rows=lambda _: None, by=TESTER)
    assert (await world.accounts.user(TEST, "old ")).name == "Old"


def test_chunks_hold_every_row() -> None:
    """Whole ones and the rest; nothing gives none."""
    rows = [row(number, f"n{number}") for number in range(2 * CHUNK + 1)]
    assert [len(chunk) for chunk in in_chunks(rows)] == [CHUNK, CHUNK, 1]
    assert [each for chunk in in_chunks(rows) for each in chunk] == rows
    assert [len(chunk) for chunk in in_chunks(rows[:CHUNK])] == [CHUNK]
    assert list(in_chunks([])) == []
