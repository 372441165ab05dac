"""What a user's page shows of reservations: what is set aside, and the forms that settle or release it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from kana.dashboard.api_call import ApiCall, api_call
from kana.dashboard.forms import new_key
from kana.dashboard.page_request import PageRequest
from kana.model.catalog import Catalog
from kana.model.reservation import HeldLine, Reservation

OPEN_MAX = 25
"""How many open reservations a page shows, the first to end first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReservationForm:
    """The form of one reservation as it was sent: ``opened`` is ``release`` or ``settle``, and ``error`` is of it.

    ``units`` are those that were typed, by feature. Thanks to ``key`` they are settled once, however often it is sent.
    """

    reservation_id: int = 0
    opened: str = ""
    key: str = field(default_factory=new_key)
    reason: str = ""
    units: Mapping[str, str] = field(default_factory=dict)
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldOf:
    """What is set aside of one feature, as the page shows it; ``typed`` is what the form settles of it.

    ``cost_of`` is the name of the feature that costs these units, or "": they are settled with that one.
    """

    line: HeldLine
    feature: str
    cost_of: str
    typed: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenReservation:
    """A reservation that is open, with what its forms contain; ``form`` is empty unless it was sent."""

    reservation: Reservation
    held: Sequence[HeldOf]
    form: ReservationForm


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenReservations:
    """Those that are shown, whether there are ``more``, and the ``error`` of a form whose reservation is not there."""

    shown: Sequence[OpenReservation]
    more: bool
    error: str


async def read_reservations(
    request: PageRequest, user_id: str, catalog: Catalog, sent: ReservationForm | None
) -> OpenReservations:
    """Return the open reservations of a user; one of them with its form as it was sent, if it was."""
    found = await request.engine.reserving.open_reservations(
        request.environment, user_id, now=request.engine.clock(), first=OPEN_MAX + 1
    )
    names = {feature.id: feature.name for feature in catalog.features.values()}
    there = {each.id for each in found[:OPEN_MAX]}
    return OpenReservations(
        shown=[_open(each, sent, names) for each in found[:OPEN_MAX]],
        more=len(found) > OPEN_MAX,
        error="" if sent is None or sent.reservation_id in there else sent.error,
    )


def _open(reservation: Reservation, sent: ReservationForm | None, names: Mapping[str, str]) -> OpenReservation:
    form = sent if sent is not None and sent.reservation_id == reservation.id else ReservationForm()
    return OpenReservation(
        reservation=reservation,
        held=[
            HeldOf(
                line=line,
                feature=names.get(line.feature_id, line.feature_id),
                cost_of="" if line.cost_of is None else names.get(line.cost_of, line.cost_of),
                typed=form.units.get(line.feature_id, "" if line.unbounded else str(line.held)),
            )
            for line in reservation.lines
        ],
        form=form,
    )


def api_calls(request: PageRequest, reservations: OpenReservations) -> dict[str, ApiCall]:
    """Return the API calls that settle and release the first of them, by name; none if there are none."""
    if not reservations.shown:
        return {}
    first, origin = reservations.shown[0], request.site.origin
    number = str(first.reservation.id)
    lines = [{"featureId": held.line.feature_id, "units": held.line.held} for held in first.held if not held.cost_of]
    calls = [
        api_call(origin, "settleReservation", id=number, lines=lines, idempotencyKey="one-per-settlement"),
        api_call(origin, "releaseReservation", id=number),
    ]
    return {call.name: call for call in calls}
