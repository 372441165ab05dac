"""A request at a gate of any web framework: who asks, for how much, and what its view says it used."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextvars import ContextVar
from typing import Final
from uuid import UUID

from kana.errors import Conflict, InvalidValue
from kana.sdk.consuming import Reservation, amounts_of
from kana.sdk.wire import Units, whole

UserId = str | int | UUID | None
"""A user's id as programs store it. None and "" mean that nobody is signed in."""

Amount = Units | Callable[..., Units]
"""How much of a feature a request is about to use: always so many units, or what a function says of the request."""

_OPEN: Final = "OPTIONS"
_UNCOUNTED: Final = frozenset({"HEAD", _OPEN})


def is_open(method: str | None) -> bool:
    """Whether a request passes without a check: OPTIONS, which browsers send first and without the user."""
    return method == _OPEN


def is_counted(method: str | None) -> bool:
    """Whether a successful request counts as usage. HEAD is checked like GET, but returns nothing, so it does not."""
    return method not in _UNCOUNTED


def user_id_of(found: UserId) -> str | None:
    """Return the user's id as text, or None if nobody is signed in.

    Raises:
        InvalidValue: it is something else, such as the whole user object.
    """
    if found is None or found == "":
        return None
    if isinstance(found, bool) or not isinstance(found, str | int | UUID):
        raise InvalidValue(
            f"user must return the user's id, or None if nobody is signed in, got {type(found).__name__}"
        )
    return str(found)


def asked_of(features: str | Mapping[str, Amount], amount: Callable[..., Units] | None) -> dict[str, Amount]:
    """Return how much of each feature a gate asks for.

    Raises:
        InvalidValue: there is no feature, an amount is not a whole number, or ``amount`` is given for several.
    """
    if isinstance(features, str):
        return {features: 1 if amount is None else amount}
    if amount is not None:
        raise InvalidValue("amount is for a gate of one feature: give each of several its own", field="amount")
    if not features:
        raise InvalidValue("features must name at least one feature, got none", field="features")
    return {name: said if callable(said) else whole(said, name) for name, said in features.items()}


def units_for(request: object, asked: Mapping[str, Amount]) -> dict[str, Units]:
    """Return how much of each feature a request is about to use."""
    return {name: asks(request) if callable(asks) else asks for name, asks in asked.items()}


def used(units: Mapping[str, Units] | None = None, /, **features: Units) -> None:
    """Say in a view behind a gate with ``reserve=True`` what it really used: ``used(tokens=812)``, 0 or more of any.

    Said again of a feature, the last word counts. A feature that was set aside and is not named counts as it was set
    aside. Nothing is sent now: the gate does that when the view has succeeded.

    Raises:
        Conflict: no view behind such a gate is at work here, or its request is answered already.
        InvalidValue: a value is not a whole number of 0 or more.
    """
    visit = AT_WORK.get()
    if visit is None or visit.is_over:
        raise Conflict("used is for views that are at work behind a gate with reserve=True; here is none")
    said = amounts_of(units, features)
    for name, value in said.items():
        if value < 0:
            raise InvalidValue(f"{name} must be 0 or more, got {value}", field=name)
    visit.said.update(said)


class Visit:
    """A request at a gate: who asks, for how much, what is set aside for it, and what its view says it used."""

    def __init__(self, user_id: str, units: Mapping[str, Units], *, is_counted: bool = True) -> None:
        self.user_id = user_id
        self.units = units
        self.is_counted = is_counted
        self.amounts: dict[str, int] = {}
        self.said: dict[str, int] = {}
        self.reservation: Reservation | None = None
        self.is_over = False


AT_WORK: Final[ContextVar[Visit | None]] = ContextVar("kana_gate", default=None)
"""The visit whose view can say what it used: the innermost one behind a gate that reserves."""
