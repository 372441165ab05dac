"""Reservations by hand: what is set aside for one user is released or settled from the user's page."""

from __future__ import annotations

from dataclasses import replace

from starlette.responses import Response

from kana.dashboard.forms import new_key, without_separators
from kana.dashboard.page_request import PageRequest
from kana.dashboard.pages.user import user_page
from kana.dashboard.reservations import ReservationForm
from kana.dashboard.route import post
from kana.engine.ports.reservations import OwnedReservation
from kana.engine.usage.reserving import parse_reservation_id
from kana.errors import BadInput, IdempotencyKeyReused, InvalidValue, NotFound, OutcomeUnknown
from kana.model.consumed import WAS_OVER, Consumed
from kana.model.consuming import by_hand
from kana.model.line import Line
from kana.model.reservation import ReservationStatus
from kana.model.text import UNITS_MAX, shown, whole_number

_UNSURE = "The answer was lost. If the reservation is still listed, send the form again: it counts only once."
_REUSED = "This form had been sent before with other values. Nothing was settled now; send it again to settle these."


async def release(request: PageRequest) -> Response:
    """Let go what a reservation sets aside."""
    found = await _own(request)
    number, before = found.reservation.id, found.reservation.status(request.engine.clock())
    form = ReservationForm(reservation_id=number, opened="release", reason=request.text("reason"))
    try:
        await request.engine.reserving.release(request.environment, number, reason=form.reason, by=request.actor)
    except OutcomeUnknown:
        return await _again(request, form, _UNSURE, status=503)
    except BadInput as error:
        return await _again(request, form, error.message)
    said = f"Reservation {number} was released."
    if before is not ReservationStatus.OPEN:
        said = f"Reservation {number} was over already: nothing was set aside any more."
    return request.go("/user", id=request.id, said=said)


async def settle(request: PageRequest) -> Response:
    """Say what was really used of a reservation; the rest is let go."""
    found = await _own(request)
    asked = [each.feature_id for each in found.reservation.lines if each.cost_of is None]
    form = ReservationForm(
        reservation_id=found.reservation.id,
        opened="settle",
        key=request.text("key") or new_key(),
        reason=request.text("reason"),
        units={feature_id: request.text(f"units:{feature_id}") for feature_id in asked},
    )
    try:
        settled = await request.engine.reserving.settle(
            request.environment,
            form.reservation_id,
            _lines(form),
            key=form.key,
            metadata=by_hand(form.reason, request.actor.name),
        )
    except OutcomeUnknown:
        return await _again(request, form, _UNSURE, status=503)
    except (BadInput, IdempotencyKeyReused) as error:
        message = _REUSED if isinstance(error, IdempotencyKeyReused) else error.message
        return await _again(request, replace(form, key=new_key()), message)
    if not settled.answer.granted:
        return await _again(request, replace(form, key=new_key()), f"Not settled. {settled.answer.reason}")
    return request.go("/user", id=request.id, said=_told(form, settled.answer))


def _lines(form: ReservationForm) -> list[Line]:
    """Return what the form settles.

    Raises:
        BadInput: a field has a value that is not allowed.
    """
    lines = []
    for feature_id, text in form.units.items():
        try:
            lines.append(Line(feature_id, whole_number(without_separators(text), field="units", least=0)))
        except InvalidValue:
            message = f"Units of {feature_id} must be a whole number from 0 to {UNITS_MAX:,}, got {shown(text)}"
            raise BadInput(message) from None
    return lines


def _told(form: ReservationForm, answer: Consumed) -> str:
    used = ", ".join(f"{each.units:,} of {each.feature_id}" for each in answer.lines if each.cost_of is None)
    late = f" {WAS_OVER}" if answer.is_late else ""
    again = " This form had been sent before, and settled only once." if answer.duplicate else ""
    return f"Reservation {form.reservation_id} was settled: {used}.{late}{again}"


async def _own(request: PageRequest) -> OwnedReservation:
    """Return what the address names, if it is of the user that it names."""
    number = parse_reservation_id(request.asked("reservation"))
    found = await request.engine.reserving.reservation(request.environment, number)
    if found.user_id != request.id:
        raise NotFound("This user has no such reservation.")
    return found


async def _again(request: PageRequest, form: ReservationForm, message: str, *, status: int = 400) -> Response:
    """Show the page with the form as it was sent, open, and with what is wrong."""
    form = replace(form, error=f"{message[:1].upper()}{message[1:]}")
    return request.show(await user_page(request, reserved=form), status=status)


ROUTES = (
    post("/user/reservation/release", release),
    post("/user/reservation/settle", settle),
)
