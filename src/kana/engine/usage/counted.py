"""The entitlements that answer for features of an account, as a snapshot needs them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from kana.model.account import Account
from kana.model.catalog import Catalog
from kana.model.entitlement import Place
from kana.model.feature import Feature
from kana.model.grant import CounterKey
from kana.model.placing import place_now


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
        place = place_now(account, catalog, feature, now=now)
        if place is not None:
            found[feature.id] = place
    return found
