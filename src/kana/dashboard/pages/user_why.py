"""Why a user may or may not use a feature: the question, and the answer for people."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from starlette.responses import Response

from kana.dashboard.api_call import ApiCall, api_call
from kana.dashboard.context import Context
from kana.dashboard.forms import Errors, without_separators
from kana.dashboard.gifts import source_in_words
from kana.dashboard.page_request import PageRequest
from kana.dashboard.route import get
from kana.errors import BadInput, InvalidValue
from kana.model.explanation import Explanation
from kana.model.feature import Feature
from kana.model.given import Given
from kana.model.package import PackagePrice
from kana.model.reasons import HeldGrant, NotHeld
from kana.model.text import UNITS_MAX, shown, whole_number
from kana.model.user import User


@dataclass(frozen=True, slots=True, kw_only=True)
class WhyForm:
    """What is asked, as typed: the feature, the units and the moment in UTC, which is now if nothing is typed."""

    feature: str
    delta: str
    at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WhyLine:
    """What holds or does not, in words; ``said`` is who gave it and why."""

    name: str
    said: str
    reason: str
    starts_at: datetime | None
    ends_at: datetime | None
    amount: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class WhyPage(Context):
    """A question about one user and one feature, and its answer unless the question is wrong."""

    template = "user_why.html"
    user: User
    features: Sequence[Feature]
    asked: WhyForm
    explanation: Explanation | None
    held: Sequence[WhyLine]
    not_held: Sequence[WhyLine]
    prices: Sequence[str]
    call: ApiCall | None
    errors: dict[str, str]


async def show_why(request: PageRequest) -> Response:
    """Show why a user may or may not use a feature."""
    user = await request.engine.accounts.user(request.environment, request.id)
    features = list((await request.engine.catalog.read(request.environment)).features.values())
    first = next((feature.id for feature in features), "")
    asked = WhyForm(
        feature=request.asked("feature") or first, delta=request.asked("delta", "1"), at=request.asked("at")
    )
    errors = Errors()
    explanation = await _explained(request, asked, errors) if features else None
    return request.show(_page(request, user, features, asked, explanation, errors), status=400 if errors else 200)


async def _explained(request: PageRequest, asked: WhyForm, errors: Errors) -> Explanation | None:
    delta, at = _delta(asked.delta, errors), _moment(asked.at, errors)
    if delta is None or errors:
        return None
    try:
        return await request.engine.explaining.explain(
            request.environment, request.id, asked.feature, delta=delta, at=at
        )
    except BadInput as error:
        errors.take(error)
        return None


def _delta(text: str, errors: Errors) -> int | None:
    try:
        return whole_number(without_separators(text), field="delta")
    except InvalidValue:
        errors.add("delta", f"units must be a whole number of at most {UNITS_MAX:,} either way, got {shown(text)}")
        return None


def _moment(text: str, errors: Errors) -> datetime | None:
    """Return a moment as a browser sends it, which has no time zone."""
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is not None or moment.year < _FIRST_YEAR:
        errors.add("at", f"the moment must be a day and a time such as 2026-01-31T12:00, got {shown(text)}")
        return None
    return moment.replace(tzinfo=UTC)


_FIRST_YEAR = 1970


def _page(
    request: PageRequest,
    user: User,
    features: Sequence[Feature],
    asked: WhyForm,
    explanation: Explanation | None,
    errors: Errors,
) -> WhyPage:
    return WhyPage(
        user=user,
        features=features,
        asked=asked,
        explanation=explanation,
        held=[_held_line(each, explanation.feature) for each in explanation.grants] if explanation else [],
        not_held=[_not_held_line(each) for each in explanation.not_held] if explanation else [],
        prices=[_price(each.price) for each in explanation.unlocks] if explanation else [],
        call=_call(request, explanation, asked) if explanation else None,
        errors=errors.by_field,
    )


def _held_line(held: HeldGrant, feature: Feature) -> WhyLine:
    grant = held.grant
    amount = "unlimited" if grant.amount is None else f"{grant.amount:,}"
    aside = f", {grant.held:,} held" if grant.held else ""
    return WhyLine(
        name=source_in_words(grant.source, held.package),
        said=_said(held.given),
        reason=held.reason,
        starts_at=grant.since,
        ends_at=grant.ends_at,
        amount=f"{grant.used:,} of {amount}{aside}" if feature.is_counted else "",
    )


def _not_held_line(other: NotHeld) -> WhyLine:
    since = other.subscription or other.given
    package = "" if other.package is None else other.package.name
    return WhyLine(
        name=package if other.given is None else source_in_words(other.given.source, None),
        said=_said(other.given),
        reason=other.reason,
        starts_at=None if since is None else since.start,
        ends_at=None if since is None else since.ends_at,
    )


def _said(given: Given | None) -> str:
    return "" if given is None else f"{given.by}: {given.reason}"


def _price(price: PackagePrice | None) -> str:
    if price is None:
        return ""
    each = "" if price.interval is None else f" per {price.interval}"
    return f"{price.display_amount} {price.currency.upper()}{each}"


def _call(request: PageRequest, explanation: Explanation, asked: WhyForm) -> ApiCall:
    named = {"userId": request.id, "featureId": explanation.feature.id, "delta": explanation.change}
    at = {"at": explanation.moment.isoformat()} if asked.at else {}
    return api_call(request.site.origin, "explain", **named, **at)


ROUTES = (get("/user/why", show_why),)
