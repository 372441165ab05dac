"""Giving units and exceptions to single users."""

from __future__ import annotations

from datetime import timedelta

import pytest

from kana.engine.users.giving import parse_given_id
from kana.errors import (
    FeatureNotFound,
    GivenNotFound,
    IdempotencyKeyReused,
    InvalidValue,
    KanaError,
    Unavailable,
    UserNotFound,
)
from kana.model.entitlement import Consumption, Outcome
from kana.model.given import Given, Override, OverrideTerms, TopUp
from kana.model.period import ResetPeriod
from tests.support.world import (
    DAY,
    MONTH,
    NOON,
    ONE_DAY,
    TEST,
    TESTER,
    World,
    a_feature,
    a_package,
    a_usage,
    allows,
    holds,
)


@pytest.fixture(autouse=True)
async def _furnished(world: World) -> None:
    chat = a_feature("chat", binary=True)
    await world.furnish(a_package("basic", allows(10), holds("chat")), features=(a_feature(), chat, a_feature("other")))
    await world.subscribed_user("ada", "basic")
    world.clock.advance(hours=1)


NOW = NOON + timedelta(hours=1)


async def budget(world: World, feature: str = "message") -> int | None:
    decision = await world.usage.check(TEST, "ada", feature)
    return None if decision.consumption is None else decision.consumption.budget


async def top_up(
    world: World, amount: int = 5, *, user: str = "ada", feature: str = "message", **more: object
) -> TopUp:
    given = await world.engine.giving.create_top_up(TEST, user, feature, amount, reason="sold", by=TESTER, **more)  # type: ignore[arg-type]
    assert isinstance(given.given, TopUp)
    return given.given


async def test_a_top_up_is_used_after_the_package(world: World) -> None:
    """From now on and for ever; who gave it and why is kept."""
    given = await top_up(world)
    assert (given.amount, given.start, given.ends_at, given.reason, given.by) == (5, NOW, None, "sold", TESTER.name)
    answers = [(await world.usage.record(a_usage(each))).entry for each in (12, 3, 1)]
    assert [each.outcome for each in answers] == [Outcome.RECORDED, Outcome.RECORDED, Outcome.LIMIT_EXCEEDED]
    assert [len(each.split) for each in answers] == [2, 0, 0]
    assert answers[1].consumption == Consumption(15, 15, overage_enabled=False)


async def test_a_top_up_holds_in_its_window(world: World) -> None:
    """From its start until it expires."""
    await top_up(world, starts_at=NOW + ONE_DAY, expires_at=NOW + 2 * ONE_DAY)
    budgets = []
    for _ in range(3):
        budgets.append(await budget(world))
        world.clock.advance(days=1)
    assert budgets == [10, 15, 10]


async def test_a_key_gives_once(world: World) -> None:
    """Again it is the first one; with other content it is refused and changes nothing."""
    giving = world.engine.giving
    first = await giving.create_top_up(TEST, "ada", "message", 5, reason="sold", by=TESTER, key="k", starts_at=NOW)
    world.clock.advance(hours=1)
    again = await giving.create_top_up(TEST, "ada", "message", 5, reason="sold", by=TESTER, key="k")
    assert (again.given, first.duplicate, again.duplicate) == (first.given, False, True)
    with pytest.raises(IdempotencyKeyReused, match="with other content: featureId, amount, startsAt, reason differ"):
        await giving.create_top_up(TEST, "ada", "other", 6, reason="x", by=TESTER, key="k", starts_at=NOON)
    assert [each.given for each in await giving.top_ups(TEST, "ada")] == [first.given]


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"user": "nobody"}, UserNotFound, "User not found: 'nobody'"),
        ({"feature": "nothing"}, FeatureNotFound, "Feature not found: 'nothing'"),
        ({"feature": "chat"}, InvalidValue, "featureId must name a CONSUMABLE feature, and 'chat' is BINARY"),
        ({"amount": 0}, InvalidValue, "amount must be 1 to 9007199254740991, got 0"),
        (
            {"expires_at": NOW},
            InvalidValue,
            "expiresAt must be after 2026-03-10T13:00:00+00:00, got 2026-03-10T13:00:00+00:00",
        ),
        (
            {"starts_at": NOW + ONE_DAY, "expires_at": NOW + ONE_DAY},
            InvalidValue,
            "expiresAt must be after 2026-03-11T13:00:00+00:00, got 2026-03-11T13:00:00+00:00",
        ),
        ({"key": " "}, InvalidValue, "idempotencyKey must be"),
    ],
)
async def test_what_is_no_top_up(
    world: World, changes: dict[str, object], error: type[KanaError], message: str
) -> None:
    """Refused, and nothing is given."""
    with pytest.raises(error) as raised:
        await top_up(world, **changes)  # type: ignore[arg-type]
    assert raised.value.message.startswith(message)
    assert await world.engine.giving.top_ups(TEST, "ada") == []


