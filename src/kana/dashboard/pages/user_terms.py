"""The fields of a user's page for the terms of a subscription: its start, its periods and its trial."""

from __future__ import annotations

from datetime import datetime
from typing import TypeVar

from kana.dashboard.page_request import PageRequest
from kana.errors import BadInput, InvalidValue
from kana.model.period import time_in
from kana.model.subscription import Subscription
from kana.model.terms import AnchorKind, ChangeTime, ChangeUsage, Terms, anchor_of
from kana.model.text import shown
from kana.model.word import Word

_W = TypeVar("_W", bound=Word)
_MINUTES = len("2026-03-10T12:00")


def read_terms(request: PageRequest) -> Terms:
    """Return the terms that a form says.

    Raises:
        BadInput: a field is not a time, or the terms are not possible; the message names the field.
    """
    kind = AnchorKind.CALENDAR if request.text("anchor") == AnchorKind.CALENDAR else None
    return Terms(
        starts_at=_moment(request, "starts_at", label="Starts"),
        anchor=anchor_of(
            kind,
            anchor_at=_moment(request, "anchor_at", label="Periods from"),
            time_zone=request.text("time_zone") or None,
        ),
        trial_ends_at=_moment(request, "trial_ends_at", label="Trial until"),
        without_trial=request.ticked("without_trial"),
        ends_with_trial=request.ticked("ends_with_trial"),
    )


def _moment(request: PageRequest, name: str, *, label: str) -> datetime | None:
    """Return a time that a browser sends without a zone; it is in UTC."""
    text = request.text(name)
    if not text:
        return None
    try:
        return time_in(f"{text}:00Z" if len(text) == _MINUTES else f"{text}Z", field=name)
    except InvalidValue:
        raise BadInput(f"{label} must be a date and a time, as in 2026-03-10T12:00, got {shown(text)}") from None


def change_time(request: PageRequest) -> ChangeTime:
    """Return when a form says that a package is changed."""
    return named(request.text("when"), ChangeTime.NOW)


def change_usage(request: PageRequest) -> ChangeUsage:
    """Return what a form says of usage when a package is changed."""
    return named(request.text("usage"), ChangeUsage.RESET)


def named(text: str, default: _W) -> _W:
    """Return the word that a form or an address says; another text is the default."""
    return next((each for each in type(default) if each.value == text), default)


def terms_in_words(subscription: Subscription) -> str:
    """Return what was agreed on, where it is not usual."""
    said = []
    if subscription.trial_ends_at is not None:
        said.append(f"Trial until {subscription.trial_ends_at:%Y-%m-%d %H:%M} UTC")
    if subscription.time_zone is not None:
        said.append(f"periods by the calendar in {subscription.time_zone}")
    elif subscription.anchored_at != subscription.start:
        said.append(f"periods counted from {subscription.anchored_at:%Y-%m-%d %H:%M} UTC")
    text = ", ".join(said)
    return text[:1].upper() + text[1:]
