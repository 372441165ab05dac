"""Every sentence of a review is held against what then happens, on a store with subscribers and usage."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kana.engine.catalog.config import ConfigEngine
from kana.model.catalog import Catalog
from kana.model.change import describe
from kana.model.config import read_config
from kana.model.package import Package, PackageFeature, PackageStatus
from tests.contract.proofs import APP, PROOFS, SENTENCES, House, sentence_of
from tests.support.allowances import allowances
from tests.support.world import (
    NOON,
    TEST,
    World,
    a_catalog,
    a_feature,
    a_package,
    allows,
    examples,
    holds,
)


@pytest.fixture
async def house(world: World) -> House:
    """Three on free, of whom one has the add-on; one on plus; a draft; and usage."""
    await world.furnish(
        a_package("free", allows(50), holds("sso")),
        a_package("plus", allows(900)),
        a_package("pro", allows(100), status=PackageStatus.DRAFT),
        a_package("extra", allows(5, feature="seat"), is_addon=True, base_package_ids=("free",)),
        features=(a_feature(), a_feature("seat"), a_feature("sso", binary=True), a_feature("export", binary=True)),
    )
    house = House(world, ConfigEngine(world.store.catalogs, clock=world.clock))
    await house.join("ada", "free", "extra")
    await house.join("bob", "free")
    world.clock.advance(days=2)
    await house.join("eve", "free")
    await house.join("zoe", "plus")
    for user_id, used in (("ada", 30), ("bob", 3), ("eve", 11), ("zoe", 400)):
        await house.use(user_id, "message", used)
    await house.use("ada", "seat", 2)
    return house


FEATURES = [
    {"id": "message", "type": "CONSUMABLE"},
    {"id": "seat", "type": "CONSUMABLE"},
    {"id": "sso", "type": "BINARY"},
    {"id": "export", "type": "BINARY"},
]
PLUS = {"id": "plus", "features": [{"id": "message", "limit": 900, "reset_period": "MONTH"}]}
PRO = {"id": "pro", "features": [{"id": "message", "limit": 100, "reset_period": "MONTH"}]}
EXTRA = {
    "id": "extra",
    "base_packages": ["free"],
    "features": [{"id": "seat", "limit": 5, "reset_period": "MONTH"}],
}


def adding(limit: int | None) -> dict[str, Any]:
    """The add-on with messages on top of those of the base package."""
    held = {"id": "message", "limit": limit, "reset_period": "MONTH", "combine": "ADD"}
    return EXTRA | {"features": [*EXTRA["features"], held]}


def free(*others: dict[str, Any], sso: bool = True, **message: Any) -> dict[str, Any]:
    held = [{"id": "message", "limit": 50, "reset_period": "MONTH"} | message] if message != {"limit": "none"} else []
    return {"id": "free", "features": [*held, *([{"id": "sso"}] if sso else []), *others]}


def a_file(*published: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """The file that equals the server, with other packages, or other parts."""
    return {
        "features": FEATURES,
        "packages": {"draft": [PRO], "published": list(published) or [free(), PLUS]},
        "addons": {"published": [EXTRA]},
    } | changes


Step = dict[str, Any] | tuple[str, str, int] | timedelta
ONE_DAY = timedelta(days=1)
DAILY = a_file(free(limit=20, reset_period="DAY"), PLUS)

STORIES: dict[str, tuple[set[str], list[Step]]] = {
    "nothing": (set(), [a_file()]),
    "features": (
        {"feature created", "feature renamed"},
        [a_file(features=[*FEATURES[1:], FEATURES[0] | {"name": "Messages"}, {"id": "new", "type": "BINARY"}])],
    ),
    "new packages": (
        {"created"},
        [
            a_file(
                *(free(), PLUS, {"id": "empty"}),
                {"id": "big", "features": [{"id": "message", "limit": None}, {"id": "sso"}]},
                {"id": "once", "features": [{"id": "message", "limit": 7, "overage_enabled": True}]},
                addons={
                    "draft": [EXTRA | {"id": "later"}],
                    "published": [EXTRA, EXTRA | {"id": "more"}, EXTRA | {"id": "all", "base_packages": []}],
                },
            ),
        ],
    ),
    "new names": (
        {"renamed"},
        [a_file(free() | {"name": "Free!"}, PLUS, addons={"published": [EXTRA | {"name": "More"}]})],
    ),
    "a draft of another kind": (
        {"kind"},
        [a_file(packages={"published": [free(), PLUS]}, addons={"draft": [PRO], "published": [EXTRA]})],
    ),
    "other bases": (
        {"bases"},
        [
            a_file(addons={"published": [EXTRA | {"base_packages": bases}]})
            for bases in (["plus"], [], ["free", "plus"], ["free"])
        ],
    ),
    "days of trial": (
        {"trial", "created"},
        [
            a_file(free() | {"trial_days": 14}, PLUS, addons={"published": [EXTRA | {"trial_days": 1}]}),
            a_file(free() | {"trial_days": 15}, PLUS | {"trial_days": 365}),
            a_file(free(), PLUS, {"id": "new", "trial_days": 3}),
            a_file(free(), PLUS, {"id": "new"}, packages={"draft": [PRO | {"trial_days": 2}], "published": []})
            | {"packages": {"draft": [PRO | {"trial_days": 2}], "published": [free(), PLUS, {"id": "new"}]}},
        ],
    ),
    "features come and go": (
        {"loses", "gains", "warning"},
        [
            a_file(free({"id": "export"}, limit="none"), PLUS),
            a_file(free(sso=False), PLUS),
        ],
    ),
    "other limits": (
        {"changes", "warning"},
        [
            a_file(free(limit=10), PLUS),
            a_file(free(limit=30), PLUS),
            a_file(free(limit=29), PLUS),
            a_file(free(limit=0), PLUS),
            a_file(free(limit=0, overage_enabled=True), PLUS),
            a_file(free(limit=5), PLUS),
            a_file(free(limit=None), PLUS),
            a_file(free(limit=11), PLUS),
        ],
    ),
    "what adds": (
        {"gains", "changes", "warning", "created"},
        [
            a_file(addons={"published": [adding(500)]}),
            ("ada", "message", 100),
            a_file(addons={"published": [adding(300)]}),
            a_file(addons={"published": [adding(None)]}),
            a_file(addons={"published": [adding(400)]}),
            a_file(addons={"published": [adding(400), adding(7) | {"id": "new"}]}),
        ],
    ),
    "months to days and back": (
        {"changes", "warning"},
        [DAILY, ("ada", "message", 12), ("bob", "message", 1), a_file(), a_file(free(limit=20), PLUS), DAILY],
    ),
    "months to days and back in another month": (
        {"changes", "warning"},
        [DAILY, ("ada", "message", 12), 2 * ONE_DAY, DAILY, 40 * ONE_DAY, a_file(), ("eve", "message", 4), DAILY],
    ),
    "every period": (
        {"changes", "warning"},
        [
            step
            for reset in ("DAY", "YEAR", None, "HOUR", "QUARTER", "MONTH", None, "WEEK", "YEAR", "DAY", "WEEK", "MONTH")
            for step in (a_file(free(limit=40, reset_period=reset), PLUS), ("bob", "message", 2), timedelta(hours=7))
        ],
    ),
    "what is carried over": (
        {"changes", "warning"},
        [
            a_file(free(rollover={"limit": 25, "periods": 1}), PLUS),
            40 * ONE_DAY,
            a_file(free(rollover={"limit": 300, "periods": 2}), PLUS),
            30 * ONE_DAY,
            a_file(free(rollover={"limit": 90, "periods": 2}), PLUS),
            a_file(free(rollover={"limit": 90, "periods": 1}, grace_percent=10), PLUS),
            a_file(free(), PLUS),
        ],
    ),
    "a grace": (
        {"created", "changes", "warning"},
        [
            a_file(free(limit=15, grace_percent=50), PLUS),
            a_file(free(limit=15, grace_percent=100), PLUS),
            a_file(free(limit=15, grace_percent=33), PLUS),
            a_file(free(limit=15, overage_enabled=True, grace_percent=9), PLUS),
            a_file(free(limit=15), PLUS, {"id": "new", "features": [{"id": "seat", "limit": 9, "grace_percent": 50}]}),
        ],
    ),
    "a draft is published": (
        {"published", "changes"},
        [
            a_file(
                packages={"draft": [PRO | {"features": [{"id": "message", "limit": 1}]}], "published": [free(), PLUS]}
            ),
            a_file(free(), PLUS, PRO | {"features": [{"id": "message", "limit": 1}]}, packages={"published": []})
            | {"packages": {"published": [free(), PLUS, PRO | {"features": [{"id": "message", "limit": 1}]}]}},
        ],
    ),
    "archived": (
        {"archived", "warning"},
        [a_file(free(), addons={}), a_file(packages={"draft": [PRO]}, addons={})],
    ),
    "archived and published again": (
        {"archived", "warning", "published again", "changes"},
        [a_file(free()), a_file(free(), PLUS), a_file(PLUS), a_file(free(limit=60), PLUS)],
    ),
    "a draft is deleted": ({"deleted"}, [a_file(packages={"published": [free(), PLUS]})]),
}


@pytest.mark.parametrize("story", STORIES)
async def test_what_a_review_says_is_what_happens(house: House, story: str) -> None:
    """Each line of each review is proven on a store with subscribers and usage: numbers, limits, totals, who may."""
    expected, steps = STORIES[story]
    proven: set[str] = set()
    for step in steps:
        if isinstance(step, timedelta):
            house.world.clock.now += step
        elif isinstance(step, tuple):
            await house.use(*step)
        else:
            proven |= await house.publish(step)
    assert proven == expected


async def test_the_way_back_goes_on_from_where_the_month_was(house: House) -> None:
    """From month to day ada's 30 count no more, and on the way back they do again; the review says both."""
    for file, used in ((DAILY, 0), (a_file(), 30)):
        review = await house.config.review(TEST, read_config(file), app_id=APP)
        assert "where usage starts at zero or, if it was counted per" in review.lines[-1].text
        await house.publish(file)
        decision = await house.decision("ada", "message")
        assert decision.consumption is not None
        assert decision.consumption.used == used


