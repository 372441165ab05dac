"""The stream of notifications, by a client of others."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice

import httpx
import pytest
from httpx_sse import ServerSentEvent, connect_sse

from kana.api import streams
from kana.model.key import KeyKind
from tests.api.admin.calls import record
from tests.support.serving import Served
from tests.support.world import LIVE, TEST, TESTER


@contextmanager
def listening(served: Served, query: str = "", **headers: str) -> Iterator[Iterator[ServerSentEvent]]:
    """The events of an open stream of test."""
    sent = {"Authorization": served.keys[TEST][KeyKind.PRIVATE], **headers}
    with (
        httpx.Client(base_url=served.url, timeout=20) as client,
        connect_sse(client, "GET", f"/v1/stream{query}", headers=sent) as source,
    ):
        assert source.response.status_code == 200
        yield source.iter_sse()


def test_what_happens_is_sent_as_it_happens(served: Served) -> None:
    """From now on, with the id, the type and the same JSON that a list of them has."""
    with listening(served) as source:
        record(served, 8)
        event = next(source)
    assert event.event == "usage.threshold_reached"
    said = json.loads(event.data)
    headers = {"Authorization": served.keys[TEST][KeyKind.PRIVATE]}
    listed = served.http.get(f"/v1/notifications?after={int(event.id) - 1}", headers=headers).json()["items"]
    assert listed == [said]
    assert said["id"] == event.id


def test_it_goes_on_where_it_stopped(served: Served) -> None:
    """After Last-Event-ID, or after; what was missed is sent first, in more than a page."""
    for number in range(150):
        served.run(served.engine.accounts.create_user(TEST, id=f"u{number}"))
    with listening(served, "?after=0") as source:
        events = list(islice(source, 120))
    with listening(served, **{"Last-Event-ID": events[-1].id}) as source:
        events += islice(source, 30)
        record(served, 10)
        events += islice(source, 1)
    ids = [int(each.id) for each in events]
    assert ids == list(range(ids[0], ids[0] + len(ids)))


def test_only_the_own_environment_is_heard(served: Served) -> None:
    """What happens in the other one is not sent."""
    with listening(served) as source:
        served.run(served.engine.accounts.create_user(LIVE, id="somebody"))
        record(served, 8)
        event = next(source)
    assert event.event == "usage.threshold_reached"


def test_a_revoked_key_hears_nothing_more(served: Served) -> None:
    """The stream ends."""
    key, _ = served.run(served.engine.access.create_key(TEST, KeyKind.PRIVATE, name="second", by=TESTER))
    with listening(served, Authorization=key) as source:
        served.run(served.engine.access.revoke_key(key, by=TESTER))
        assert list(source) == []


@pytest.mark.parametrize("query", ["?after=x", "?after=1&after=2", "?first=1", "?after=-1"])
def test_what_is_wrong_is_an_error(served: Served, query: str) -> None:
    """Before the stream begins."""
    headers = {"Authorization": served.keys[TEST][KeyKind.PRIVATE]}
    answer = served.http.get(f"/v1/stream{query}", headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (400, "BAD_USER_INPUT")


def test_there_are_only_so_many(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """One too many is told to come again; one that has ended makes room."""
    monkeypatch.setattr(streams, "STREAMS_MAX", 1)
    headers = {"Authorization": served.keys[TEST][KeyKind.PRIVATE]}
    for _ in range(2):
        with listening(served, "?after=0") as source:
            next(source)
            answer = served.http.get("/v1/stream", headers=headers)
            assert (answer.status_code, answer.headers["retry-after"]) == (429, "5")
        while served.app.streams._open:
            pass


def test_a_stream_does_not_keep_the_server(served: Served) -> None:
    """It ends when the server does, and the client connects again."""
    with listening(served) as source:
        served.app.streams.end()
        assert list(source) == []
