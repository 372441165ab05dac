"""Integrations: what is connected, and the events from Segment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from starlette.responses import Response

from kana.dashboard.context import Context, Tone
from kana.dashboard.page_request import PageRequest
from kana.dashboard.route import get, post
from kana.engine.segment.mapping import EventCounts
from kana.errors import BadInput
from kana.model.segment import EventStatus, SegmentEvent
from kana.model.text import number_in, shown

ROWS = 50
"""How many events a page shows."""

_TONES = {
    EventStatus.RECORDED: Tone.SUCCESS,
    EventStatus.IDENTIFIED: Tone.SUCCESS,
    EventStatus.REFUSED: Tone.DANGER,
    EventStatus.FAILED: Tone.DANGER,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class IntegrationsPage(Context):
    """The possible integrations, and whether they are connected."""

    template = "integrations.html"
    counts: EventCounts
    origin: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentPage(Context):
    """Events from Segment of one status or of all, the newest first. ``next_url`` leads to older ones."""

    template = "segment_events.html"
    counts: EventCounts
    events: Sequence[SegmentEvent]
    status: str
    next_url: str
    origin: str
    statuses: tuple[EventStatus, ...] = tuple(EventStatus)


async def show_integrations(request: PageRequest) -> Response:
    """Show what is connected."""
    counts = await request.engine.mapping.counts(request.environment)
    return request.show(IntegrationsPage(counts=counts, origin=request.site.origin))


async def show_events(request: PageRequest) -> Response:
    """List events."""
    status = request.asked("status")
    found = await request.engine.mapping.events(
        request.environment, status=_status(status), first=ROWS + 1, before=_number(request.asked("before"))
    )
    events = found[:ROWS]
    more = len(found) > ROWS
    page = SegmentPage(
        counts=await request.engine.mapping.counts(request.environment),
        events=events,
        status=status,
        next_url=request.url("/integrations/segment", status=status, before=events[-1].number) if more else "",
        origin=request.site.origin,
    )
    return request.show(page)


async def retry_events(request: PageRequest) -> Response:
    """Try again the failed event that the address names, or all failed events if it names none."""
    wanted = request.asked("id")
    if wanted:
        number = _number(wanted)
        assert number is not None, "a non-empty id is a number, or refused"
        event = await request.engine.segment.retry(request.environment, number)
        why = f" {event.reason}" if event.reason else ""
        said = f"{event.event or event.type.capitalize()}: {event.status.lower()}.{why}"
        tone = _TONES.get(event.status, Tone.WARNING)
    else:
        request.engine.replayer.retry_failed(request.environment)
        said, tone = "All failed events are tried again within seconds.", Tone.WARNING
    return request.go("/integrations/segment", said=said, tone=tone, status="FAILED")


def _status(text: str) -> EventStatus | None:
    try:
        return EventStatus(text) if text else None
    except ValueError:
        raise BadInput(f"status must be one of {', '.join(EventStatus)}") from None


def _number(text: str) -> int | None:
    if not text:
        return None
    number = number_in(text)
    if number is None:
        raise BadInput(f"id must be the number of an event, got {shown(text)}")
    return number


ROUTES = (
    get("/integrations", show_integrations),
    get("/integrations/segment", show_events),
    post("/integrations/segment/retry", retry_events),
)
