"""What was given to one user: which of it holds, what it stands in place of, and what it adds to."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from kana.errors import InvalidValue
from kana.model.allowance import Allowance
from kana.model.effective import effective, effective_at
from kana.model.entitlement import DENIED_BY_OVERRIDE, Consumption, Outcome, Standing, place_at
from kana.model.given import Given, Override, OverrideTerms
from kana.model.grant import CounterKey, Source
from kana.model.package import NO_PACKAGE
from kana.model.subscription import Subscription
from tests.support.world import (
    DAY,
    MILLISECOND,
    MONTH,
    NOON,
    ONE_DAY,
    a_catalog,
    a_feature,
    a_package,
    a_ref,
    a_subscription,
    a_top_up,
    adds,
    allows,
    an_account,
    an_override,
    holds,
)

MESSAGE, CHAT = a_feature(), a_feature("chat", binary=True)
CATALOG = a_catalog(
    MESSAGE,
    CHAT,
    a_package("free", allows(10), holds("chat")),
    a_package("pro", allows(100)),
    a_package("extra", adds(5), is_addon=True),
    a_package("for-good", allows(10, None)),
)
FREE = a_subscription(1, "free")
EXTRA = a_subscription(2, "extra")


def standing(
    *held: Subscription | Given,
    feature: str = "message",
    at: datetime = NOON,
    late: bool = False,
    used: dict[int, int] | None = None,
) -> Standing | None:
    """How somebody stands with these subscriptions and what was given; ``used`` by the id of what counts it."""
    account = an_account(
        *(each for each in held if isinstance(each, Subscription)),
        given=tuple(each for each in held if not isinstance(each, Subscription)),
    )
    asked = CATALOG.feature(feature)
    found = effective_at(account, CATALOG, asked, moment=at) if late else effective(account, CATALOG, asked, now=at)
    if found is None:
        return None
    place = place_at(found, at, has_holds=False)
    return place.standing({each: (used or {}).get(each.source_id, 0) for each in place.counters})


def sources(found: Standing | None) -> list[tuple[Source, int | None]]:
    assert found is not None
    if found.grants is None:
        return [(found.entitlement.source, found.entitlement.allowance.limit)]
    return [(grant.source, grant.amount) for grant in found.grants.grants]


def consumption(found: Standing | None) -> Consumption | None:
    assert found is not None
    return found.entitlement.consumption(found.used)


def test_top_ups_are_added_up() -> None:
    """To what packages allow, each with what is used of it; used up after what ends before."""
    soon, never = a_top_up(8, 20, ends_at=NOON + ONE_DAY), a_top_up(9, 30)
    found = standing(FREE, soon, never, used={1: 4, 8: 1, 9: 2})
    assert sources(found) == [(Source.TOP_UP, 20), (Source.PACKAGE, 10), (Source.TOP_UP, 30)]
    assert consumption(found) == Consumption(7, 60, overage_enabled=False)


def test_of_what_never_ends_the_package_is_used_up_first() -> None:
    """Also where the top-up is older: the same end is the same end."""
    found = standing(a_subscription(1, "for-good"), a_top_up(8, 20, start=NOON - ONE_DAY))
    assert sources(found) == [(Source.PACKAGE, 10), (Source.TOP_UP, 20)]


def test_a_top_up_holds_without_a_package() -> None:
    """It was sold or given; it counts for no package."""
    found = standing(a_top_up(9, 30), used={9: 29})
    assert found is not None
    assert found.entitlement.holder.package_id == NO_PACKAGE
    assert found.counter == CounterKey(7, 9, "message", None, NOON)
    assert [found.decide(change).outcome for change in (1, 2)] == [Outcome.RECORDED, Outcome.LIMIT_EXCEEDED]


@pytest.mark.parametrize("given", [a_top_up(9, 30), an_override(9, limit=30)])
def test_it_holds_from_its_start_to_its_end(given: Given) -> None:
    """The start belongs to it, the end does not; late usage is placed by its own instant."""
    start, end = NOON + ONE_DAY, NOON + 2 * ONE_DAY
    within = replace(given, start=start, ends_at=end)
    for late in (False, True):
        held = [
            len(sources(standing(FREE, within, at=at, late=late))) > 1
            or sources(standing(FREE, within, at=at, late=late)) == [(Source.OVERRIDE, 30)]
            for at in (start - MILLISECOND, start, end - MILLISECOND, end)
        ]
        assert held == [False, True, True, False]


def test_another_features_units_are_no_ones() -> None:
    """What was given of one feature says nothing of another."""
    assert sources(standing(FREE, a_top_up(9, 30, feature_id="chat"))) == [(Source.PACKAGE, 10)]
    assert standing(a_top_up(9, 30, feature_id="other")) is None


def test_an_override_counts_on_where_the_package_did() -> None:
    """It stands in place of the highest limit, and what is used of that is used."""
    found = standing(FREE, an_override(9, limit=20), used={1: 8})
    assert found is not None
    assert (found.counter, found.entitlement.source) == (CounterKey(7, 1, "message", MONTH, NOON), Source.OVERRIDE)
    assert consumption(found) == Consumption(8, 20, overage_enabled=False)


def test_an_override_may_lower_and_enable_overage() -> None:
    """It replaces, it does not combine."""
    assert consumption(standing(FREE, an_override(9, limit=2, overage_enabled=True))) == Consumption(
        0, 2, overage_enabled=True
    )
    assert consumption(standing(FREE, an_override(9, limit=None))) == Consumption(0, None, overage_enabled=False)


def test_what_adds_stays_beside_an_override() -> None:
    """Add-ons that ADD, and top-ups; where only such hold, it stands beside them all and counts by itself."""
    found = standing(FREE, EXTRA, an_override(9, limit=20), a_top_up(8, 3))
    assert sources(found) == [(Source.OVERRIDE, 20), (Source.PACKAGE, 5), (Source.TOP_UP, 3)]
    alone = standing(EXTRA, an_override(9, limit=20))
    assert sources(alone) == [(Source.PACKAGE, 5), (Source.OVERRIDE, 20)]
    assert alone is not None
    assert (alone.counter.source_id, alone.entitlement.holder.source) == (9, Source.OVERRIDE)


def test_an_override_gives_what_no_package_has() -> None:
    """A feature of no package of the user, with limits of its own, from its own start."""
    found = standing(an_override(9, limit=20, reset_period=DAY), at=NOON + 3 * ONE_DAY / 2)
    assert found is not None
    assert found.counter == CounterKey(7, 9, "message", DAY, NOON + ONE_DAY)
    assert found.entitlement.ends_at(NOON) == NOON + ONE_DAY
    chat = standing(an_override(9, limit=None, feature_id="chat"), feature="chat")
    assert chat is not None
    assert chat.decide(1).access


def test_a_denial_gives_nothing() -> None:
    """Whatever packages allow, with an outcome of its own, BINARY or not; what adds to it stays."""
    for feature in ("message", "chat"):
        found = standing(FREE, an_override(9, denied=True, feature_id=feature), feature=feature)
        assert found is not None
        decision = found.decide(1)
        assert (decision.outcome, decision.reason) == (Outcome.DENIED, DENIED_BY_OVERRIDE)
    alone = standing(an_override(9, denied=True))
    assert alone is not None
    assert alone.decide(1).outcome is Outcome.DENIED
    assert sources(standing(FREE, EXTRA, an_override(9, denied=True))) == [(Source.PACKAGE, 5)]
    assert sources(standing(FREE, a_top_up(8, 3), an_override(9, denied=True))) == [(Source.TOP_UP, 3)]
    assert sources(standing(a_top_up(8, 3), an_override(9, denied=True))) == [(Source.TOP_UP, 3)]


def test_what_is_left_ends_with_the_override() -> None:
    """Where that is before the period's end."""
    found = standing(FREE, an_override(9, limit=20, ends_at=NOON + ONE_DAY), a_top_up(8, 3, ends_at=NOON + 2 * ONE_DAY))
    assert sources(found) == [(Source.OVERRIDE, 20), (Source.TOP_UP, 3)]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: a_top_up(9, 0), "amount must be 1 to 9007199254740991, got 0"),
        (lambda: a_top_up(9, 2**53), "amount must be 1 to 9007199254740991, got 9007199254740992"),
        (lambda: an_override(9, limit=-1), "limit must be 0 to 9007199254740991, got -1"),
        (lambda: an_override(9, reason=" "), "reason must be 1 to 500 characters and not blank, got ' '"),
        (lambda: an_override(9, reason="a\0b"), "reason must not contain NUL or lone surrogates, got 'a\\x00b'"),
        (lambda: a_top_up(9, 1, reason="x" * 501), "reason must be 1 to 500 characters and not blank"),
        (
            lambda: a_top_up(9, 1, ends_at=NOON - MILLISECOND),
            "expiresAt must not be before 2026-03-10T12:00:00+00:00, from when on it holds,"
            " got 2026-03-10T11:59:59.999000+00:00",
        ),
    ],
)
def test_what_cannot_be_given(make: Any, message: str) -> None:
    """Each is refused with the field, what is allowed, and what was given."""
    with pytest.raises(InvalidValue) as raised:
        make()
    assert raised.value.message.startswith(message)


