"""RudderStack's own library for Node.js as a sender: nothing of it is changed but the address."""

from __future__ import annotations

import json
import subprocess
from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.api.segment.calls import USERS, events, key_of, used
from tests.api.segment.test_library import furnish, used_on
from tests.sdk.proxy import LosingProxy
from tests.support.programs import NODE_FOLDER, node
from tests.support.server import KanaServer
from tests.support.serving import Served
from tests.support.world import NOON

COUNT = 200
LAG = timedelta(minutes=5)
"""What may lie between a call of the library and its request, on the slowest machine."""

Call = tuple[str, dict[str, Any]]


def send(url: str, key: str, *calls: Call, **options: Any) -> list[str | None]:
    """Make calls of the library in a process of its own; return what it tells of each, None where it was taken."""
    given = {"key": key, "url": url, "calls": calls, "options": options}
    run = subprocess.run(
        [str(node()), "rudder.mjs"], input=json.dumps(given) + "\n", cwd=NODE_FOLDER, capture_output=True, text=True,
        check=True, timeout=120,
    )  # fmt: skip
    return [json.loads(line) for line in run.stdout.splitlines()]


def track(**more: Any) -> Call:
    """A track of Ada's that names the feature."""
    return ("track", {"userId": "ada", "event": "Sent", "properties": {"featureId": "messages"}, **more})


def time(at: datetime) -> dict[str, int]:
    """A time as the program reads it."""
    return {"time": int(at.timestamp() * 1000)}


@pytest.mark.parametrize("gzip", [False, True])
def test_each_call_of_the_library_is_taken(served: Served, gzip: bool) -> None:
    """Packed or not; an identify makes the user, a track is recorded, the others are ignored."""
    traits = {"name": "Ada", "email": "a@e.com", "billingId": "cus_1", "plan": "pro"}
    kinds: list[Call] = [
        ("page", {"userId": "ada", "name": "Home"}),
        ("screen", {"userId": "ada", "name": "Home"}),
        ("group", {"userId": "ada", "groupId": "company", "traits": {"seats": 7}}),
        ("alias", {"previousId": "before", "userId": "ada"}),
        ("track", {"anonymousId": "visitor", "event": "Seen"}),
    ]
    told = send(served.url, key_of(served), ("identify", {"userId": 42, "traits": traits}), track(), *kinds, gzip=gzip)

    assert told == [None] * 7
    assert {"id": "42", "name": "Ada", "email": "a@e.com", "billingId": "cus_1"} in served.ask(USERS)["users"]
    assert used(served) == 1
    found = {(event["type"], event["status"]) for event in events(served)}
    ignored = {(kind, "IGNORED") for kind, _ in kinds}
    assert found == {("identify", "IDENTIFIED"), ("track", "RECORDED"), *ignored}


def test_the_clock_of_the_library_s_machine_does_not_matter(served: Served) -> None:
    """It says when it was called and when it sent, by a clock that is months off: what happened, happened just now."""
    assert send(served.url, key_of(served), track()) == [None]

    [event] = events(served)
    said = json.loads(event["raw"])
    at = datetime.fromisoformat(event["timestamp"])
    assert "timestamp" not in said
    assert abs(datetime.fromisoformat(said["originalTimestamp"]) - NOON) > LAG
    assert NOON - LAG < at <= NOON
    assert NOON - at == datetime.fromisoformat(said["sentAt"]) - datetime.fromisoformat(said["originalTimestamp"])
    assert event["status"] == "RECORDED"


def test_a_timestamp_of_the_caller_s_is_taken(served: Served) -> None:
    """And neither clock is looked at."""
    served.clock.advance(hours=3)
    assert send(served.url, key_of(served), track(timestamp=time(NOON + timedelta(hours=1)))) == [None]
    assert events(served)[0]["timestamp"] == "2026-03-10T13:00:00.000Z"


def test_the_library_is_told_of_a_bad_key(served: Served) -> None:
    """It gives up at once, and nothing is kept."""
    [told] = send(served.url, "prv_wrong", track())
    assert told is not None
    assert "401" in told
    assert events(served) == []


def test_lost_answers_count_once() -> None:
    """The library sends again what it heard no answer to: each message is recorded once."""
    with KanaServer() as server, LosingProxy(server.address, share=0.4) as proxy:
        furnish(server)
        told = send(proxy.address, server.private_key, *[track()] * COUNT, flushAt=20, retryCount=30)
        assert told == [None] * COUNT
        assert proxy.lost > 0
        assert used_on(server) == (COUNT, COUNT)
