"""The actions of a user's page: record or give back usage, and begin, change or cancel a subscription."""

from __future__ import annotations

from dataclasses import replace

from starlette.responses import Response

from kana.dashboard.confirmation import ask
from kana.dashboard.forms import new_key, without_separators
from kana.dashboard.page_request import PageRequest
from kana.dashboard.pages.user import UsageForm, user_page
from kana.dashboard.pages.user_terms import change_time, change_usage, read_terms
from kana.dashboard.route import get, post
from kana.engine.users.accounts import parse_subscription_id
from kana.errors import BadInput, IdempotencyKeyReused, InvalidValue, NotFound, OutcomeUnknown
from kana.model.colleague import Role
from kana.model.subscription import SubscriptionStatus
from kana.model.terms import ChangeTime
from kana.model.text import UNITS_MAX, shown, whole_number
from kana.model.usage import Usage

_REASON_MAX = 500


async def record_usage(request: PageRequest) -> Response:
    """Record usage or give it back, as an entry that says who did it and why."""
    form = UsageForm(
        key=request.text("key"),
        feature=request.whole("feature"),
        amount=request.text("amount"),
        reason=request.text("reason"),
    )
    back = request.text("way") == "back"
    try:
        receipt = await request.engine.usage.record(_usage(request, form, back=back))
    except OutcomeUnknown:
        unsure = {"usage": "The usage may or may not have been recorded. Send the form again: it counts only once."}
        return request.show(await user_page(request, usage=form, errors=unsure), status=503)
    except (BadInput, IdempotencyKeyReused) as error:
        return await _refused(request, error.message, form)
    if not receipt.entry.recorded:
        return await _refused(request, f"Not recorded. {receipt.entry.reason}", form)
    done = "Gave back" if back else "Recorded"
    again = " This form had been sent before, and counted only once." if receipt.duplicate else ""
    said = f"{done} {form.amount} of {form.feature}.{again}"
    return request.go("/user", id=request.id, feature=form.feature, said=said)


def _usage(request: PageRequest, form: UsageForm, *, back: bool) -> Usage:
    try:
        amount = whole_number(without_separators(form.amount), field="amount", least=1)
    except InvalidValue:
        raise BadInput(f"Amount must be a whole number from 1 to {UNITS_MAX:,}, got {shown(form.amount)}") from None
    if not 1 <= len(form.reason) <= _REASON_MAX:
        raise BadInput(f"Reason must be 1 to {_REASON_MAX} characters, got {len(form.reason)}")
    return Usage(
        environment=request.environment,
        user_id=request.id,
        feature_id=form.feature,
        delta=-amount if back else amount,
        key=form.key or new_key(),
        metadata={"reason": form.reason, "by": request.colleague.email},
    )


async def _refused(request: PageRequest, message: str, form: UsageForm) -> Response:
    page = await user_page(request, usage=replace(form, key=new_key()), errors={"usage": message})
    return request.show(page, status=400)


async def subscribe(request: PageRequest) -> Response:
    """Subscribe the user to one package."""
    package = request.whole("package")
    try:
        [held] = await request.engine.accounts.subscribe(
            request.environment, request.id, [package], terms=read_terms(request), by=request.actor
        )
    except BadInput as error:
        return request.show(await user_page(request, errors={"subscribe": error.message}), status=400)
    later = held.subscription.status is SubscriptionStatus.SCHEDULED
    said = f"The user will have {package}." if later else f"The user now has {package}."
    return request.go("/user", id=request.id, said=said)


async def change(request: PageRequest) -> Response:
    """Move the user to another base package, now or at the end of the period."""
    when = change_time(request)
    try:
        await request.engine.accounts.change_subscription(
            request.environment,
            request.id,
            request.whole("package"),
            when=when,
            usage=change_usage(request),
            by=request.actor,
        )
    except BadInput as error:
        return request.show(await user_page(request, errors={"change": error.message}), status=400)
    package = request.whole("package")
    said = f"The user changed to {package}." if when is ChangeTime.NOW else f"The user will change to {package}."
    return request.go("/user", id=request.id, said=said)


async def show_resume(request: PageRequest) -> Response:
    """Ask whether to take back the end of a subscription."""
    held = await request.engine.accounts.subscription(request.environment, _subscription(request))
    catalog = await request.engine.catalog.read(request.environment)
    return ask(
        request,
        f"Resume {catalog.package(held.subscription.package_id).name}?",
        f"{held.user_id} keeps it beyond the end that is planned.",
        "A change to another package that is planned for then does not take place.",
        "Add-ons that were to end with it go on.",
        action=request.url("/user/resume", id=held.user_id, subscription=held.subscription.id),
        button="Resume subscription",
        back=request.url("/user", id=held.user_id),
    )


async def resume(request: PageRequest) -> Response:
    """Take back the end of a subscription."""
    number = await _own_subscription(request)
    try:
        await request.engine.accounts.resume_subscription(request.environment, number, by=request.actor)
    except BadInput as error:
        return request.show(await user_page(request, errors={"subscriptions": error.message}), status=400)
    return request.go("/user", id=request.id, said="The subscription goes on.")


async def show_cancel(request: PageRequest) -> Response:
    """Ask whether to cancel a subscription."""
    held = await request.engine.accounts.subscription(request.environment, _subscription(request))
    catalog = await request.engine.catalog.read(request.environment)
    package, later = catalog.package(held.subscription.package_id), request.asked("when") == "end"
    lines = [f"{held.user_id} loses it at once.", "This cannot be undone: a new subscription counts usage from zero."]
    if later:
        lines = [f"{held.user_id} keeps it until the current period ends. Until then you can resume it."]
    if not package.is_addon:
        lines.append("Their add-ons end with it.")
    return ask(
        request,
        f"Cancel {package.name}{' at the end of the period' if later else ' now'}?",
        *lines,
        action=request.url(
            "/user/cancel", id=held.user_id, subscription=held.subscription.id, when=request.asked("when")
        ),
        button="Cancel subscription",
        back=request.url("/user", id=held.user_id),
    )


async def cancel(request: PageRequest) -> Response:
    """Cancel a subscription."""
    number, later = await _own_subscription(request), request.asked("when") == "end"
    try:
        await request.engine.accounts.cancel_subscription(
            request.environment, number, at_period_end=later, by=request.actor
        )
    except BadInput as error:
        return request.show(await user_page(request, errors={"subscriptions": error.message}), status=400)
    return request.go("/user", id=request.id, said="The subscription was cancelled.")


def _subscription(request: PageRequest) -> int:
    return parse_subscription_id(request.asked("subscription"))


async def _own_subscription(request: PageRequest) -> int:
    number = _subscription(request)
    held = await request.engine.accounts.subscription(request.environment, number)
    if held.user_id != request.id:
        raise NotFound("This user has no such subscription.")
    return number


ROUTES = (
    post("/user/usage", record_usage),
    post("/user/subscribe", subscribe),
    post("/user/change", change),
    get("/user/cancel", show_cancel, needs=Role.EDITOR),
    post("/user/cancel", cancel),
    get("/user/resume", show_resume, needs=Role.EDITOR),
    post("/user/resume", resume),
)
