"""What people do to users, subscriptions and settings is told in the log: who, what, before and after, or not done."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial
from itertools import pairwise, repeat

import apsw
import pytest

from kana.engine.ports.store import Store
from kana.errors import Conflict, InvalidValue, KanaError, SubscriptionNotFound, SubscriptionRefused, UserNotFound
from kana.model.environment import Actor, Environment
from kana.model.key import EnvironmentSettings, KeyKind
from kana.model.log import LogLine
from kana.model.user_import import Row, WrongRow
from kana.store import log
from tests.support.stores import Place
from tests.support.world import LIVE, NOON, TEST, TESTER, World, a_package, allows

OWNER = Actor(kind="person", name="owner@example.com")
"""Who makes the changes that are looked at; what they need was made by TESTER, or by nobody."""

Verb = Callable[[World], Awaitable[object]]

_NOON_TOLD, _LATER_TOLD = "2026-03-10 12:00:00+00:00", "2026-03-10 13:00:00+00:00"


async def told(world: World, environment: Environment = TEST) -> list[LogLine]:
    """The lines of all but TESTER, the oldest first, without their ids."""
    lines = await world.store.insights.log(environment, limit=99, before=None, subject_id=None, shared=True)
    return [replace(line, id=0) for line in reversed(lines) if line.actor != TESTER]


def a_line(action: str, subject_kind: str, subject_id: str, before: object = None, after: object = None) -> LogLine:
    """What OWNER did at noon."""
    return LogLine(
        id=0,
        environment=TEST,
        at=NOON,
        actor=OWNER,
        action=action,
        subject_kind=subject_kind,
        subject_id=subject_id,
        before=before,
        after=after,
    )


def told_user(id: str, **told: object) -> dict[str, object]:  # noqa: A002
    """A user as a line tells them."""
    return {"id": id, "name": None, "email": None, "billing_id": None, "metadata": {}, **told}


def told_subscription(package: str, **told: object) -> dict[str, object]:
    """A subscription since noon as a line tells it."""
    return {"package_id": package, "status": "ACTIVE", "start": _NOON_TOLD, "ends_at": None, **told}


async def stock(world: World) -> None:
    """Offer two base packages and an add-on."""
    addon = a_package("extra", is_addon=True)
    await world.furnish(a_package("basic", allows(10)), a_package("pro", allows(20)), addon)


async def subscription_of(world: World, package_id: str, *, user_id: str = "ada") -> int:
    """The id of what a user holds."""
    held = await world.accounts.subscriptions(TEST, user_id=user_id)
    return next(each.subscription.id for each in held if each.subscription.package_id == package_id)


async def merge(world: World, *user_import: Row | WrongRow, source: str = "new users.csv") -> None:
    """Take in a table of users."""
    await world.engine.imports.merge(TEST, user_import, on_rows=lambda _: None, source=source, by=OWNER)


async def test_a_new_user_is_told(world: World) -> None:
    """As they are, with nothing before; in their environment only."""
    metadata = {"größe": [1, 0.5, {"deep": None}], "🦜": "'"}
    await world.accounts.create_user(TEST, id="名/前", name="N", email="n@e", metadata=metadata, by=OWNER)
    after = told_user("名/前", name="N", email="n@e", metadata=metadata)
    assert await told(world) == [a_line("created", "user", "名/前", after=after)]
    assert await told(world, LIVE) == []


async def test_a_changed_user_is_told(world: World) -> None:
    """Before and after; renamed under the new id. What changes nothing is no change."""
    await world.accounts.create_user(TEST, id="ada", billing_id="b")
    await world.accounts.update_user(TEST, "ada", {"name": "Ada"}, by=OWNER)
    await world.accounts.update_user(TEST, "ada", {"name": "Ada"}, by=OWNER)
    await world.accounts.update_user(TEST, "ada", {"id": "bob"}, by=OWNER)
    first = told_user("ada", billing_id="b")
    assert await told(world) == [
        a_line("updated", "user", "ada", first, first | {"name": "Ada"}),
        a_line("updated", "user", "bob", first | {"name": "Ada"}, first | {"id": "bob", "name": "Ada"}),
    ]


async def test_the_time_zone_of_a_user_is_told_where_there_is_one(world: World) -> None:
    """As it was and as it is."""
    await world.accounts.create_user(TEST, id="ada")
    await world.accounts.update_user(TEST, "ada", {"time_zone": "Asia/Tokyo"}, by=OWNER)
    await world.accounts.update_user(TEST, "ada", {"time_zone": None}, by=OWNER)
    without, zoned = told_user("ada"), told_user("ada") | {"time_zone": "Asia/Tokyo"}
    assert await told(world) == [
        a_line("updated", "user", "ada", without, zoned), a_line("updated", "user", "ada", zoned, without),
    ]  # fmt: skip


async def test_revoked_tokens_are_told(world: World) -> None:
    """Each time anew: older tokens end each time. The version is nobody's business."""
    await world.accounts.create_user(TEST, id="ada")
    await world.accounts.revoke_tokens(TEST, "ada", by=OWNER)
    await world.accounts.revoke_tokens(TEST, "ada", by=OWNER)
    assert await told(world) == [a_line("revoked", "user tokens", "ada")] * 2