def test_what_remains_of_a_top_up() -> None:
    """What is not used, also before it begins; nothing once it has ended."""
    given = a_top_up(9, 5, start=NOON + ONE_DAY, ends_at=NOON + 2 * ONE_DAY)
    last = NOON + 2 * ONE_DAY - MILLISECOND
    assert [given.remaining(3, now=now) for now in (NOON, last, last + MILLISECOND)] == [2, 2, 0]
    assert a_top_up(9, 5).remaining(5, now=NOON) == 0


def made(terms: OverrideTerms, *, binary: bool = False) -> Override:
    feature = CHAT if binary else MESSAGE
    return terms.override(id=9, user=a_ref(), feature=feature, reset_period=MONTH, reason="r", by="eve", now=NOON)


def test_terms_become_an_override() -> None:
    """From now on; the reset period stays unless it is named; a denial and a BINARY feature need no limit."""
    kept = made(OverrideTerms(limit=5))
    assert (kept.limit, kept.reset_period, kept.start, kept.created_at) == (5, MONTH, NOON, NOON)
    assert made(OverrideTerms(limit=5, reset_period=None, keeps_reset_period=False)).reset_period is None
    denied = made(OverrideTerms(omits_limit=True, denied=True))
    assert (denied.limit, denied.overage_enabled, denied.allowance) == (
        None,
        False,
        Allowance(limit=0, reset_period=MONTH),
    )
    assert made(OverrideTerms()).limit is None
    assert made(OverrideTerms(omits_limit=True), binary=True).limit is None


