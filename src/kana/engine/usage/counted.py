"""What answers for features of an account, with the totals that it counts: what a snapshot is asked for."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from kana.model.account import Account
from kana.model.catalog import Catalog
from kana.model.entitlement import CounterKey, Entitlement, effective
from kana.model.feature import Feature

Counted = tuple[Entitlement, CounterKey]
"""What answers for a user and a feature, and the total that it counts at a moment."""


class CountedFeatures(dict[str, Counted]):
    """What answers for each feature by its id. One for which nothing answers is left out."""

    __slots__ = ()

    def counters(self) -> list[CounterKey]:
        """Return the totals that they count."""
        return [counter for _, counter in self.values()]


def counted_features(
    account: Account, catalog: Catalog, features: Iterable[Feature], *, now: datetime
) -> CountedFeatures:
    """Return what answers for an account and each of the features now."""
    found = CountedFeatures()
    for feature in features:
        entitlement = effective(account, catalog, feature, now=now)
        if entitlement is not None:
            found[feature.id] = (entitlement, entitlement.counter_at(now))
    return found
