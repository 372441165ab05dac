"""Users are found by what they begin with, in every order, on each kind of database."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from kana.engine.ports.store import Store
from kana.model.environment import bucket_of
from kana.model.search import UserOrder, UserSearch
from kana.model.user import User
from kana.store import directory
from tests.support.world import LIVE, NOON, ONE_DAY, TEST, World, a_package, a_user, allows, notify_nobody

PEOPLE = (
    ("u1", "Zoë", "Z@Example.com", 3),
    ("U2", "ada Long", None, 1),
    ("u3", None, "ada@example.com", 2),
    ("ada", "Éva", "eva@example.com", 2),
    ("x%", "", "_@example.com", 5),
)


def new_user(id: str, name: str | None = None, email: str | None = None, days: int = 0) -> User:  # noqa: A002
    """A user who was made so many days before noon."""
    bucket, moment = bucket_of(TEST, id), NOON - days * ONE_DAY
    return a_user(id, key=hash(id) & 0xFFFF, bucket=bucket, name=name or None, email=email, created_at=moment)


def a_search(**changes: object) -> UserSearch:
    """All users in the order of their ids."""
    return replace(UserSearch(environment=TEST, now=NOON), **changes)  # type: ignore[arg-type]


@pytest.fixture(params=["gathered", "walked"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both ways to a page: of few that match and of many."""
    if request.param == "walked":
        monkeypatch.setattr(directory, "GATHERED_MAX", 0)


async def fill(store: Store) -> None:
    """Make the people, and one who must never be found."""
    for person in PEOPLE:
        await store.users.create_user(new_user(*person))
    await store.users.create_user(replace(new_user("ada"), environment=LIVE, bucket=bucket_of(LIVE, "ada"), key=9))


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ["U2", "ada", "u1", "u3", "x%"]),
        ("ada", ["U2", "ada", "u3"]),
        ("ADA", ["U2", "ada", "u3"]),
        ("u", ["U2", "u1", "u3"]),
        ("Z", ["u1"]),
        ("éva", []),  # Beyond A to Z letters are what they are, on every database.
        ("Éva", ["ada"]),
        ("%", []),
        ("_", ["x%"]),
        ("x%", ["x%"]),
        ("\U0010ffff", []),
        ("'", []),
    ],
)
async def test_users_are_found_by_what_they_begin_with(store: Store, text: str, expected: list[str]) -> None:
    """Id, name or e-mail, without the case of A to Z; no character means more than itself."""
    await fill(store)
    assert [user.id for user in await store.users.search_users(a_search(text=text))] == expected


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize(
    ("order", "expected"),
    [
        (UserOrder.ID, ["U2", "ada", "u1", "u3", "x%"]),
        (UserOrder.NAME, ["u3", "x%", "U2", "u1", "ada"]),
        (UserOrder.EMAIL, ["U2", "x%", "u3", "ada", "u1"]),
        (UserOrder.AGE, ["U2", "u3", "ada", "u1", "x%"]),
    ],
)
async def test_every_order_is_paged_without_gaps(store: Store, order: UserOrder, expected: list[str]) -> None:
    """One a page, each from behind the last: all come, once, those that are equal too; with a search, those found."""
    await fill(store)
    for text in ("", "ada", "u"):
        whole = await store.users.search_users(a_search(text=text, order=order))
        found: list[User] = []
        while page := await store.users.search_users(
            a_search(text=text, order=order, after=found[-1] if found else None, limit=1)
        ):
            found += page
        assert found == whole
        assert [user.id for user in whole] == [each for each in expected if each in {user.id for user in whole}]
    assert len(await store.users.search_users(a_search(order=order))) == len(PEOPLE)


@pytest.mark.usefixtures("way")
async def test_who_holds_a_package_is_found(store: Store, world: World) -> None:
    """A subscription that stands at that moment, of whatever feature; with a text both must fit."""
    await world.furnish(a_package("basic", allows(1)), a_package("pro", allows(2)))
    for user in ("ada", "bob", "cyd"):
        await world.subscribed_user(user)
    held = (await store.users.subscriptions(TEST, user_id="bob", limit=1, after=None))[0].subscription
    await store.users.change_subscriptions(
        TEST, "bob", lambda *_: [replace(held, ends_at=NOON + timedelta(hours=1))], notify=notify_nobody
    )

    async def ids(**changes: object) -> list[str]:
        return [user.id for user in await store.users.search_users(a_search(**changes))]

    assert await ids(package_id="basic") == ["ada", "bob", "cyd"]
    assert await ids(package_id="basic", now=NOON + timedelta(hours=1)) == ["ada", "cyd"]
    assert await ids(package_id="basic", text="c") == ["cyd"]
    assert await ids(package_id="pro") == []
    assert await ids(package_id="pro", text="c") == []
