"""What is done with a user from their page: usage recorded or given back, and subscriptions begun, changed, ended."""

from __future__ import annotations

from dataclasses import replace

from starlette.responses import Response

from kana.dashboard.confirmation import ask
from kana.dashboard.forms import without_separators
from kana.dashboard.pages.user import UsageForm, new_key, user_page
from kana.dashboard.route import get, post
from kana.dashboard.visit import Visit
from kana.engine.users.accounts import parse_subscription_id
from kana.errors import BadInput, IdempotencyKeyReused, InvalidValue, NotFound, OutcomeUnknown
from kana.model.person import Role
from kana.model.text import UNITS_MAX, whole_number
from kana.model.usage import Usage

_REASON_MAX = 500


async def record_usage(visit: Visit) -> Response:
    """Record usage or give it back: an entry like any other, that says who did it and why."""
    form = UsageForm(
        key=visit.text("key"),
        feature=visit.whole("feature"),
        amount=visit.text("amount"),
        reason=visit.text("reason"),
    )
    back = visit.text("way") == "back"
    try:
        receipt = await visit.engine.usage.record(_usage(visit, form, back=back))
    except OutcomeUnknown:
        unsure = {"usage": "It may have been recorded. Send the form again: it counts once."}
        return visit.show(await user_page(visit, usage=form, errors=unsure), status=503)
    except (BadInput, IdempotencyKeyReused) as error:
        return await _refused(visit, error.message, form)
    if not receipt.entry.recorded:
        return await _refused(visit, f"Not recorded. {receipt.entry.reason}", form)
    done = "given back" if back else "recorded"
    said = f"{form.amount} of {form.feature} {done}{', once' if receipt.duplicate else ''}."
    return visit.go("/user", id=visit.id, feature=form.feature, said=said)


def _usage(visit: Visit, form: UsageForm, *, back: bool) -> Usage:
    try:
        amount = whole_number(without_separators(form.amount), field="amount", least=1)
    except InvalidValue:
        raise BadInput(f"The amount is a whole number from 1 to {UNITS_MAX:,}.") from None
    if not 1 <= len(form.reason) <= _REASON_MAX:
        raise BadInput(f"Say why, in at most {_REASON_MAX} characters: it stands in the ledger.")
    return Usage(
        environment=visit.environment,
        user_id=visit.id,
        feature_id=form.feature,
        delta=-amount if back else amount,
        key=form.key or new_key(),
        metadata={"reason": form.reason, "by": visit.person.email},
    )


async def _refused(visit: Visit, message: str, form: UsageForm) -> Response:
    page = await user_page(visit, usage=replace(form, key=new_key()), errors={"usage": message})
    return visit.show(page, status=400)


async def subscribe(visit: Visit) -> Response:
    """Subscribe the user to one package."""
    try:
        await visit.engine.accounts.subscribe(visit.environment, visit.id, [visit.whole("package")], by=visit.actor)
    except BadInput as error:
        return visit.show(await user_page(visit, errors={"subscribe": error.message}), status=400)
    return visit.go("/user", id=visit.id, said=f"Subscribed to {visit.whole('package')}.")


async def change(visit: Visit) -> Response:
    """Move the user to another base package."""
    try:
        await visit.engine.accounts.change_subscription(
            visit.environment, visit.id, visit.whole("package"), by=visit.actor
        )
    except BadInput as error:
        return visit.show(await user_page(visit, errors={"change": error.message}), status=400)
    return visit.go("/user", id=visit.id, said=f"Changed to {visit.whole('package')}.")


async def show_cancel(visit: Visit) -> Response:
    """Ask whether to cancel a subscription."""
    held = await visit.engine.accounts.subscription(visit.environment, _subscription(visit))
    catalog = await visit.engine.catalog.read(visit.environment)
    package, later = catalog.package(held.subscription.package_id), visit.asked("when") == "end"
    lines = [
        f"{held.user_id} keeps it until the current period ends." if later else f"{held.user_id} loses it at once.",
        "Cancelled is cancelled: a new subscription counts usage from zero.",
    ]
    if not package.is_addon:
        lines.append("Add-ons that they have end with it.")
    return ask(
        visit,
        f"Cancel {package.name}{' at the end of the period' if later else ' now'}?",
        *lines,
        action=visit.url("/user/cancel", id=held.user_id, subscription=held.subscription.id, when=visit.asked("when")),
        button="Cancel the subscription",
        back=visit.url("/user", id=held.user_id),
    )


async def cancel(visit: Visit) -> Response:
    """Cancel it."""
    number, later = _subscription(visit), visit.asked("when") == "end"
    held = await visit.engine.accounts.subscription(visit.environment, number)
    if held.user_id != visit.id:
        raise NotFound("This user has no such subscription.")
    try:
        await visit.engine.accounts.cancel_subscription(visit.environment, number, at_period_end=later, by=visit.actor)
    except BadInput as error:
        return visit.show(await user_page(visit, errors={"subscriptions": error.message}), status=400)
    return visit.go("/user", id=visit.id, said="The subscription is cancelled.")


def _subscription(visit: Visit) -> int:
    return parse_subscription_id(visit.asked("subscription"))


ROUTES = (
    post("/user/usage", record_usage),
    post("/user/subscribe", subscribe),
    post("/user/change", change),
    get("/user/cancel", show_cancel, needs=Role.EDITOR),
    post("/user/cancel", cancel),
)
