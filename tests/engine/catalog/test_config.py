"""What publishing a configuration does to whom, and that it does all of it or nothing, on every store."""

from __future__ import annotations

import asyncio
import re
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from kana.cli.configuration.reader import read_yaml
from kana.engine.catalog import config as verbs
from kana.engine.catalog.config import ConfigEngine, ConfigRefused, ConfigStale, Review
from kana.engine.turns import AT_ONCE
from kana.errors import Conflict
from kana.model.config import Config, read_config
from kana.model.environment import Environment
from kana.model.package import PackageStatus
from kana.model.period import ResetPeriod
from tests.support.tree import ROOT
from tests.support.world import (
    DAY,
    FIRST_PERIODS,
    LIVE,
    MILLISECOND,
    MONTH,
    TEST,
    TESTER,
    World,
    a_feature,
    a_package,
    a_usage,
    allows,
)

APP = "test_abcdefgh"


def a_config(
    limit: int | None = 50, *, revision: str | None = None, packages: dict[str, Any] | None = None, **held: Any
) -> Config:
    """One feature in one published package."""
    entitlement = {"id": "message", "limit": limit, "reset_period": "MONTH"} | held
    published = {"published": [{"id": "basic", "features": [entitlement]}]}
    return read_config(
        {
            "revision": revision,
            "features": [{"id": "message", "type": "CONSUMABLE"}],
            "packages": published if packages is None else packages,
        }
    )


@pytest.fixture
def config(world: World) -> ConfigEngine:
    return ConfigEngine(world.store.catalogs, clock=world.clock)


async def texts(config: ConfigEngine, wanted: Config) -> list[str]:
    return [line.marked for line in (await review(config, wanted)).lines]


async def review(config: ConfigEngine, wanted: Config) -> Review:
    return await config.review(TEST, wanted, app_id=APP)


async def use(world: World, user_id: str, delta: int) -> None:
    receipt = await world.usage.record(a_usage(delta, user_id=user_id))
    assert receipt.entry.recorded


async def test_a_review_of_what_is_there_is_empty(world: World, config: ConfigEngine) -> None:
    """The file equals the server, and the review names the state that it was made on."""
    await world.furnish(a_package("basic", allows(50)))
    assert await review(config, a_config()) == Review(f"{APP}@1", ())


async def test_a_change_of_what_nobody_has_needs_no_warning(world: World, config: ConfigEngine) -> None:
    """Nobody subscribes, so nobody loses."""
    await world.furnish(a_package("basic", allows(50)))
    assert await texts(config, a_config(10)) == [
        "Package 'basic' changes 'message' from 50 per month to 10 per month (at once for 0 subscribers)."
    ]


async def test_a_lower_limit_says_who_has_less_and_who_is_above(world: World, config: ConfigEngine) -> None:
    """The warning counts subscribers, and those whose current period holds more than the new limit."""
    await world.furnish(a_package("basic", allows(50)))
    for user_id, used in (("ada", 11), ("bob", 10), ("eve", 40)):
        await world.subscribed_user(user_id)
        await use(world, user_id, used)

    found = await review(config, a_config(10))

    assert [line.marked for line in found.lines] == [
        "[WARNING] Package 'basic' changes 'message' from 50 per month to 10 per month:"
        " this touches 3 subscribers, 2 of them above 10 already in their current period.",
        "Package 'basic' changes 'message' from 50 per month to 10 per month (at once for 3 subscribers).",
    ]
    assert [(line.subscribers, line.over) for line in found.lines] == [(3, 2), (3, 2)]


async def test_archiving_always_warns(world: World, config: ConfigEngine) -> None:
    """Nobody new can have it, so it warns even where nobody subscribes; those who do keep the package."""
    await world.furnish(a_package("basic", allows(50)))
    assert await texts(config, a_config(packages={})) == [
        "[WARNING] Package 'basic' is archived: nobody new can subscribe to it: this touches 0 subscribers.",
        "Package 'basic' is archived: nobody new can subscribe to it (0 subscribers keep it).",
    ]
    await world.subscribed_user("ada")
    assert (await texts(config, a_config(packages={})))[1].endswith("(1 subscriber keeps it).")


async def test_unarchiving_is_a_line_without_a_warning(world: World, config: ConfigEngine) -> None:
    """Who kept the package loses nothing; and afterwards somebody new can have it."""
    await world.furnish(a_package("basic", allows(50)))
    await world.subscribed_user("ada")
    await world.catalog.archive_package(TEST, "basic", by=TESTER)
    assert await texts(config, a_config(50)) == [
        "Package 'basic' is published again: users can subscribe to it (1 subscriber keeps it).",
    ]
    await config.publish(TEST, a_config(50), app_id=APP, by=TESTER)
    await world.subscribed_user("bob")


