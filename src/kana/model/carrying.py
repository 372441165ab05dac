"""What a change of package takes along of features that both packages hold, but count over different periods."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from kana.model.catalog import Catalog
from kana.model.counting import Brought
from kana.model.period import ResetPeriod
from kana.model.subscription import Subscription


def brought_along(old: Subscription, new: Subscription, catalog: Catalog) -> tuple[Brought, ...]:
    """Return the totals of a subscription that count in the first periods of the one that follows it as its origin.

    That is what was used in the period in which the new one starts: what the old one counts there, and what it was
    brought itself if it began in that period too. What the new one counts under the same key is its own anyway, and
    of a period that begins with it nothing can have been used.
    """
    found: dict[Brought, None] = {}
    for held in catalog.package(new.package_id).features:
        before = catalog.held(old.package_id, held.feature_id)
        if before is not None:
            own = _counted(new, held.feature_id, held.allowance.reset_period, new.start)
            totals = _totals(old, held.feature_id, before.allowance.reset_period, new.start)
            found.update(dict.fromkeys(each for each in totals if each != own and each.period_start < new.start))
    return tuple(found)


def _totals(old: Subscription, feature_id: str, reset: ResetPeriod | None, moment: datetime) -> Iterator[Brought]:
    """Yield all that counts for a subscription in the period of a moment."""
    own = _counted(old, feature_id, reset, moment)
    yield own
    if own == _counted(old, feature_id, reset, old.start):
        yield from (each for each in old.brought if each.feature_id == feature_id)


def _counted(held: Subscription, feature_id: str, reset: ResetPeriod | None, moment: datetime) -> Brought:
    return Brought(feature_id, reset, held.period_start_at(reset, moment))
