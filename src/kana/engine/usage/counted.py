"""The entitlements that answer for features of an account, with their counters, as a snapshot needs them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from kana.model.account import Account
from kana.model.catalog import Catalog
from kana.model.entitlement import CounterKey, Entitlement, effective
from kana.model.feature import Feature

Counted = tuple[Entitlement, tuple[CounterKey, ...]]
"""The entitlement that answers for a user and a feature, and its counters at a moment."""


class CountedFeatures(dict[str, Counted]):
    """The entitlement that answers for each feature, by its id. Features without one are left out."""

    __slots__ = ()

    def counters(self) -> list[CounterKey]:
        """Return their counters."""
        return [counter for _, counters in self.values() for counter in counters]


def counted_features(
    account: Account, catalog: Catalog, features: Iterable[Feature], *, now: datetime
) -> CountedFeatures:
    """Return the entitlements that answer for an account and each of the features now."""
    found = CountedFeatures()
    for feature in features:
        entitlement = effective(account, catalog, feature, now=now)
        if entitlement is not None:
            found[feature.id] = (entitlement, entitlement.counters_at(now))
    return found
