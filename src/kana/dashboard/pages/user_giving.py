"""What is given to one user: a top-up or an override begins, and is ended, from the user's page."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from starlette.responses import Response

from kana.dashboard.confirmation import ask
from kana.dashboard.forms import new_key, without_separators
from kana.dashboard.gifts import KEEPS, NEVER, RESETS, TERMS, GiftForms, OverrideForm, TopUpForm
from kana.dashboard.page_request import PageRequest
from kana.dashboard.pages.user import user_page
from kana.dashboard.route import get, post
from kana.engine.ports.users import Gift
from kana.engine.users.giving import parse_given_id
from kana.errors import BadInput, IdempotencyKeyReused, InvalidValue, NotFound, OutcomeUnknown
from kana.model.colleague import Role
from kana.model.given import Override, OverrideTerms, TopUp
from kana.model.period import ResetPeriod
from kana.model.text import UNITS_MAX, shown, whole_number

_KINDS: dict[str, type[TopUp] | type[Override]] = {kind.noun: kind for kind in (TopUp, Override)}
_REUSED = "This form had been sent before with other values. Nothing was given now; send it again to give these too."
_UNSURE = "The answer was lost. Send the form again: it gives only once."


async def give_units(request: PageRequest) -> Response:
    """Give units of a feature to the user."""
    form = TopUpForm(
        key=request.text("key"),
        feature=request.whole("feature"),
        amount=request.text("amount"),
        last_day=request.text("last-day"),
        reason=request.text("reason"),
    )
    try:
        gift = await request.engine.giving.create_top_up(
            request.environment,
            request.id,
            form.feature,
            _amount(form.amount, name="Units", least=1),
            reason=form.reason,
            by=request.actor,
            expires_at=_end_of(form.last_day, now=request.engine.clock()),
            key=form.key or new_key(),
        )
    except OutcomeUnknown:
        return await _again(request, GiftForms(top_up=form, opened="top-up"), _UNSURE, status=503)
    except (BadInput, IdempotencyKeyReused) as error:
        message = _REUSED if isinstance(error, IdempotencyKeyReused) else error.message
        return await _again(request, GiftForms(top_up=replace(form, key=new_key()), opened="top-up"), message)
    again = " This form had been sent before, and gave only once." if gift.duplicate else ""
    said = f"The user was given {gift.given.amount:,} of {form.feature}.{again}"
    return request.go("/user", id=request.id, feature=form.feature, said=said)


async def set_exception(request: PageRequest) -> Response:
    """Give the user something else of a feature than their packages allow. Sent again it changes nothing."""
    form = OverrideForm(
        feature=request.whole("feature"),
        terms=request.text("terms"),
        limit=request.text("limit"),
        reset=request.text("reset"),
        overage=request.ticked("overage"),
        last_day=request.text("last-day"),
        reason=request.text("reason"),
    )
    try:
        terms = _terms(form, now=request.engine.clock())
        await request.engine.giving.set_override(
            request.environment, request.id, form.feature, terms, reason=form.reason, by=request.actor
        )
    except OutcomeUnknown:
        return await _again(request, GiftForms(override=form, opened="override"), _UNSURE, status=503)
    except BadInput as error:
        return await _again(request, GiftForms(override=form, opened="override"), error.message)
    return request.go("/user", id=request.id, said=f"The exception for {form.feature} applies from now on.")


async def show_end(request: PageRequest) -> Response:
    """Ask whether to end a top-up or an override."""
    gift = await _asked_for(request)
    feature = (await request.engine.catalog.read(request.environment)).feature(gift.given.feature_id)
    noun = gift.given.noun
    if isinstance(gift.given, TopUp):
        left = gift.given.remaining(gift.used, now=request.engine.clock())
        effect = f"{gift.user_id} loses the {left:,} of {gift.given.amount:,} that are left."
    else:
        effect = f"What the packages of {gift.user_id} allow applies again at once."
    return ask(
        request,
        f"End the {noun} for {feature.name}?",
        effect,
        f"Reason it was given: {gift.given.reason}",
        action=request.url("/user/given/end", id=gift.user_id, kind=noun, given=gift.given.id),
        button=f"End {noun}",
        back=request.url("/user", id=gift.user_id),
    )


async def end(request: PageRequest) -> Response:
    """End a top-up or an override."""
    given = (await _asked_for(request)).given
    giving = request.engine.giving
    verb = giving.end_top_up if isinstance(given, TopUp) else giving.end_override
    await verb(request.environment, given.id, by=request.actor)
    return request.go("/user", id=request.id, said=f"The {given.noun} was ended.")


async def _asked_for(request: PageRequest) -> Gift[TopUp] | Gift[Override]:
    """Return what the address names, if it was given to the user that it names."""
    kind = _KINDS.get(request.asked("kind"), TopUp)
    number = parse_given_id(request.asked("given"), kind)
    giving = request.engine.giving
    listing = giving.top_ups if kind is TopUp else giving.overrides
    found: list[Gift[TopUp]] | list[Gift[Override]] = await listing(
        request.environment, request.id, first=1, after=number - 1
    )
    if not found or found[0].given.id != number:
        raise NotFound(f"This user has no such {kind.noun}.")
    return found[0]


async def _again(request: PageRequest, forms: GiftForms, message: str, *, status: int = 400) -> Response:
    """Show the page with the form as it was sent, open, and with what is wrong."""
    forms = replace(forms, error=f"{message[:1].upper()}{message[1:]}")
    return request.show(await user_page(request, gifts=forms), status=status)


def _terms(form: OverrideForm, *, now: datetime) -> OverrideTerms:
    """Return what the form says.

    Raises:
        BadInput: a field has a value that is not allowed.
    """
    if form.terms not in dict(TERMS):
        raise BadInput("Choose what the user may use.")
    if form.reset not in dict(RESETS):
        raise BadInput("Choose when usage goes back to zero.")
    return OverrideTerms(
        limit=_amount(form.limit, name="Limit", least=0) if form.terms == "limit" else None,
        overage_enabled=form.overage and form.terms == "limit",
        reset_period=None if form.reset in (KEEPS, NEVER) else ResetPeriod(form.reset),
        keeps_reset_period=form.reset == KEEPS,
        denied=form.terms == "denied",
        ends_at=_end_of(form.last_day, now=now),
    )


def _amount(text: str, *, name: str, least: int) -> int:
    try:
        return whole_number(without_separators(text), field=name, least=least)
    except InvalidValue:
        raise BadInput(f"{name} must be a whole number from {least} to {UNITS_MAX:,}, got {shown(text)}") from None


def _end_of(day: str, *, now: datetime) -> datetime | None:
    """Return the end of a day in UTC; None if there is none.

    Raises:
        BadInput: it is not a day, or has passed.
    """
    if not day:
        return None
    try:
        end = datetime.strptime(day, "%Y-%m-%d").replace(tzinfo=UTC) + timedelta(days=1)
    except (ValueError, OverflowError):
        raise BadInput(f"Last day must be a date such as 2027-02-28, got {shown(day)}") from None
    if end <= now:
        raise BadInput(f"Last day must be {now:%Y-%m-%d} or later, got {day}")
    return end


ROUTES = (
    post("/user/top-up", give_units),
    post("/user/override", set_exception),
    get("/user/given/end", show_end, needs=Role.EDITOR),
    post("/user/given/end", end),
)
