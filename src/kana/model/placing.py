"""Where a usage of a feature is decided: what answers for it, and what answers for the credit that it costs."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from kana.model.account import Account
from kana.model.catalog import Catalog
from kana.model.effective import effective, effective_at
from kana.model.entitlement import Credit, Entitlement, Place, place_at
from kana.model.feature import Feature


def place_now(account: Account, catalog: Catalog, feature: Feature, *, now: datetime) -> Place | None:
    """Return what answers now; None if nothing does."""
    return _place(account, catalog, feature, now, lambda each: effective(account, catalog, each, now=now))


def place_then(
    account: Account, catalog: Catalog, feature: Feature, *, moment: datetime, now: datetime
) -> Place | None:
    """Return what answered at a moment; None if nothing did. The account must include ended subscriptions."""
    return _place(
        account, catalog, feature, moment, lambda each: effective_at(account, catalog, each, moment=moment, now=now)
    )


def _place(
    account: Account,
    catalog: Catalog,
    feature: Feature,
    moment: datetime,
    find: Callable[[Feature], Entitlement | None],
) -> Place | None:
    found = find(feature)
    if found is None:
        return None
    place = place_at(found, moment, has_holds=account.has_holds)
    cost = found.allowance.cost
    if cost is None:
        return place
    paying = find(catalog.feature(cost.feature_id))
    credit = Credit(
        cost.feature_id, cost.units, None if paying is None else place_at(paying, moment, has_holds=account.has_holds)
    )
    return place.costing(credit)
