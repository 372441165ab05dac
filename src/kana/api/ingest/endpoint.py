"""``POST /v1/events``: an answer for each event, and the same in the way that OpenMeter's producers expect."""

from __future__ import annotations

import asyncio
from typing import Any

from starlette.types import ASGIApp, Receive, Scope

from kana.api.access import Door
from kana.api.body import made_of, read_body, refuse_packed
from kana.api.bulk import UsageAnswer, record_each
from kana.api.endpoint import endpoint, json_answer
from kana.api.errors import Fault
from kana.api.http import Answer, fault_answer, headers_of, request_id_of
from kana.api.ingest.cloudevents import is_json
from kana.api.ingest.formats import ReadUsages, read_batch, read_binary, read_lines, read_plain, read_structured
from kana.engine.engine import Engine
from kana.errors import UnsupportedMediaType
from kana.model.key import KeyKind
from kana.model.text import shown

BODY_BYTES_MAX = 5 * 1024 * 1024
"""The longest body of a request with events, in bytes: 5 MB."""

_AT_ONCE = 500
"""How many answers are written before other requests get a turn."""

_FORMATS: dict[str, ReadUsages] = {
    "application/cloudevents+json": read_structured,
    "application/cloudevents-batch+json": read_batch,
    "application/x-ndjson": read_lines,
    "application/json": read_plain,
}


def events_endpoint(engine: Engine, door: Door, *, quiet: bool = False) -> ASGIApp:
    """Return the endpoint: 200 with one answer for each event, in order, whatever its result.

    ``quiet`` is what OpenMeter's clients expect instead: 204 if every event was decided, 400 if one was wrong.
    """

    async def work(scope: Scope, receive: Receive) -> Answer:
        headers = headers_of(scope)
        caller = await door.caller(scope, KeyKind.PRIVATE)
        read = _reader(headers)
        body = await read_body(receive, headers, bytes_max=BODY_BYTES_MAX)
        usages = await made_of(body, lambda body: read(body, headers, caller.environment))
        answers = await record_each(engine.usage, usages, request_id=request_id_of(scope))
        return _quiet_answer(answers) if quiet else await _answer_of_each(answers)

    return endpoint("POST", work)


def _reader(headers: dict[bytes, bytes]) -> ReadUsages:
    """Return the reader of the body for its content type; the headers tell binary CloudEvents.

    Raises:
        UnsupportedMediaType: there is no reader for it.
    """
    refuse_packed(headers)
    media_type = headers.get(b"content-type", b"").decode("latin-1").partition(";")[0].strip().lower()
    if b"ce-specversion" in headers and not media_type.startswith("application/cloudevents"):
        return _binary_reader(media_type)
    if media_type in _FORMATS:
        return _FORMATS[media_type]
    raise UnsupportedMediaType(f"Content-Type must be one of {', '.join(sorted(_FORMATS))}, got {shown(media_type)}")


def _binary_reader(media_type: str) -> ReadUsages:
    if media_type and not is_json(media_type):
        raise UnsupportedMediaType(f"the data of an event must be JSON, but Content-Type is {shown(media_type)}")
    return read_binary


async def _answer_of_each(answers: list[UsageAnswer]) -> Answer:
    results: list[dict[str, Any]] = []
    for start in range(0, len(answers), _AT_ONCE):
        results += [_as_json(each) for each in answers[start : start + _AT_ONCE]]
        await asyncio.sleep(0)
    return json_answer({"results": results})


def _quiet_answer(answers: list[UsageAnswer]) -> Answer:
    wrong = [(number, each.error) for number, each in enumerate(answers) if each.error is not None]
    if not wrong:
        return Answer(204, b"")
    number, error = wrong[0]
    message = f"event {number}: {error.message}" + (f" (and {len(wrong) - 1} more)" if wrong[1:] else "")
    status = 503 if all(each.retry_after is not None for _, each in wrong) else 400
    fault = Fault(code=error.code, name=error.name, message=message, status=status, retry_after_s=error.retry_after)
    return fault_answer(fault)


def _as_json(each: UsageAnswer) -> dict[str, Any]:
    """Return an answer in the format of the Admin API's ``BatchedUsage``."""
    consumption, error = each.consumption, each.error
    return {
        "recorded": each.recorded,
        "reason": each.reason,
        "outcome": each.outcome,
        "id": each.id,
        "duplicate": each.duplicate,
        "consumption": None
        if consumption is None
        else {
            "used": consumption.used,
            "budget": consumption.budget,
            "overageEnabled": consumption.overage_enabled,
        },
        "inGrace": each.in_grace,
        "error": None
        if error is None
        else {"code": error.code, "name": error.name, "message": error.message, "retryAfter": error.retry_after},
    }
