"""Storage of reservations, for those who read them: they change in batches only."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple, Protocol

from kana.model.environment import Environment
from kana.model.reservation import Reservation


class OwnedReservation(NamedTuple):
    """A reservation, and the present id of its user."""

    user_id: str
    reservation: Reservation


class ReservationStore(Protocol):
    """Reads reservations."""

    async def reservation(self, environment: Environment, reservation_id: int) -> OwnedReservation:
        """Return one, with the present id of its user.

        Raises:
            ReservationNotFound: no reservation has this id, or its user does not exist any more.
        """
        ...

    async def reservations(
        self, environment: Environment, user_id: str, *, limit: int, after: int | None
    ) -> Sequence[Reservation]:
        """Return those of a user, the newest first, before the one with an id.

        Raises:
            UserNotFound: no user has this id.
        """
        ...

    async def open_reservations(
        self, environment: Environment, user_id: str, *, now: datetime, limit: int
    ) -> Sequence[Reservation]:
        """Return those of a user that are open, the first to end first.

        Raises:
            UserNotFound: no user has this id.
        """
        ...