async def test_new_subscriptions_are_told(world: World) -> None:
    """A line for each, under the id of the user, with nothing before; in the order they were asked for."""
    await stock(world)
    await world.accounts.create_user(TEST, id="ada")
    await world.accounts.subscribe(TEST, "ada", ["basic", "extra"], by=OWNER)
    assert await told(world) == [
        a_line("created", "subscription", "ada", after=told_subscription(package)) for package in ("basic", "extra")
    ]


async def test_a_changed_package_is_told(world: World) -> None:
    """The old subscription ends, with what it was before, and the new one begins."""
    await stock(world)
    await world.subscribed_user("ada")
    at = world.clock.advance(hours=1)
    await world.accounts.change_subscription(TEST, "ada", "pro", by=OWNER)
    ended = told_subscription("basic", status="CANCELLED", ends_at=_LATER_TOLD)
    lines = [
        a_line("updated", "subscription", "ada", told_subscription("basic"), ended),
        a_line("created", "subscription", "ada", after=told_subscription("pro", start=_LATER_TOLD)),
    ]
    assert await told(world) == [replace(line, at=at) for line in lines]


async def test_cancelled_subscriptions_are_told(world: World) -> None:
    """The add-ons that go along too; at the end of a period with that moment. Cancelling again is no change."""
    await stock(world)
    await world.subscribed_user("ada", "basic", "extra")
    number = await subscription_of(world, "basic")
    await world.accounts.cancel_subscription(TEST, number, at_period_end=True, by=OWNER)
    ending = {"ends_at": "2026-04-10 12:00:00+00:00"}
    packages = ("basic", "extra")
    later = [
        a_line("updated", "subscription", "ada", told_subscription(each), told_subscription(each, **ending))
        for each in packages
    ]
    assert await told(world) == later

    at = world.clock.advance(hours=1)
    await world.accounts.cancel_subscription(TEST, number, by=OWNER)
    await world.accounts.cancel_subscription(TEST, number, by=OWNER)
    over = {"status": "CANCELLED", "ends_at": _LATER_TOLD}
    now = [
        a_line("updated", "subscription", "ada", told_subscription(each, **ending), told_subscription(each, **over))
        for each in packages
    ]
    assert await told(world) == [*later, *(replace(line, at=at) for line in now)]


async def test_a_file_of_users_is_one_line(world: World) -> None:
    """With how many it made and changed over all chunks; rows that change nothing are in neither count."""
    for user_id in ("kept", "changed"):
        await world.accounts.create_user(TEST, id=user_id, name="N")
    new = [Row(number=number, id=f"u{number}", details={}) for number in range(2, 600)]
    kept = Row(number=600, id="kept", details={"name": "N"})
    changed = Row(number=601, id="changed", details={"name": "Other"})
    await merge(world, *new, kept, changed)
    await merge(world, *new, kept, changed, source="again.csv")
    assert await told(world) == [
        a_line("imported", "users", "new users.csv", after={"made": 598, "changed": 1}),
        a_line("imported", "users", "again.csv", after={"made": 0, "changed": 0}),
    ]


