"""The resolver of explain: why a user may or may not use a feature."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from ariadne import QueryType

from kana.api.admin.context import Info
from kana.api.admin.inputs import given_id
from kana.api.admin.subscriptions import PackageSubscription, view_of
from kana.engine.ports.users import Subscribed
from kana.model.entitlement import Consumption, Outcome
from kana.model.explanation import Explanation
from kana.model.given import Given
from kana.model.grant import Source
from kana.model.package import Package
from kana.model.reasons import Cause, HeldGrant, NotHeld
from kana.model.subscription import Subscription
from kana.model.text import whole_number
from kana.model.unlock import Unlock

query = QueryType()


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenView:
    """A top-up or an override as the API returns it."""

    id: str
    source: Source
    reason: str
    given_by: str
    starts_at: datetime
    ends_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class GrantView:
    """A grant that holds; a BINARY feature has no units."""

    source: Source
    reason: str
    amount: int | None
    used: int | None
    remaining: int | None
    overage_enabled: bool
    starts_at: datetime
    ends_at: datetime | None
    subscription: PackageSubscription | None
    given: GivenView | None


@dataclass(frozen=True, slots=True, kw_only=True)
class NotHeldView:
    """What does not hold, and why."""

    cause: Cause
    reason: str
    package: Package | None
    subscription: PackageSubscription | None
    given: GivenView | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplanationView:
    """An explanation as the API returns it."""

    at: datetime
    access: bool
    reason: str
    outcome: Outcome
    consumption: Consumption | None
    affords: int | None
    grants: Sequence[GrantView]
    not_held: Sequence[NotHeldView]
    fits_at: datetime | None
    unlocks: Sequence[Unlock]


@query.field("explain")
async def explain(
    _root: object, info: Info, *, user_id: str, feature_id: str, delta: int | None, at: datetime | None = None
) -> ExplanationView:
    """Return why a user may or may not use a feature."""
    context = info.context
    found = await context.engine.explaining.explain(
        context.environment,
        given_id(user_id, field="userId"),
        given_id(feature_id, field="featureId"),
        delta=whole_number(delta, field="delta"),
        at=at,
    )
    await context.read_catalog(holding=[package.id for package in _packages(found)])
    return _Views(user_id, found).explanation()


def _packages(found: Explanation) -> list[Package]:
    held = [each.package for each in found.grants]
    other = [each.package for each in found.not_held]
    unlocks = [each.package for each in found.unlocks]
    return [package for package in (*held, *other, *unlocks) if package is not None]


@dataclass(frozen=True, slots=True)
class _Views:
    """Turns an explanation about one user into what the API returns."""

    user_id: str
    found: Explanation

    def explanation(self) -> ExplanationView:
        found = self.found
        return ExplanationView(
            at=found.moment,
            access=found.decision.access,
            reason=found.decision.reason,
            outcome=found.decision.outcome,
            consumption=found.decision.consumption,
            affords=found.decision.affords,
            grants=[self._grant(each) for each in found.grants],
            not_held=[self._not_held(each) for each in found.not_held],
            fits_at=found.fits_at,
            unlocks=found.unlocks,
        )

    def _grant(self, held: HeldGrant) -> GrantView:
        grant, is_counted = held.grant, self.found.feature.is_counted
        return GrantView(
            source=grant.source,
            reason=held.reason,
            amount=grant.amount if is_counted else None,
            used=grant.used if is_counted else None,
            remaining=grant.left if is_counted else None,
            overage_enabled=grant.allowance.overage_enabled,
            starts_at=grant.since,
            ends_at=grant.ends_at,
            subscription=self._subscription(held.subscription, held.package),
            given=_given(held.given),
        )

    def _not_held(self, other: NotHeld) -> NotHeldView:
        return NotHeldView(
            cause=other.cause,
            reason=other.reason,
            package=other.package,
            subscription=self._subscription(other.subscription, other.package),
            given=_given(other.given),
        )

    def _subscription(self, held: Subscription | None, package: Package | None) -> PackageSubscription | None:
        if held is None or package is None:
            return None
        return view_of(Subscribed(self.user_id, held.at(self.found.moment)), package)


def _given(given: Given | None) -> GivenView | None:
    if given is None:
        return None
    return GivenView(
        id=str(given.id),
        source=given.source,
        reason=given.reason,
        given_by=given.by,
        starts_at=given.start,
        ends_at=given.ends_at,
    )