def test_every_sentence_has_a_story_and_a_proof() -> None:
    """Nothing that a review can say goes unproven."""
    assert set().union(*(expected for expected, _ in STORIES.values())) == set(SENTENCES) == set(PROOFS)


HELD = st.lists(
    st.builds(PackageFeature, feature_id=st.sampled_from(["message", "seat"]), allowance=allowances(units_max=3))
    | st.builds(holds, st.just("sso")),
    unique_by=lambda held: held.feature_id,
).map(tuple)


@st.composite
def catalogs(draw: st.DrawFn) -> Catalog:
    """Any catalogue of two packages and an add-on."""
    nouns: list[Any] = [a_feature(name=draw(st.sampled_from("ab"))), a_feature("seat"), a_feature("sso", binary=True)]
    nouns += [_drawn(draw, name) for name in sorted(draw(st.sets(st.sampled_from(["one", "two"]))))]
    bases = draw(st.sets(st.sampled_from([noun.id for noun in nouns[3:]]))) if len(nouns) > 3 else ()
    if draw(st.booleans()):
        nouns.append(_drawn(draw, "more", is_addon=True, base_package_ids=tuple(sorted(bases))))
    return a_catalog(*nouns)


def _drawn(draw: st.DrawFn, name: str, **changes: Any) -> Package:
    status = draw(st.sampled_from([PackageStatus.DRAFT, PackageStatus.PUBLISHED]))
    drawn = {"name": draw(st.sampled_from("ab")), "trial_days": draw(st.sampled_from([None, 1, 365]))}
    return a_package(name, *draw(HELD), status=status, updated_at=NOON, **drawn, **changes)


@given(catalogs(), catalogs())
@examples(300)
def test_whatever_differs_is_said_in_a_sentence_that_is_proven(old: Catalog, new: Catalog) -> None:
    """Between any two catalogues there is no line that the stories above do not know."""
    for change in describe(old, new):
        sentence_of(f"{change.subject} {change.what}.")