async def test_errors_stand_alone(world: World, config: ConfigEngine) -> None:
    """With an error nothing would be published, so no change is listed; the path says where it is."""
    await world.furnish(a_package("basic", allows(50)))
    wanted = a_config(packages={"draft": [{"id": "basic"}, {"id": "new"}]})

    found = await review(config, wanted)

    assert [(line.marked, line.path) for line in found.lines] == [
        ("[ERROR] Package 'basic' is published and cannot become a draft again.", "packages.draft[0]")
    ]
    with pytest.raises(ConfigRefused, match=r"^\[ERROR\] Package 'basic' is published"):
        await config.publish(TEST, wanted, app_id=APP, by=TESTER)
    assert (await config.read(TEST)).version == 1


async def test_publish_makes_exactly_what_the_review_listed(world: World, config: ConfigEngine) -> None:
    """One change: the version goes up by one, the other environment stays empty, and a review is empty after it."""
    wanted = a_config(7)
    assert len(await texts(config, wanted)) == 2

    catalog = await config.publish(TEST, wanted, app_id=APP, by=TESTER)

    assert catalog.version == 1
    assert catalog.package("basic").status is PackageStatus.PUBLISHED
    assert catalog.package("basic").features == (allows(7),)
    assert await texts(config, wanted) == []
    assert (await config.publish(TEST, wanted, app_id=APP, by=TESTER)).version == 1
    assert (await config.read(LIVE)).features == {}


async def test_a_stale_file_changes_nothing(world: World, config: ConfigEngine) -> None:
    """A revision that is no longer the newest is an error, in a review as in a publish."""
    await config.publish(TEST, a_config(7), app_id=APP, by=TESTER)
    stale = a_config(8, revision=f"{APP}@0")

    [line] = (await review(config, stale)).lines
    with pytest.raises(ConfigStale, match=f"made from revision {APP}@0, and the server is at {APP}@1"):
        await config.publish(TEST, stale, app_id=APP, by=TESTER)

    assert (line.path, line.marked[:30]) == ("revision", "[ERROR] The file was made from")
    assert issubclass(ConfigStale, Conflict)
    assert (await config.read(TEST)).package("basic").features == (allows(7),)


@pytest.mark.parametrize("revision", [None, "live_zzzzzzzz@0", f"{APP}@0"])
async def test_a_file_of_another_environment_is_no_stale_one(config: ConfigEngine, revision: str | None) -> None:
    """What was tried in test goes live with the same file; a file without a revision is not compared."""
    wanted = a_config(7, revision=revision)
    assert (await config.publish(TEST, wanted, app_id=APP, by=TESTER)).version == 1


async def test_of_two_who_publish_from_one_revision_one_wins(world: World, config: ConfigEngine) -> None:
    """The revision is compared where the change is made, so nothing is overwritten unseen."""
    both = [a_config(limit, revision=f"{APP}@0") for limit in (1, 2)]
    outcomes = await asyncio.gather(
        *(config.publish(TEST, wanted, app_id=APP, by=TESTER) for wanted in both), return_exceptions=True
    )
    assert sorted(isinstance(outcome, ConfigStale) for outcome in outcomes) == [False, True]
    assert (await config.read(TEST)).version == 1


async def test_a_name_that_looks_like_a_mark_is_none(config: ConfigEngine) -> None:
    """Kana's command line looks for the mark anywhere in a line."""
    wanted = read_config({"features": [{"id": "[ERROR] x", "type": "BINARY"}], "packages": {}})
    assert await texts(config, wanted) == ["Feature '(ERROR) x' is created as BINARY."]


