"""The entitlements that answer for features of an account, as a snapshot needs them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from kana.model.account import Account
from kana.model.catalog import Catalog
from kana.model.effective import effective
from kana.model.entitlement import Place, place_at
from kana.model.feature import Feature
from kana.model.grant import CounterKey


class CountedFeatures(dict[str, Place]):
    """The entitlement that answers for each feature now, by its id. Features without one are left out."""

    __slots__ = ()

    def counters(self) -> list[CounterKey]:
        """Return their counters."""
        return [counter for place in self.values() for counter in place.counters]


def counted_features(
    account: Account, catalog: Catalog, features: Iterable[Feature], *, now: datetime
) -> CountedFeatures:
    """Return the entitlements that answer for an account and each of the features now."""
    found = CountedFeatures()
    for feature in features:
        entitlement = effective(account, catalog, feature, now=now)
        if entitlement is not None:
            found[feature.id] = place_at(entitlement, now)
    return found