async def test_a_file_may_be_called_anything(world: World) -> None:
    """What no database keeps is left out of its name: it is no reason to refuse the users in it."""
    await merge(world, Row(number=2, id="ada", details={}), source="né\0w\ud800\n users.csv")
    assert await told(world) == [a_line("imported", "users", "néw users.csv", after={"made": 1, "changed": 0})]


async def test_changed_settings_are_told(world: World) -> None:
    """With what they were; each environment's among its own lines. What stands as it stood is no change."""
    old = (await world.access.keyring()).environments[TEST]
    for _ in range(2):
        await world.access.change_settings(TEST, requires_secure_mode=True, by=OWNER)
    before = {"environment": "test", "app_id": old.app_id, "requires_secure_mode": False, "time_zone": "UTC"}
    assert await told(world) == [
        a_line("updated", "settings", "test", before, before | {"requires_secure_mode": True}),
    ]
    assert await told(world, LIVE) == []


def _of_app(old: EnvironmentSettings, *, app_id: str) -> EnvironmentSettings:
    return replace(old, app_id=app_id)


async def test_before_is_what_the_change_before_left(store: Store, place: Place) -> None:
    """Of many changes at once by two stores each tells what it replaced: together the lines are one chain."""
    another = await place.open()
    await asyncio.gather(
        *(
            each.keys.change_settings(TEST, partial(_of_app, app_id=f"{name}{n}"), by=OWNER, now=NOON)
            for name, each in (("a", store), ("b", another))
            for n in range(8)
        )
    )
    await another.close()
    lines = await told(World(store))
    after_of = {line.before["app_id"]: line.after["app_id"] for line in lines}  # type: ignore[index]
    [first] = set(after_of) - set(after_of.values())
    chain = [first]
    while chain[-1] in after_of:
        chain.append(after_of[chain[-1]])
    assert len(chain) == len(lines) + 1 == 17


async def test_keys_and_secrets_are_told(world: World) -> None:
    """Made and revoked, once; masked, so that nobody gets in by the log."""
    key, described = await world.access.create_key(TEST, KeyKind.PRIVATE, name="ключ", by=OWNER)
    for _ in range(2):
        await world.access.revoke_key(key, by=OWNER)
    secret = await world.access.rotate_signing_secret(TEST, by=OWNER)
    world.clock.advance(hours=1)
    await world.access.rotate_signing_secret(TEST, by=TESTER)
    world.clock.advance(hours=-1)
    for _ in range(2):
        await world.access.revoke_signing_secret(secret.id, by=OWNER)
    after = {"kind": described.kind.value, "name": "ключ"}
    assert await told(world) == [
        a_line("created", "key", described.masked, after=after),
        a_line("revoked", "key", described.masked, after=after),
        a_line("created", "signing secret", secret.id),
        a_line("revoked", "signing secret", secret.id),
    ]


async def test_what_nobody_signs_is_not_told(world: World) -> None:
    """A product's own calls change what they change, without a line."""
    await stock(world)
    await world.accounts.create_user(TEST, id="ada")
    await world.accounts.update_user(TEST, "ada", {"id": "bob", "name": "B"})
    await world.accounts.subscribe(TEST, "bob", ["basic", "extra"])
    await world.accounts.change_subscription(TEST, "bob", "pro")
    await world.accounts.cancel_subscription(TEST, await subscription_of(world, "pro", user_id="bob"))
    assert [user.id for user in await world.accounts.users(TEST)] == ["bob"]
    assert await told(world) == []


