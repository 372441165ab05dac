"""The terms of a subscription: when it starts, what its periods are counted from, and its trial."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Literal, TypeAlias

from kana.errors import InvalidValue
from kana.model.period import Anchor, Calendar
from kana.model.value import value_object
from kana.model.word import Word

_EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
_LATEST = datetime(2999, 12, 31, tzinfo=UTC)


class AnchorKind(Word):
    """What reset periods are counted from: the start of the subscription, or the calendar of a time zone."""

    START = "START"
    CALENDAR = "CALENDAR"


class ChangeTime(Word):
    """When a user moves to another base package: now, or at the end of the longest current period of the old one."""

    NOW = "NOW"
    PERIOD_END = "PERIOD_END"


class ChangeUsage(Word):
    """What becomes of what was used: counting starts at zero, or goes on."""

    RESET = "RESET"
    CARRY = "CARRY"


AnchorTerm: TypeAlias = Anchor | Literal[AnchorKind.CALENDAR] | None
"""What periods are to be counted from. None is the start; CALENDAR is the calendar in the user's own time zone."""


def anchor_of(kind: AnchorKind | None, *, anchor_at: datetime | None, time_zone: str | None) -> AnchorTerm:
    """Return what periods are counted from, by what a caller says.

    Raises:
        InvalidValue: two anchors are named, or a time zone without the calendar, or there is no such zone.
    """
    if kind is AnchorKind.CALENDAR:
        if anchor_at is not None:
            raise InvalidValue(
                "anchorAt cannot be given with anchor CALENDAR: periods have one anchor", field="anchorAt"
            )
        return AnchorKind.CALENDAR if time_zone is None else Calendar(time_zone)
    if time_zone is not None:
        raise InvalidValue("timeZone needs anchor CALENDAR: other periods follow no time zone", field="timeZone")
    if kind is not None and anchor_at is not None:
        raise InvalidValue("anchorAt cannot be given with anchor START: periods have one anchor", field="anchorAt")
    return anchor_at


@value_object(kw_only=True)
class Terms:
    """What is agreed on when subscribing. By default it starts now, without a trial, and periods count from the start.

    ``starts_at`` may be in the past or the future. ``anchor`` is what periods are counted from instead; a calendar
    without a zone follows that of the user, or else of the environment, as they are when it is subscribed to. With
    ``trial_ends_at`` it is a trial until then, and after that ACTIVE or, with ``ends_with_trial``, CANCELLED. Without
    it the trial is the package's own, if it has one and the user has not had it; ``without_trial`` leaves that out.

    Raises:
        InvalidValue: a time is not from 1970 to 2999, the trial is over before it starts, or there is to be none too.
    """

    starts_at: datetime | None = None
    anchor: AnchorTerm = None
    trial_ends_at: datetime | None = None
    without_trial: bool = False
    ends_with_trial: bool = False

    def __post_init__(self) -> None:
        anchor_at = self.anchor if isinstance(self.anchor, datetime) else None
        times = {"startsAt": self.starts_at, "anchorAt": anchor_at, "trialEndsAt": self.trial_ends_at}
        for field, moment in times.items():
            if moment is not None and not _EARLIEST <= moment <= _LATEST:
                raise InvalidValue(f"{field} must be from 1970 to 2999, got {moment.isoformat()}", field=field)
        if self.without_trial and self.trial_ends_at is not None:
            raise InvalidValue("trialEndsAt cannot be given for a start without a trial", field="trialEndsAt")

    def anchor_in(self, time_zone: str) -> Anchor | None:
        """Return what periods are counted from, for a user in a time zone; None is the start."""
        return Calendar(time_zone) if self.anchor is AnchorKind.CALENDAR else self.anchor

    def start(self, now: datetime) -> datetime:
        """Return when a subscription that is made now starts.

        Raises:
            InvalidValue: its trial would be over by then, or is over already.
        """
        start = now if self.starts_at is None else self.starts_at
        if self.trial_ends_at is not None and self.trial_ends_at <= max(start, now):
            raise InvalidValue(
                f"trialEndsAt must be after {max(start, now).isoformat()}, got {self.trial_ends_at.isoformat()}",
                field="trialEndsAt",
            )
        return start


AT_ONCE = Terms()
"""Starts now, without a trial; periods are counted from the start."""
