"""``POST /v1/events``: events in, an answer for each out; and the same as OpenMeter's producers expect it."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

import structlog
from starlette.types import ASGIApp, Receive, Scope, Send

from kana.api.access import Door
from kana.api.body import ClientGone, read_body
from kana.api.bulk import UsageAnswer, record_each
from kana.api.errors import Fault, fault_of, is_ours
from kana.api.http import answer, answer_fault, answer_json, answer_method_not_allowed, headers_of, request_id_of
from kana.api.ingest.cloudevents import is_json
from kana.api.ingest.formats import ReadUsages, read_batch, read_binary, read_lines, read_plain, read_structured
from kana.engine.engine import Engine
from kana.engine.pace import aside
from kana.errors import UnsupportedMediaType
from kana.model.key import KeyKind
from kana.model.text import shown

BODY_BYTES_MAX = 5 * 1024 * 1024
"""What one request of events may send, in bytes: 5 MB."""

_LONG = 65_536
"""From how many bytes on a body is read aside."""

_AT_ONCE = 500
"""How many answers are put into words before everybody else has a turn."""

log = structlog.get_logger("kana.events")

_FORMATS: dict[str, ReadUsages] = {
    "application/cloudevents+json": read_structured,
    "application/cloudevents-batch+json": read_batch,
    "application/x-ndjson": read_lines,
    "application/json": read_plain,
}


def events_endpoint(engine: Engine, door: Door, *, quiet: bool = False) -> ASGIApp:
    """Return the endpoint: 200 with one answer for each event, in order, whatever became of each.

    ``quiet`` is what OpenMeter's clients expect instead: 204 when every event was decided, 400 when one was wrong.
    """

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] != "POST":
            await answer_method_not_allowed(scope, send, b"POST")
            return
        try:
            answers = await _record(engine, door, scope, receive)
        except ClientGone:
            return
        except Exception as error:
            if not is_ours(error):
                log.exception("request failed")
            await answer_fault(send, fault_of(error, request_id=request_id_of(scope)))
        else:
            await (_answer_quietly if quiet else _answer_each)(send, answers)

    return app


async def _record(engine: Engine, door: Door, scope: Scope, receive: Receive) -> list[UsageAnswer]:
    headers = headers_of(scope)
    caller = await door.caller(scope, KeyKind.PRIVATE)
    read = _reader(headers)
    body = await read_body(receive, headers, bytes_max=BODY_BYTES_MAX)
    reading = partial(read, body, headers, caller.environment)
    usages = reading() if len(body) <= _LONG else await aside(reading)
    return await record_each(engine.usage, usages, request_id=request_id_of(scope))


def _reader(headers: dict[bytes, bytes]) -> ReadUsages:
    """Return how the body is to be read, by its content type; binary CloudEvents say so by their headers.

    Raises:
        UnsupportedMediaType: it cannot be.
    """
    if headers.get(b"content-encoding", b"identity") != b"identity":
        raise UnsupportedMediaType("Content-Encoding is not supported: send the body as it is")
    media_type = headers.get(b"content-type", b"").decode("latin-1").partition(";")[0].strip().lower()
    if b"ce-specversion" in headers and not media_type.startswith("application/cloudevents"):
        return _binary_reader(media_type)
    if media_type in _FORMATS:
        return _FORMATS[media_type]
    raise UnsupportedMediaType(f"Content-Type must be {', '.join(sorted(_FORMATS))}; got {shown(media_type)}")


def _binary_reader(media_type: str) -> ReadUsages:
    if media_type and not is_json(media_type):
        raise UnsupportedMediaType(f"the data of an event must be JSON; Content-Type says {shown(media_type)}")
    return read_binary


async def _answer_each(send: Send, answers: list[UsageAnswer]) -> None:
    results: list[dict[str, Any]] = []
    for start in range(0, len(answers), _AT_ONCE):
        results += [_as_json(each) for each in answers[start : start + _AT_ONCE]]
        await asyncio.sleep(0)
    await answer_json(send, 200, {"results": results})


async def _answer_quietly(send: Send, answers: list[UsageAnswer]) -> None:
    wrong = [(number, each.error) for number, each in enumerate(answers) if each.error is not None]
    if not wrong:
        await answer(send, 204, b"", content_type=b"application/json")
        return
    number, error = wrong[0]
    message = f"event {number}: {error.message}" + (f" (and {len(wrong) - 1} more)" if wrong[1:] else "")
    status = 503 if all(each.retry_after is not None for _, each in wrong) else 400
    fault = Fault(code=error.code, name=error.name, message=message, status=status, retry_after_s=error.retry_after)
    await answer_fault(send, fault)


def _as_json(each: UsageAnswer) -> dict[str, Any]:
    """Return an answer in the words of the Admin API's ``BatchedUsage``."""
    consumption, error = each.consumption, each.error
    return {
        "recorded": each.recorded,
        "reason": each.reason,
        "id": each.id,
        "duplicate": each.duplicate,
        "consumption": None
        if consumption is None
        else {
            "used": consumption.used,
            "budget": consumption.budget,
            "overageEnabled": consumption.overage_enabled,
        },
        "error": None
        if error is None
        else {"code": error.code, "name": error.name, "message": error.message, "retryAfter": error.retry_after},
    }