async def override(world: World, feature: str = "message", **terms: object) -> Override:
    made = OverrideTerms(**terms)  # type: ignore[arg-type]
    given = (await world.engine.giving.set_override(TEST, "ada", feature, made, reason="asked", by=TESTER)).given
    assert isinstance(given, Override)
    return given


async def test_an_override_stands_in_place_of_packages(world: World) -> None:
    """What was used counts on, by the package's reset period, until it ends."""
    await world.usage.record(a_usage(8))
    given = await override(world, limit=20, ends_at=NOW + ONE_DAY)
    assert (given.reset_period, given.start) == (MONTH, NOW)
    assert (await world.usage.check(TEST, "ada", "message")).consumption == Consumption(8, 20, overage_enabled=False)
    world.clock.advance(days=1)
    assert await budget(world) == 10


async def test_another_override_ends_the_one_before(world: World) -> None:
    """Of each feature one holds at most; those of other features stay."""
    first, other = await override(world, limit=20), await override(world, "other", limit=1)
    world.clock.advance(hours=1)
    second = await override(world, limit=30, reset_period=DAY, keeps_reset_period=False)
    ends = {each.given.id: each.given.ends_at for each in await world.engine.giving.overrides(TEST, "ada")}
    assert ends == {first.id: NOW + timedelta(hours=1), other.id: None, second.id: None}
    assert await budget(world) == 30
    assert (other.reset_period, second.reset_period) == (None, ResetPeriod.DAY)


async def test_the_same_override_again_changes_nothing(world: World) -> None:
    """A retry gets the first one; another limit, end or reason is another override."""
    first = await override(world, limit=20)
    world.clock.advance(hours=1)
    terms = OverrideTerms(limit=20)
    again = await world.engine.giving.set_override(TEST, "ada", "message", terms, reason="asked", by=TESTER)
    assert (again.given, again.duplicate, len(await world.engine.giving.overrides(TEST, "ada"))) == (first, True, 1)
    await override(world, limit=20, ends_at=NOW + ONE_DAY)
    await world.engine.giving.set_override(
        TEST, "ada", "message", OverrideTerms(limit=20, ends_at=NOW + ONE_DAY), reason="another", by=TESTER
    )
    assert len(await world.engine.giving.overrides(TEST, "ada")) == 3


async def test_a_denial_and_its_end(world: World) -> None:
    """Of a BINARY feature too; afterwards the packages apply again."""
    given = await override(world, "chat", denied=True)
    assert (await world.usage.check(TEST, "ada", "chat")).outcome is Outcome.DENIED
    ended = (await world.engine.giving.end_override(TEST, given.id, by=TESTER)).given
    assert ended.ends_at == NOW
    assert (await world.usage.check(TEST, "ada", "chat")).access


async def test_ending_a_top_up_loses_what_is_left(world: World) -> None:
    """Ending it again, or one that has ended, changes nothing; one that has not begun never holds."""
    giving = world.engine.giving
    given, later = await top_up(world), await top_up(world, starts_at=NOW + ONE_DAY)
    assert await budget(world) == 15
    for _ in range(2):
        gift = await giving.end_top_up(TEST, given.id, by=TESTER)
        assert (gift.user_id, gift.given.ends_at) == ("ada", NOW)
        world.clock.advance(hours=1)
    assert (await giving.end_top_up(TEST, later.id, by=TESTER)).given.ends_at == later.start
    assert await budget(world) == 10