REFUSED: dict[str, tuple[type[KanaError], Verb]] = {
    "create": (Conflict, lambda world: world.accounts.create_user(TEST, id="ada", name="second", by=OWNER)),
    "rename": (Conflict, lambda world: world.accounts.update_user(TEST, "ada", {"id": "bob", "name": "B"}, by=OWNER)),
    "edit": (InvalidValue, lambda world: world.accounts.update_user(TEST, "ada", {"name": ""}, by=OWNER)),
    "edit nobody": (UserNotFound, lambda world: world.accounts.update_user(TEST, "cyd", {"name": "C"}, by=OWNER)),
    "revoke tokens": (UserNotFound, lambda world: world.accounts.revoke_tokens(TEST, "cyd", by=OWNER)),
    "subscribe": (
        SubscriptionRefused,
        lambda world: world.accounts.subscribe(TEST, "bob", ["basic", "unknown"], by=OWNER),
    ),
    "subscribe nobody": (UserNotFound, lambda world: world.accounts.subscribe(TEST, "cyd", ["basic"], by=OWNER)),
    "change": (SubscriptionRefused, lambda world: world.accounts.change_subscription(TEST, "ada", "no", by=OWNER)),
    "cancel": (SubscriptionNotFound, lambda world: world.accounts.cancel_subscription(TEST, 1, by=OWNER)),
    "import": (
        InvalidValue,
        lambda world: merge(
            world, *(Row(number=n, id=f"u{n}", details={}) for n in range(2, 600)), WrongRow(600, "", "no id")
        ),
    ),
}


async def all_of(world: World) -> object:
    """What the verbs change."""
    keyring = await world.store.keys.keyring()
    return await world.accounts.users(TEST), await world.accounts.subscriptions(TEST), keyring


async def settle(world: World) -> None:
    """Have two users, one of whom holds a package."""
    await stock(world)
    await world.subscribed_user("ada")
    await world.accounts.create_user(TEST, id="bob")


@pytest.mark.parametrize("name", REFUSED)
async def test_what_is_refused_is_neither_done_nor_told(world: World, name: str) -> None:
    """Whatever was written before the refusal is taken back."""
    await settle(world)
    before = await all_of(world)
    refusal, verb = REFUSED[name]
    with pytest.raises(refusal):
        await verb(world)
    assert await all_of(world) == before
    assert await told(world) == []


async def _cancel(world: World) -> None:
    await world.accounts.cancel_subscription(TEST, await subscription_of(world, "basic"), by=OWNER)


DONE: dict[str, Verb] = {
    "create": lambda world: world.accounts.create_user(TEST, id="cyd", by=OWNER),
    "rename": lambda world: world.accounts.update_user(TEST, "ada", {"id": "cyd"}, by=OWNER),
    "revoke tokens": lambda world: world.accounts.revoke_tokens(TEST, "ada", by=OWNER),
    "subscribe": lambda world: world.accounts.subscribe(TEST, "bob", ["basic", "extra"], by=OWNER),
    "change": lambda world: world.accounts.change_subscription(TEST, "ada", "pro", by=OWNER),
    "cancel": _cancel,
    "settings": lambda world: world.access.change_settings(TEST, requires_secure_mode=True, by=OWNER),
    "create key": lambda world: world.access.create_key(TEST, KeyKind.PUBLIC, name="", by=OWNER),
    "rotate secret": lambda world: world.access.rotate_signing_secret(TEST, by=OWNER),
}


@pytest.mark.parametrize("name", DONE)
async def test_what_cannot_be_told_is_not_done(world: World, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The line's id is taken, and so the change falls with its line; with an id of its own both are there."""
    await settle(world)
    before = await all_of(world)
    [taken] = await world.store.insights.log(TEST, limit=1, before=None, subject_id=None, shared=True)
    with monkeypatch.context() as patched:
        patched.setattr(log, "_LINES", repeat(taken.id))
        with pytest.raises((KanaError, apsw.ConstraintError), match="admin_log"):
            await DONE[name](world)
    assert await all_of(world) == before
    assert await told(world) == []

    await DONE[name](world)
    assert await all_of(world) != before
    assert await told(world) != []


async def test_lines_of_one_moment_are_apart(world: World) -> None:
    """Many at once lose none, and a page goes on where the one before ended."""
    await asyncio.gather(*(world.accounts.create_user(TEST, id=f"u{n}", by=OWNER) for n in range(30)))
    found: list[LogLine] = []
    while page := await world.store.insights.log(
        TEST, limit=7, before=found[-1].id if found else None, subject_id=None, shared=False
    ):
        found += page
    assert all(newer.id > older.id for newer, older in pairwise(found))
    assert {line.subject_id for line in found} == {f"u{n}" for n in range(30)}
