"""OpenMeter's own Python client, pointed at this server, records usage; and is told when something is wrong."""

from __future__ import annotations

from datetime import UTC
from typing import Any

import pytest
from corehttp.exceptions import HttpResponseError
from openmeter import Client
from openmeter.aio import Client as AsyncClient
from openmeter.models import Event

from kana.model.environment import Environment
from kana.model.key import KeyKind
from tests.api.ingest.events import STRUCTURED, event, post, used
from tests.support.serving import Served


def an_event(number: str, **attributes: Any) -> Event:
    """An event as OpenMeter's documentation makes them."""
    given = {"source": "shop", "specversion": "1.0", "type": "message", "subject": "eve", "data": {"delta": 2}}
    return Event(id=number, **{**given, **attributes})


def client(served: Served, *, key: str | None = None) -> Client:
    """The blocking client, with nothing changed but where it sends to."""
    return Client(endpoint=served.url, token=key or served.keys[Environment.TEST][KeyKind.PRIVATE])


def test_the_blocking_client_records(served: Served) -> None:
    """One event, the same again, and a list of them."""
    at = served.clock().astimezone(UTC)
    with client(served) as openmeter:
        openmeter.events.ingest_event(an_event("1", time=at))
        openmeter.events.ingest_event(an_event("1", time=at))
        openmeter.events.ingest_events([an_event("1", time=at), an_event("2"), an_event("3", data={"delta": 5})])

    assert used(served) == 2 + 2 + 5


async def test_the_awaiting_client_records(served: Served) -> None:
    """The same through the other client."""
    key = served.keys[Environment.TEST][KeyKind.PRIVATE]
    async with AsyncClient(endpoint=served.url, token=key) as openmeter:
        await openmeter.events.ingest_event(an_event("1"))
        await openmeter.events.ingest_events([an_event("1"), an_event("2")])

    assert used(served) == 4


def test_plain_json_is_taken_from_its_clients_too(served: Served) -> None:
    """They can send application/json for the same events."""
    with client(served) as openmeter:
        openmeter.events.ingest_events_json([an_event("1"), an_event("2")])
        openmeter.events.ingest_events_json(an_event("3"))

    assert used(served) == 6


def test_it_is_told_what_is_wrong(served: Served) -> None:
    """A bad event is an exception with status and words; its neighbours are recorded, so sending again is safe."""
    with client(served) as openmeter, pytest.raises(HttpResponseError) as raised:
        openmeter.events.ingest_events([an_event("1"), an_event("2", subject="nobody"), an_event("3", type="fax")])

    response: Any = raised.value.response
    assert (raised.value.status_code, response.headers["content-type"]) == (400, "application/problem+json")
    assert response.json()["detail"] == "event 1: User not found: 'nobody' (and 1 more)"
    assert used(served) == 2


def test_it_is_told_that_its_key_is_wrong(served: Served) -> None:
    """401, as OpenMeter itself would."""
    with client(served, key="om_wrong") as openmeter, pytest.raises(HttpResponseError) as raised:
        openmeter.events.ingest_event(an_event("1"))

    assert (raised.value.status_code, used(served)) == (401, 0)


def test_a_refusal_is_no_error(served: Served) -> None:
    """Usage beyond a limit was decided, and kept as a refusal: a producer has nothing to repeat."""
    with client(served) as openmeter:
        openmeter.events.ingest_event(an_event("1", subject="ada", data={"delta": 11}))

    assert used(served, "ada") == 0


def test_both_addresses_know_the_same_events(served: Served) -> None:
    """What OpenMeter's client sent is a duplicate where we take events."""
    with client(served) as openmeter:
        openmeter.events.ingest_event(an_event("1"))

    response = post(served, event("1", data={"delta": 2}), STRUCTURED)

    assert response.json()["results"][0]["duplicate"] is True