@pytest.mark.parametrize(
    ("terms", "message"),
    [
        (OverrideTerms(limit=5), "limit is for CONSUMABLE features, and 'chat' is BINARY"),
        (OverrideTerms(overage_enabled=True), "limit is for CONSUMABLE features, and 'chat' is BINARY"),
        (
            OverrideTerms(ends_at=NOON - timedelta(seconds=1)),
            "endsAt must be after 2026-03-10T12:00:00+00:00, got 2026-03-10T11:59:59+00:00",
        ),
    ],
)
def test_terms_that_cannot_be(terms: OverrideTerms, message: str) -> None:
    """A BINARY feature has no limit, and nothing ends before it begins."""
    with pytest.raises(InvalidValue) as raised:
        made(terms, binary=True)
    assert raised.value.message == message


@pytest.mark.parametrize(
    ("terms", "field", "message"),
    [
        (
            OverrideTerms(omits_limit=True),
            "limit",
            "limit must be given for 'message', which is CONSUMABLE: a number of units, or null for unlimited,"
            " unless denied is true",
        ),
        (OverrideTerms(limit=5, denied=True), "denied", "denied must not be true together with a limit or overage"),
        (
            OverrideTerms(overage_enabled=True, denied=True),
            "denied",
            "denied must not be true together with a limit or overage",
        ),
    ],
)
def test_terms_that_contradict_themselves(terms: OverrideTerms, field: str, message: str) -> None:
    """Nobody is given everything because a field was forgotten, and a denial gives nothing."""
    with pytest.raises(InvalidValue) as raised:
        made(terms)
    assert (raised.value.field, raised.value.message) == (field, message)