async def test_how_much_of_a_top_up_is_used_is_told(world: World) -> None:
    """In lists, when it is ended and when its key is sent again; of an override nothing is counted."""
    giving = world.engine.giving
    given = await top_up(world, key="k")
    later = await top_up(world, 7)
    await override(world, limit=10, reset_period=None, keeps_reset_period=False)
    await world.usage.record(a_usage(13))
    assert [(each.user_id, each.given.id, each.used) for each in await giving.top_ups(TEST, "ada")] == [
        ("ada", given.id, 3),
        ("ada", later.id, 0),
    ]
    again = await giving.create_top_up(TEST, "ada", "message", 5, reason="sold", by=TESTER, key="k")
    assert (again.used, again.duplicate) == (3, True)
    assert (await giving.end_top_up(TEST, given.id, by=TESTER)).used == 3
    assert [each.used for each in await giving.overrides(TEST, "ada")] == [0]


async def test_what_was_given_is_listed_page_by_page(world: World) -> None:
    """The first ones after an id; a page of none is refused."""
    giving = world.engine.giving
    ids = [(await top_up(world)).id for _ in range(3)]
    stands = await override(world, limit=1)
    assert [each.given.id for each in await giving.top_ups(TEST, "ada", first=2)] == ids[:2]
    assert [each.given.id for each in await giving.top_ups(TEST, "ada", after=ids[1])] == ids[2:]
    assert [each.given.id for each in await giving.overrides(TEST, "ada", first=1)] == [stands.id]
    assert await giving.overrides(TEST, "ada", after=stands.id) == []
    with pytest.raises(InvalidValue, match="first must be 1 to 10000, got 0"):
        await giving.top_ups(TEST, "ada", first=0)


async def test_what_is_not_there_is_not_found(world: World) -> None:
    """Nor is an override among top-ups, or the other way round; nor one of another environment."""
    giving = world.engine.giving
    given, stands = await top_up(world), await override(world, limit=1)
    for verb, number, noun in (
        (giving.end_top_up, stands.id, "Top-up"),
        (giving.end_override, given.id, "Override"),
        (giving.end_top_up, 1, "Top-up"),
    ):
        with pytest.raises(GivenNotFound, match=f"^{noun} not found: '{number}'$"):
            await verb(TEST, number, by=TESTER)
    for listing in (giving.top_ups(TEST, "nobody"), giving.overrides(TEST, "nobody")):
        with pytest.raises(UserNotFound):
            await listing


@pytest.mark.parametrize(("text", "number"), [("12", 12), ("x", None), ("", None), ("-1", None)])
def test_ids_are_digits(text: str, number: int | None) -> None:
    """Anything else names nothing."""
    kind: type[Given] = TopUp
    if number is not None:
        assert parse_given_id(text, kind) == number
        return
    with pytest.raises(GivenNotFound, match=r"^Top-up not found: "):
        parse_given_id(text, kind)


async def test_a_user_who_is_renamed_meanwhile_is_found_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A few times; then the caller asks again."""
    given = await top_up(world)
    change, names = world.store.users.change_given, iter(["bob"])

    async def renaming(environment: object, user_id: str, *args: object, **more: object) -> object:
        for name in names:
            await world.accounts.update_user(TEST, user_id, {"id": name})
        return await change(environment, user_id, *args, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(world.store.users, "change_given", renaming)
    assert (await world.engine.giving.end_top_up(TEST, given.id, by=TESTER)).user_id == "bob"

    names = iter(f"c{number}" for number in range(9))

    async def always(environment: object, user_id: str, *args: object, **more: object) -> object:
        await world.accounts.update_user(TEST, user_id, {"id": next(names)})
        return await change(environment, user_id, *args, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(world.store.users, "change_given", always)
    with pytest.raises(Unavailable, match="renamed by others"):
        await world.engine.giving.end_top_up(TEST, given.id, by=TESTER)
