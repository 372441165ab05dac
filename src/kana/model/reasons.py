"""What a user has of a feature and what they do not have, each with a reason: the words that support people read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from kana.model.allowance import Allowance, Combine
from kana.model.effective import Candidate
from kana.model.entitlement import Entitlement, Holder, Place
from kana.model.given import Given, TopUp
from kana.model.grant import CounterKey, Grant, Source
from kana.model.package import Package, PackageStatus
from kana.model.question import Question
from kana.model.subscription import Subscription, SubscriptionStatus
from kana.model.value import value_object
from kana.model.word import Word


class Cause(Word):
    """Why a source of units does not hold. Stable words for programs."""

    DRAFT = "DRAFT"
    ARCHIVED = "ARCHIVED"
    NOT_SUBSCRIBED = "NOT_SUBSCRIBED"
    NOT_STARTED = "NOT_STARTED"
    ENDED = "ENDED"
    STATUS = "STATUS"
    OUTRANKED = "OUTRANKED"
    REPLACED = "REPLACED"


_SAYS: Mapping[str, str] = {
    Cause.DRAFT: "It has this feature, but it is a draft: nobody can subscribe to it before it is published.",
    Cause.ARCHIVED: "It has this feature, but it is archived: nobody can subscribe to it any more.",
    Cause.NOT_SUBSCRIBED: "It has this feature, but the user is not subscribed to it.",
    Cause.NOT_STARTED: "It has not started yet.",
    Cause.ENDED: "It has ended.",
    Cause.REPLACED: "An override stands in its place.",
    SubscriptionStatus.PAST_DUE: "A payment is overdue: it gives no access until that is paid.",
    SubscriptionStatus.UNPAID: "It is unpaid: it gives no access until it is paid.",
    SubscriptionStatus.INCOMPLETE: "The first payment is not complete: it gives no access before that.",
    Source.ROLLOVER: "Left over from an earlier period, and carried over.",
    Source.TOP_UP: "Given to this user, on top of what their packages allow.",
    Source.OVERRIDE: "It stands in place of what the user's packages allow.",
}
"""What people read about each, where it does not depend on what else the user has."""

_UNSOLD = {
    PackageStatus.DRAFT: Cause.DRAFT,
    PackageStatus.ARCHIVED: Cause.ARCHIVED,
    PackageStatus.PUBLISHED: Cause.NOT_SUBSCRIBED,
}


@value_object(kw_only=True)
class HeldGrant:
    """A grant that holds, and why. ``subscription`` counts it, unless it was given to this user alone.

    ``given`` is the top-up or the override that it comes from, ``package`` the subscription's package.
    """

    grant: Grant
    reason: str
    package: Package | None
    subscription: Subscription | None
    given: Given | None


@value_object(kw_only=True)
class NotHeld:
    """A source of units that does not hold, and why: a subscription, something given, or an unsubscribed package."""

    cause: Cause
    reason: str
    package: Package | None = None
    subscription: Subscription | None = None
    given: Given | None = None


def held(question: Question, place: Place | None, used: Mapping[CounterKey, int]) -> list[HeldGrant]:
    """Return the grants of a place in the order in which they are used up."""
    if place is None:
        return []
    parts = place.entitlement.parts or (place.entitlement,)
    holders = {grant.counter: part.holder_of(grant) for part in parts for grant in part.grants_at(place.moment, used)}
    grants = place.entitlement.pool_at(place.moment, used).grants
    ranked = question.candidates()
    return [_held(question, grant, holders[grant.counter], ranked) for grant in grants]


def _held(question: Question, grant: Grant, holder: Holder, ranked: Sequence[Candidate]) -> HeldGrant:
    given = holder if isinstance(holder, TopUp) else None
    return HeldGrant(
        grant=grant,
        reason=_why(question, grant, ranked),
        package=question.catalog.packages.get(grant.package_id),
        subscription=holder if isinstance(holder, Subscription) else None,
        given=question.override if grant.source is Source.OVERRIDE else given,
    )


def _why(question: Question, grant: Grant, ranked: Sequence[Candidate]) -> str:
    if grant.source is not Source.PACKAGE:
        return _SAYS[grant.source]
    if not question.feature.is_counted:
        return "It has this feature."
    if grant.allowance.combine is Combine.ADD:
        return f"It adds {_limit(grant.allowance)} to what else the user has."
    best, *others = ranked
    outranked = [each for each in others if each.allowance.combine is Combine.HIGHEST]
    if outranked:
        return _why_before(best, outranked[0])
    return "Other packages of the user add to it." if others else "It is the user's only package with this feature."


def not_held(question: Question, place: Place | None) -> Iterator[NotHeld]:
    """Yield what does not hold: subscriptions and what was given, the oldest first, then packages."""
    yield from _subscriptions(question, place)
    for given in question.given:
        if not given.holds(question.moment):
            is_to_come = question.moment < given.start and given.start != given.ends_at
            cause = Cause.NOT_STARTED if is_to_come else Cause.ENDED
            yield NotHeld(cause=cause, reason=_SAYS[cause], given=given)
    subscribed = {each.package_id for each in question.account.subscriptions}
    for package in question.catalog.packages_with(question.feature.id):
        if package.id not in subscribed:
            cause = _UNSOLD[package.status]
            yield NotHeld(cause=cause, reason=_SAYS[cause], package=package)


def _subscriptions(question: Question, place: Place | None) -> Iterator[NotHeld]:
    parts = () if place is None else place.entitlement.parts or (place.entitlement,)
    holding = [part.holder for part in parts if isinstance(part, Entitlement) and part.override is None]
    ranked = question.candidates()
    for subscription in question.account.subscriptions:
        package = question.catalog.package(subscription.package_id)
        if package.feature(question.feature.id) is not None and subscription not in holding:
            cause, reason = _why_not(question, subscription, ranked)
            yield NotHeld(cause=cause, reason=reason, package=package, subscription=subscription)


def _why_not(question: Question, subscription: Subscription, ranked: Sequence[Candidate]) -> tuple[Cause, str]:
    candidate = next((each for each in ranked if each.subscription == subscription), None)
    if candidate is not None and question.override is None:
        return Cause.OUTRANKED, _why_outranked(question, ranked[0], candidate)
    cause = Cause.REPLACED if candidate is not None else _why_no_access(question, subscription)
    return cause, _SAYS[subscription.status if cause is Cause.STATUS else cause]


def _why_no_access(question: Question, subscription: Subscription) -> Cause:
    moment = question.moment
    if moment < subscription.start and (question.is_late or subscription.stands(moment)):
        return Cause.NOT_STARTED
    return Cause.STATUS if subscription.stands(moment) else Cause.ENDED


def _why_before(best: Candidate, second: Candidate) -> str:
    match _difference(best, second):
        case "limit":
            return f"The highest limit answers: {_limit(best.allowance)} is more than {_limit(second.allowance)}."
        case "overage":
            return "Limits are equal, and this package allows overage."
        case "base":
            return "Limits are equal, and a base package comes before an add-on."
    return "Everything else is equal, and this subscription is older."


def _why_outranked(question: Question, best: Candidate, other: Candidate) -> str:
    if not question.feature.is_counted:
        return "It has this feature too, and one package is enough."
    match _difference(best, other):
        case "limit":
            return f"Its limit, {_limit(other.allowance)}, is lower. Limits are not added up."
        case "overage":
            return "Its limit is equal, and it does not allow overage. Limits are not added up."
        case "base":
            return "Its limit is equal, and it is an add-on. Limits are not added up."
    return "Everything else is equal, and this subscription is newer. Limits are not added up."


def _difference(best: Candidate, other: Candidate) -> str:
    if best.allowance.limit != other.allowance.limit:
        return "limit"
    if best.allowance.overage_enabled != other.allowance.overage_enabled:
        return "overage"
    return "base" if best.package.is_addon != other.package.is_addon else "age"


def _limit(allowance: Allowance) -> str:
    return "unlimited" if allowance.limit is None else f"{allowance.limit:,}"
