"""Events that failed: counted, kept, and tried again by one or all."""

from __future__ import annotations

import time

from kana.model.environment import Environment, bucket_of
from kana.model.segment import EventStatus, MessageType, SegmentEvent
from tests.api.admin.calls import SUBSCRIBE, name_of
from tests.api.segment.calls import EVENT, events, post, statuses, used
from tests.support.serving import Served

RETRY = f"mutation($id: String!) {{ retrySegmentEvent(id: $id) {{ {EVENT} }} }}"
RETRY_ALL = "mutation { retryFailedSegmentEvents }"


def fail(served: Served, *message_ids: str, timestamp: str = "2026-03-10T12:06:00Z") -> None:
    """Have tracks fail whose time is six minutes ahead."""
    batch = [
        {
            "type": "track",
            "messageId": message_id,
            "userId": "ada",
            "timestamp": timestamp,
            "properties": {"featureId": "messages", "delta": 2},
        }
        for message_id in message_ids
    ]
    assert post(served, "/v1/batch", {"batch": batch}).json() == {"success": True}
    assert set(statuses(served).values()) == {"FAILED"}


def test_one_is_tried_again(served: Served) -> None:
    """When what it failed of is mended it is recorded, at its own time, once."""
    fail(served, "one", "other")
    other, one = events(served)
    served.clock.advance(minutes=5)

    again = served.ask(RETRY, {"id": one["id"]})["retrySegmentEvent"]

    assert again == {**one, "status": "RECORDED", "reason": None, "featureId": "messages", "delta": 2}
    assert statuses(served) == {"other": "FAILED", "one": "RECORDED"}
    assert used(served) == 2
    for number in (one["id"], "999", "x"):
        error = served.error(RETRY, {"id": number})
        assert name_of(error)[0] == "BAD_USER_INPUT"
    assert used(served) == 2
    assert other["status"] == "FAILED"


def test_one_that_fails_again_says_why(served: Served) -> None:
    """Nothing is lost by trying."""
    fail(served, "one")
    [one] = events(served)
    assert served.ask(RETRY, {"id": one["id"]})["retrySegmentEvent"] == one


def test_all_are_tried_again(served: Served) -> None:
    """Within seconds; the answer says how many."""
    fail(served, "a", "b", "c")
    served.clock.advance(minutes=5)

    assert served.ask(RETRY_ALL) == {"retryFailedSegmentEvents": 3}

    until = time.monotonic() + 10
    while set(statuses(served).values()) != {"RECORDED"}:
        assert time.monotonic() < until
        time.sleep(0.01)
    assert used(served) == 6
    assert served.ask(RETRY_ALL) == {"retryFailedSegmentEvents": 0}


def test_what_an_earlier_version_could_not_read_is_read_anew(served: Served) -> None:
    """The message is kept as it came: an amount as text, of which one failed once, is taken now."""
    raw = '{"type":"track","messageId":"old","userId":"ada","properties":{"featureId":"messages","delta":"4"}}'
    old = SegmentEvent(
        environment=Environment.TEST,
        bucket=bucket_of(Environment.TEST, "ada"),
        message_id="old",
        number=7,
        type=MessageType.TRACK,
        user_id="ada",
        event=None,
        status=EventStatus.FAILED,
        reason="properties.delta must be a whole number of 32 bits, got '4'",
        happened_at=served.clock(),
        received_at=served.clock(),
        raw=raw,
    )
    served.run(served.store.segment.keep_events(Environment.TEST, lambda _: [old]))

    again = served.ask(RETRY, {"id": "7"})["retrySegmentEvent"]

    assert (again["status"], again["delta"], again["raw"], used(served)) == ("RECORDED", 4, raw, 4)


def test_failures_are_counted_for_those_who_watch(served: Served) -> None:
    """At /metrics, by what became of each."""
    fail(served, "a", "b")
    page = served.http.get("/metrics").text
    assert 'kana_segment_events_total{status="FAILED"} 2.0' in page


def test_a_subscription_that_was_missing_is_no_failure(served: Served) -> None:
    """Usage without one is refused, for good, and not tried again."""
    served.ask('mutation { createUser(input: {id: "bob"}) { id } }')
    message = {"type": "track", "messageId": "m", "userId": "bob", "properties": {"featureId": "messages"}}
    assert post(served, "/v1/batch", {"batch": [message]}).status_code == 200
    served.ask(SUBSCRIBE, {"userId": "bob", "packageIds": ["basic"]})
    assert served.ask(RETRY_ALL) == {"retryFailedSegmentEvents": 0}
    assert statuses(served) == {"m": "REFUSED"}
