"""Which source answers: for everybody with packages alone, the one that always did."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from kana.model.allowance import Allowance
from kana.model.effective import effective
from kana.model.package import Package
from kana.model.subscription import Subscription
from tests.support.world import (
    DAY,
    MONTH,
    NOON,
    YEAR,
    a_catalog,
    a_feature,
    a_package,
    a_subscription,
    allows,
    an_account,
)

MESSAGE = a_feature()

LIMITS: list[int | None] = [0, 1, 5, 10, 10, None]


def _the_old_rule(found: Sequence[tuple[Subscription, Package]]) -> tuple[Subscription, Allowance]:
    """The highest limit, overage enabled, base before add-on, the older one: as it was before anything could add."""
    best: tuple[tuple[float, bool, bool, int], Subscription, Allowance] | None = None
    for subscription, package in found:
        allowance = package.features[0].allowance
        limit = float("inf") if allowance.limit is None else allowance.limit
        rank = (limit, allowance.overage_enabled, not package.is_addon, -subscription.id)
        if best is None or rank > best[0]:
            best = (rank, subscription, allowance)
    assert best is not None
    return best[1:]


def test_without_what_adds_all_is_as_it_was() -> None:
    """100,000 random accounts: the same subscription answers, alone, and decides as it did."""
    random = Random(13)
    resets = [DAY, MONTH, YEAR, None]
    packages = [
        a_package(f"{limit}-{overage}-{addon}-{number}", allows(limit, reset, overage=overage), is_addon=addon)
        for number, (limit, reset) in enumerate(zip(LIMITS, [*resets, MONTH, None], strict=True))
        for overage in (False, True)
        for addon in (False, True)
    ]
    catalog = a_catalog(MESSAGE, *packages)
    held = [[(a_subscription(number, each.id), each) for each in packages] for number in range(1, 5)]
    for _ in range(100_000):
        found = [random.choice(row) for row in held[: random.randint(1, 4)]]
        account = an_account(*(subscription for subscription, _ in found))
        answering = effective(account, catalog, MESSAGE, now=NOON)
        assert answering is not None
        subscription, allowance = _the_old_rule(found)
        assert (answering.holder, answering.allowance, answering.parts) == (subscription, allowance, ())
        used, change = random.randint(0, 12), random.randint(-12, 12)
        fits = change <= 0 or allowance.limit is None or allowance.overage_enabled or used + change <= allowance.limit
        assert answering.decide(change, used=used).access == (used + change >= 0 and fits)
