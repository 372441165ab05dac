"""Where a usage of a feature is decided: what answers for it, and what answers for the credit that it costs."""

from __future__ import annotations

from datetime import datetime

from kana.model.account import Account
from kana.model.allowance import Cost
from kana.model.catalog import Catalog
from kana.model.effective import effective, effective_at
from kana.model.entitlement import Credit, Entitlement, Place, place_at
from kana.model.feature import Feature


def place_now(account: Account, catalog: Catalog, feature: Feature, *, now: datetime) -> Place | None:
    """Return what answers now; None if nothing does."""
    found = effective(account, catalog, feature, now=now)
    if found is None:
        return None
    place, cost = place_at(found, now, has_holds=account.has_holds), found.allowance.cost
    if cost is None:  # As nearly always.
        return place
    return _costing(place, cost, effective(account, catalog, catalog.feature(cost.feature_id), now=now))


def place_then(
    account: Account, catalog: Catalog, feature: Feature, *, moment: datetime, now: datetime
) -> Place | None:
    """Return what answered at a moment; None if nothing did. The account must include ended subscriptions."""
    found = effective_at(account, catalog, feature, moment=moment, now=now)
    if found is None:
        return None
    place, cost = place_at(found, moment, has_holds=account.has_holds), found.allowance.cost
    if cost is None:
        return place
    credit = catalog.feature(cost.feature_id)
    return _costing(place, cost, effective_at(account, catalog, credit, moment=moment, now=now))


def _costing(place: Place, cost: Cost, paying: Entitlement | None) -> Place:
    """Return a place with what answers for its cost."""
    credit = None if paying is None else place_at(paying, place.moment, has_holds=place.has_holds)
    return place.costing(Credit(cost.feature_id, cost.units, credit))
