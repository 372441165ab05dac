"""A user's page: their entitlements, subscriptions and ledger."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from starlette.responses import Response

from kana.dashboard.api_call import ApiCall, api_call
from kana.dashboard.context import Context
from kana.dashboard.forms import new_key
from kana.dashboard.gifts import RESETS, TERMS, GiftForms, GivenLine, GrantLine, given_lines, grant_lines, read_gifts
from kana.dashboard.outcome_choice import CHOICES
from kana.dashboard.page_request import PageRequest
from kana.dashboard.pages.ledger import LINES, Asked, LedgerLine, lines_of
from kana.dashboard.pages.user_terms import terms_in_words
from kana.dashboard.reservations import OpenReservations, ReservationForm, api_calls, read_reservations
from kana.dashboard.route import get
from kana.engine.usage.usage import PeriodUsage
from kana.engine.users.profile import FeatureState, Profile, ProfileSubscription
from kana.model.feature import Feature, FeatureType
from kana.model.insights import runs_out_at
from kana.model.package import Package, PackageStatus
from kana.model.period import to_milliseconds
from kana.model.subscription import SubscriptionStatus
from kana.model.user import User

_SCHEDULED = SubscriptionStatus.SCHEDULED


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageForm:
    """The values in the form for usage. Thanks to ``key`` it counts once, however often it is sent."""

    key: str
    feature: str = ""
    amount: str = "1"
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """Usage of one feature by period, the newest first; ``data`` is the same for the script that draws it."""

    feature: Feature
    periods: Sequence[PeriodUsage]
    data: str


@dataclass(frozen=True, slots=True, kw_only=True)
class UserPage(Context):
    """One user. ``base`` is their base package; ``calls`` are the API calls that the buttons make, by name.

    ``runs_out`` is when they reach a limit at the pace so far, for the features where that is before the reset.
    """

    template = "user.html"
    user: User
    states: Sequence[FeatureState]
    grants: Mapping[str, Sequence[GrantLine]]
    given: Sequence[GivenLine]
    gifts: GiftForms
    reservations: OpenReservations
    runs_out: Mapping[str, datetime]
    subscriptions: Sequence[ProfileSubscription]
    agreed: Mapping[int, str]
    base: Package | None
    offered: Sequence[Package]
    changes: Sequence[Package]
    features: Sequence[Feature]
    chart: Chart | None
    lines: Sequence[LedgerLine]
    older_url: str
    asked: Asked
    outcomes: Sequence[tuple[str, str]] = CHOICES
    usage: UsageForm
    calls: Mapping[str, ApiCall]
    errors: dict[str, str] = field(default_factory=dict)
    resets: Sequence[tuple[str, str]] = RESETS
    terms: Sequence[tuple[str, str]] = TERMS


async def show_user(request: PageRequest) -> Response:
    """Show a user."""
    return request.show(await user_page(request))


async def user_page(
    request: PageRequest,
    *,
    usage: UsageForm | None = None,
    gifts: GiftForms | None = None,
    reserved: ReservationForm | None = None,
    errors: dict[str, str] | None = None,
) -> UserPage:
    """Return the page of the user that the address names, with the forms as they were sent and their errors."""
    profile = await request.engine.profiles.of(request.environment, request.id)
    catalog = profile.catalog
    likely = next((each.feature.id for each in profile.features), "")
    usage = usage or UsageForm(key=new_key(), feature=request.asked("feature") or likely)
    held = {each.package.id: each.package for each in profile.subscriptions if each.stands}
    begun = [each for each in profile.subscriptions if each.stands and each.subscription.status is not _SCHEDULED]
    base = next((each.package for each in begun if not each.package.is_addon), None)
    published = [each for each in catalog.packages.values() if each.status is PackageStatus.PUBLISHED]
    newest = await request.engine.ledger.search(request.environment, profile.user.id, first=LINES)
    given, now = await read_gifts(request), request.engine.clock()
    reservations = await read_reservations(request, profile.user.id, catalog, reserved)
    return UserPage(
        user=profile.user,
        states=profile.features,
        grants=grant_lines(profile.features, given, catalog),
        given=given_lines(given, catalog, now=now),
        gifts=gifts or GiftForms(),
        reservations=reservations,
        runs_out=_runs_out(profile.features, now=now),
        subscriptions=profile.subscriptions,
        agreed={each.subscription.id: terms_in_words(each.subscription) for each in profile.subscriptions},
        base=base,
        offered=[each for each in published if each.id not in held and (each.is_addon or base is None)],
        changes=[each for each in published if base is not None and not each.is_addon and each.id != base.id],
        features=list(catalog.features.values()),
        chart=await _chart(request, profile),
        asked=Asked(),
        lines=lines_of(newest.entries, catalog),
        older_url="" if newest.next is None else request.url("/user/ledger", id=profile.user.id, before=newest.next),
        usage=usage,
        calls=_calls(request, profile, usage) | api_calls(request, reservations),
        errors=errors or {},
    )


def _runs_out(features: Sequence[FeatureState], *, now: datetime) -> Mapping[str, datetime]:
    found = {}
    for state in features:
        if state.decision.access and state.decision.consumption is not None:
            so_far = [(grant.since, grant.used) for grant in state.grants]
            moment = runs_out_at(state.entitlement.allowance, state.period, so_far, now=now)
            if moment is not None and moment > now:
                found[state.feature.id] = moment
    return found


async def _chart(request: PageRequest, profile: Profile) -> Chart | None:
    counted = [each.feature for each in profile.features if each.feature.type is FeatureType.CONSUMABLE]
    asked = profile.catalog.features.get(request.asked("feature"))
    feature = asked if asked is not None and asked.type is FeatureType.CONSUMABLE else next(iter(counted), None)
    if feature is None:
        return None
    found = await request.engine.usage.show(request.environment, profile.user.id, feature.id)
    periods = [*reversed(found.past), *([found.current] if found.current else [])]
    points = [[to_milliseconds(each.period.start) // 1000 for each in periods], [e.consumption.used for e in periods]]
    return Chart(feature=feature, periods=periods[::-1], data=json.dumps({"label": feature.name, "points": points}))


def _calls(request: PageRequest, profile: Profile, usage: UsageForm) -> dict[str, ApiCall]:
    user_id, origin = profile.user.id, request.site.origin
    features = [usage.feature, *(each.feature.id for each in profile.features), *profile.catalog.features, "feature"]
    offered = [each.id for each in profile.catalog.packages.values() if each.status is PackageStatus.PUBLISHED]
    package_id = next(iter(offered), "package")
    counted = next((each.id for each in profile.catalog.features.values() if each.is_counted), "feature")
    given = {"userId": user_id, "featureId": next(filter(None, features)), "delta": 1}
    calls = [
        api_call(origin, "recordUsage", input={**given, "idempotencyKey": "one-per-use"}),
        api_call(
            origin,
            "createTopUp",
            input={
                "userId": user_id,
                "featureId": counted,
                "amount": 500,
                "reason": "Sold",
                "idempotencyKey": "one-per-order",
            },
        ),
        api_call(
            origin,
            "setOverride",
            input={"userId": user_id, "featureId": counted, "limit": 500, "reason": "Agreed"},
        ),
        api_call(origin, "subscribe", userId=user_id, packageIds=[package_id]),
        api_call(origin, "changeSubscription", userId=user_id, packageId=package_id, when="NOW", usage="RESET"),
    ]
    state = [each.subscription for each in profile.subscriptions if each.stands]
    if state:
        calls.append(api_call(origin, "cancelSubscription", id=str(state[0].id), atPeriodEnd=False))
        calls.append(api_call(origin, "resumeSubscription", id=str(state[0].id)))
    return {call.name: call for call in calls}


ROUTES = (get("/user", show_user),)