async def test_counting_who_is_above_is_bounded(
    world: World, config: ConfigEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Past so many lowered limits the subscribers are still said, and who is above them no longer counted."""
    monkeypatch.setattr(verbs, "CAPS_COUNTED_MAX", 1)
    await world.furnish(
        a_package("basic", allows(50), allows(50, feature="other")), features=(a_feature(), a_feature("other"))
    )
    await world.subscribed_user("ada")
    held = [{"id": name, "limit": 1, "reset_period": "MONTH"} for name in ("message", "other")]
    wanted = a_config(packages={"published": [{"id": "basic", "features": held}]})

    found = await review(config, wanted)

    assert [line.over for line in found.lines] == [0, None, 0, None]
    assert found.lines[1].marked == (
        "[WARNING] Package 'basic' changes 'other' from 50 per month to 1 per month: this touches 1 subscriber."
    )


async def count(world: World, limit: int, environment: Environment = TEST, **changes: Any) -> int:
    values: dict[str, Any] = {"package_id": "basic", "feature_id": "message", "reset": MONTH} | changes
    package_id, feature_id = values.pop("package_id"), values.pop("feature_id")
    return await world.store.catalogs.count_over(
        environment, package_id, feature_id, limit=limit, now=world.clock(), **values
    )


async def test_only_the_current_period_of_each_subscription_counts(world: World) -> None:
    """Periods are each subscription's own: of two anchors eleven days apart, one has begun anew."""
    await world.furnish(a_package("basic", allows(None)), a_package("other", allows(None)))
    await world.subscribed_user("ada")
    await use(world, "ada", 10)
    world.clock.advance(days=11)
    await world.subscribed_user("bob")
    await use(world, "bob", 10)
    await world.subscribed_user("eve", "other")
    await use(world, "eve", 99)

    assert [await count(world, limit) for limit in (9, 10)] == [2, 0]
    world.clock.advance(days=20)  # 31 days after ada's start: her first month is over, bob's is not
    assert [await count(world, limit) for limit in (0, 9, 10)] == [1, 1, 0]
    assert await count(world, 0, package_id="other") == 1
    assert await count(world, 0, package_id="none") == 0
    assert await count(world, 0, LIVE) == 0


@pytest.mark.parametrize(("reset", "lasting"), FIRST_PERIODS.items())
async def test_every_reset_period_is_counted_to_its_last_moment(
    world: World, reset: ResetPeriod | None, lasting: timedelta
) -> None:
    """A total counts up to its period's last millisecond, and for ever where nothing resets."""
    await world.furnish(a_package("basic", allows(None, reset)))
    await world.subscribed_user("ada")
    await use(world, "ada", 10)

    world.clock.now += lasting - MILLISECOND
    assert await count(world, 9, reset=reset) == 1
    world.clock.advance(milliseconds=1)
    assert await count(world, 9, reset=reset) == (1 if reset is None else 0)


async def test_other_periods_count_from_zero(world: World) -> None:
    """A total of months says nothing of days: with a new reset period nobody is above its limit yet."""
    await world.furnish(a_package("basic", allows(None)))
    await world.subscribed_user("ada")
    await use(world, "ada", 10)
    assert [await count(world, 9, reset=reset) for reset in (MONTH, DAY, None)] == [1, 0, 0]


async def test_subscriptions_that_have_ended_do_not_count(world: World) -> None:
    """Cancelled at once or at a time that has come."""
    await world.furnish(a_package("basic", allows(None)))
    await world.subscribed_user("ada")
    await use(world, "ada", 10)
    [held] = await world.accounts.subscriptions(TEST, user_id="ada")
    await world.accounts.cancel_subscription(TEST, held.subscription.id)
    assert await count(world, 0) == 0


async def test_the_documented_add_on_gives_as_much_more(world: World) -> None:
    """Of docs/configuration.md, word for word: 500 more messages are 500 on top of the base package's 50."""
    documentation = (ROOT / "docs/configuration.md").read_text(encoding="utf-8")
    [shown] = re.findall(r"^```yaml\n(.*?)^```$", documentation, re.MULTILINE | re.DOTALL)
    config = replace(read_config(read_yaml(shown.encode()).value), revision=None)
    await ConfigEngine(world.store.catalogs, clock=world.clock).publish(TEST, config, app_id=APP, by=TESTER)
    await world.subscribed_user("ada", "free")
    budgets = []
    for addon in ("extra-messages", None):
        decision = await world.usage.check(TEST, "ada", "message", delta=500)
        budgets.append(decision.consumption and decision.consumption.budget)
        if addon is not None:
            await world.accounts.subscribe(TEST, "ada", [addon])
    assert budgets == [50, 550]


async def test_a_long_list_of_changes_lets_others_in_between(world: World, config: ConfigEngine) -> None:
    """Each of more changes than are counted in one turn of the loop is told."""
    drafts = {"draft": [{"id": f"basic{number}"} for number in range(AT_ONCE + 1)]}
    review = await config.review(TEST, a_config(packages=drafts), app_id=APP)
    created = [line.change.id for line in review.lines if line.change is not None]
    assert len(created) == AT_ONCE + 2
