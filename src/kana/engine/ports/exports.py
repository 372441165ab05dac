"""Storage: reading all that is kept of one user."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol, TypeAlias

from kana.model.bulk_change import BulkResult
from kana.model.deletion import IdSpan
from kana.model.environment import Environment
from kana.model.given import Given
from kana.model.grant import CounterKey
from kana.model.log import LogLine
from kana.model.merge import MergedUser
from kana.model.reservation import Reservation
from kana.model.segment import SegmentEvent
from kana.model.subscription import Subscription
from kana.model.usage import Entry
from kana.model.user import User


class Total(NamedTuple):
    """A counter and what it stands at."""

    counter: CounterKey
    used: int


Kept: TypeAlias = (
    User
    | MergedUser
    | IdSpan
    | Subscription
    | BulkResult
    | Given
    | Reservation
    | Total
    | Entry
    | SegmentEvent
    | LogLine
)
"""One thing that is kept of a user."""


class Bookmark(NamedTuple):
    """Where an export continues: a stage, and what it read last. ``user_key`` says whose export it is."""

    user_key: int
    stage: int = 0
    after: tuple[int | str, ...] = ()


class ExportStore(Protocol):
    """Reads all that is kept of one user, page by page."""

    async def export_page(
        self, environment: Environment, user_id: str, bookmark: Bookmark | None, *, limit: int
    ) -> tuple[Sequence[Kept], Bookmark | None]:
        """Return at most ``limit`` things, sometimes none, and where to continue; None at the end.

        What is added meanwhile may be left out.

        Raises:
            UserNotFound: no user has this id, or another one than the bookmark's has it.
        """
        ...
