"""When what a user may use of a feature changes by itself: at resets, starts and ends that are known by now."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from kana.model.entitlement import Entitlement, Place
from kana.model.question import Question

CHANGES_MAX = 100
"""How many starts and ends are looked at, the next ones first."""


def moments_after(question: Question) -> list[datetime]:
    """Return the moments after the question's at which more may fit, if nobody uses or changes anything, in order.

    That is where a subscription, a top-up or an override begins or ends, and after each of these the resets until
    nothing more can be carried over: from then on every period is like the one before.
    """
    changes = sorted({each for each in _changes(question) if each > question.moment})[:CHANGES_MAX]
    found = set(changes)
    for moment in (question.moment, *changes):
        place = question.place(moment)
        if place is not None:
            found.update(_resets(place))
    return sorted(found)


def _changes(question: Question) -> Iterator[datetime]:
    feature_id = question.feature.id
    for subscription in question.account.subscriptions:
        if question.catalog.held(subscription.package_id, feature_id) is not None:
            yield from filter(None, (subscription.start, subscription.ends_at))
    for given in question.account.given:
        if given.feature_id == feature_id:
            yield from filter(None, (given.start, given.ends_at))


def _resets(place: Place) -> Iterator[datetime]:
    """Yield when what holds at a place is reset: once, and as often again as its rest may be carried on."""
    for part in place.entitlement.parts or (place.entitlement,):
        if isinstance(part, Entitlement):
            rollover, moment = part.allowance.rollover, place.moment
            for _ in range(1 if rollover is None else 1 + rollover.periods):
                end = part.period_at(moment).end
                if end is None:
                    break
                yield end
                moment = end
