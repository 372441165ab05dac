"""The addresses that Segment's libraries post to: what they take, what they refuse, and what is kept of it."""

from __future__ import annotations

import base64
import gzip
import json
from datetime import timedelta
from typing import Any

import httpx
import pytest

from kana.model.environment import Environment
from kana.model.key import KeyKind
from tests.api.segment.calls import EVENTS, events, key_of, post, statuses, used, webhook
from tests.support.serving import Served
from tests.support.world import NOON

TRACK = {"userId": "ada", "event": "Sent", "properties": {"featureId": "messages"}}
KINDS = "identify, track, page, screen, group, alias"
LONG = f"'{'x' * 59}… (256 characters)"
SEVEN = "message must be a JSON object, got 7"
PATHS = [
    "/segment/events", "/v1/batch", "/v1/import",
    *(f"/v1/{kind}" for kind in ("identify", "track", "page", "screen", "group", "alias")),
]  # fmt: skip


def refused(response: httpx.Response, status: int, message: str) -> None:
    """An answer says no as problem details, in these words."""
    assert (response.status_code, response.json()["detail"]) == (status, message)
    assert response.headers["content-type"] == "application/problem+json"


def test_each_address_takes_its_message(served: Served) -> None:
    """All are answered 200 and kept; what means nothing here is ignored."""
    for kind in ("identify", "track", "page", "screen", "group", "alias"):
        response = post(served, f"/v1/{kind}", {**TRACK, "messageId": kind})
        assert (response.status_code, response.json()) == (200, {"success": True})
        webhook(served, **TRACK, type=kind, messageId=f"webhook {kind}")
    for path in ("/v1/batch", "/v1/import"):
        assert post(served, path, {"batch": [{**TRACK, "type": "track", "messageId": path}]}).json() == {
            "success": True
        }

    done = {"track": "RECORDED", "identify": "IDENTIFIED"}
    assert statuses(served) == {
        **{f"{prefix}{kind}": done.get(kind, "IGNORED") for prefix in ("", "webhook ")
           for kind in ("identify", "track", "page", "screen", "group", "alias")},
        "/v1/batch": "RECORDED", "/v1/import": "RECORDED",
    }  # fmt: skip
    assert used(served) == 4


def test_the_whole_message_is_kept(served: Served) -> None:
    """As it came, in any script, with what no column is for."""
    message = {**TRACK, "type": "track", "messageId": "m", "context": {"ip": "::1"}, "smile": "😀\0", "big": 10**30}
    webhook(served, **message)
    [event] = events(served)
    assert json.loads(event["raw"]) == message


def test_the_time_is_the_messages_own(served: Served) -> None:
    """In any zone; without one it is when the message came. It is kept to the millisecond."""
    served.clock.advance(hours=3)
    webhook(served, **TRACK, type="track", messageId="a", timestamp="2026-03-10T16:00:00.1239+03:00")
    webhook(served, **TRACK, type="track", messageId="b")
    assert {event["messageId"]: (event["timestamp"], event["receivedAt"]) for event in events(served)} == {
        "a": ("2026-03-10T13:00:00.123Z", "2026-03-10T15:00:00.000Z"),
        "b": ("2026-03-10T15:00:00.000Z", "2026-03-10T15:00:00.000Z"),
    }


def test_without_a_timestamp_the_senders_clock_is_corrected(served: Served) -> None:
    """A message's own time of sending comes before its batch's; with a timestamp neither is looked at."""
    served.clock.advance(hours=3)
    original = {**TRACK, "type": "track", "originalTimestamp": "2026-03-10T07:00:00.250Z"}
    messages = [
        {**original, "messageId": "own", "sentAt": "2026-03-10T08:00:00.250Z"},
        {**original, "messageId": "batch"},
        {**original, "messageId": "null", "timestamp": None, "sentAt": None},
        {**original, "messageId": "timestamp", "timestamp": "2026-03-10T13:00:00Z", "sentAt": "x"},
        {**original, "messageId": "wrong", "sentAt": "x"},
    ]
    assert post(served, "/v1/batch", {"batch": messages, "sentAt": "2026-03-10T09:00:00Z"}).status_code == 200
    webhook(served, **original, messageId="alone")
    assert {event["messageId"]: (event["timestamp"], event["status"]) for event in events(served)} == {
        "own": ("2026-03-10T14:00:00.000Z", "RECORDED"),
        "batch": ("2026-03-10T13:00:00.250Z", "RECORDED"),
        "null": ("2026-03-10T13:00:00.250Z", "RECORDED"),
        "timestamp": ("2026-03-10T13:00:00.000Z", "RECORDED"),
        "wrong": ("2026-03-10T07:00:00.250Z", "FAILED"),
        "alone": ("2026-03-10T07:00:00.250Z", "FAILED"),
    }


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"timestamp": (NOON - timedelta(1)).isoformat()}, "timestamp must not be before 2026-03-10T12:00:00+00:00"),
        ({"timestamp": (NOON + timedelta(1)).isoformat()}, "timestamp must be at most 5 minutes ahead"),
        ({"timestamp": "2026-02-30T00:00:00Z"}, "timestamp must be RFC 3339"),
        ({"timestamp": 7}, "timestamp must be RFC 3339"),
        ({"originalTimestamp": 7}, "originalTimestamp must be RFC 3339"),
        ({"sentAt": "2026-02-30T00:00:00Z"}, "sentAt must be RFC 3339"),
        ({"event": [7]}, "event must be a text, got [7]"),
        ({"event": "a\0"}, "event must not contain control characters"),
        ({"properties": [1]}, "properties must be a JSON object"),
        ({"traits": "x"}, "traits must be a JSON object"),
        ({"properties": {"featureId": "messages", "delta": "two"}}, "properties.delta must be a whole number"),
        ({"properties": {"featureId": "messages", "delta": -1}}, None),
    ],
)
def test_what_cannot_be_used_is_kept_with_the_reason(
    served: Served, changes: dict[str, Any], reason: str | None
) -> None:
    """It is answered 200, as sending it again helps nobody; nothing is recorded."""
    webhook(served, **{**TRACK, "type": "track", **changes})
    [event] = events(served)
    assert event["status"] == ("FAILED" if reason else "REFUSED")
    assert str(event["reason"]).startswith(reason or "Only 0 used in this period")
    assert used(served) == 0


def test_a_message_counts_once_whatever_way_it_comes(served: Served) -> None:
    """By webhook and by library, alone and in a batch: its id says that it is the same."""
    message = {**TRACK, "type": "track", "messageId": "m", "timestamp": NOON.isoformat()}
    for _ in range(2):
        webhook(served, **message)
        post(served, "/v1/track", message)
        post(served, "/v1/batch", {"batch": [message, message]})
    assert (used(served), len(events(served))) == (1, 1)


def test_without_an_id_each_message_is_its_own(served: Served) -> None:
    """Nobody can tell a repetition then; ids of ours are told from theirs."""
    for _ in range(2):
        post(served, "/v1/track", TRACK)
    assert used(served) == 2
    assert all(event["messageId"].startswith("kana-") for event in events(served))


def test_a_visitor_without_a_user_id_is_kept_and_ignored(served: Served) -> None:
    """Libraries send what visitors do before they log in."""
    response = post(served, "/v1/track", {"anonymousId": "a-1", "event": "Seen", "messageId": "m"})
    assert response.status_code == 200
    [event] = events(served)
    assert (event["status"], event["reason"], event["userId"]) == ("IGNORED", "no userId", None)


def test_a_number_is_a_user_id_too(served: Served) -> None:
    """Libraries send the number that they were given."""
    webhook(served, type="identify", userId=42)
    assert served.ask('{ user(id: "42") { id } }')["user"] == {"id": "42"}


def test_one_bad_message_never_fails_its_batch(served: Served) -> None:
    """The others are kept; each that is not is told by its place."""
    batch: list[Any] = [{**TRACK, "type": "track"}, {"type": "tack"}, 7, {**TRACK, "type": "track", "messageId": [7]}]
    batch += [{**TRACK, "type": "track", "messageId": "x" * 256}, {**TRACK, "type": "track"}]
    response = post(served, "/v1/batch", {"batch": batch})
    assert response.status_code == 200
    assert response.json() == {
        "success": True,
        "rejected": [
            {"index": 1, "message": f"type must be one of {KINDS}, got 'tack'"},
            {"index": 2, "message": SEVEN},
            {"index": 3, "message": "messageId must be a text, got [7]"},
            {"index": 4, "message": f"messageId must be 1 to 255 characters, got 256: {LONG}"},
        ],
    }
    assert used(served) == 2


def nested(depth: int) -> Any:
    return {"a": nested(depth - 1)} if depth > 1 else {}


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        (b"", 400, None),
        (b"{", 400, None),
        (b'{"type":"track","type":"page"}', 400, "body must be JSON: the key 'type' is repeated in one object"),
        (b'{"type":"track","n":NaN}', 400, "body.n must be JSON: NaN is not a JSON number"),
        (b"\xff", 400, "body must be in UTF-8; byte 0 is not valid"),
        (b'{"a":"\\ud800"}', 400, None),
        (b"[" * 100_000, 400, "body is nested too deeply"),
        (b"7", 400, "body must be a JSON object, got 7"),
        (b" " * 512_001, 413, "body must be at most 512000 bytes"),
    ],
)  # fmt: skip
def test_what_is_no_message_is_refused(
    shared: Served, path: str, body: bytes, status: int, message: str | None
) -> None:
    """In words that name what is wrong; nothing is kept."""
    response = shared.http.post(path, content=body, headers={"Authorization": key_of(shared)})
    refused(response, status, message or response.json()["detail"])
    assert events(shared) == []


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("/segment/events", {}, f"type must be one of {KINDS}, got None"),
        ("/segment/events", {"type": ["track"]}, f"type must be one of {KINDS}, got ['track']"),
        ("/segment/events", {"type": "track", "userId": ["x"]}, "userId must be a text, got ['x']"),
        ("/v1/page", {"messageId": "x" * 256}, f"messageId must be 1 to 255 characters, got 256: {LONG}"),
        ("/v1/track", {"messageId": ["m"]}, "messageId must be a text, got ['m']"),
        ("/v1/track", {"a": "x" * 32_768}, "a message must be at most 32768 bytes, got 32776"),
        ("/v1/track", nested(33), "a message must be at most 32 levels deep"),
        ("/v1/batch", {}, "batch must be an array of 1 to 2500 messages"),
        ("/v1/batch", {"batch": {}}, "batch must be an array of 1 to 2500 messages"),
        ("/v1/batch", {"batch": []}, "batch must be an array of 1 to 2500 messages"),
        ("/v1/batch", {"batch": [{}] * 2501}, "batch must be an array of 1 to 2500 messages"),
        ("/v1/batch", {"batch": [7]}, f"no message of the batch can be stored; the first: {SEVEN}"),
    ],
)  # fmt: skip
def test_what_cannot_be_kept_is_refused(shared: Served, path: str, value: Any, message: str) -> None:
    """A message is bounded in length and depth, a batch in number; nothing is kept."""
    refused(post(shared, path, value), 400, message)
    assert events(shared) == []


def test_a_message_may_be_as_deep_and_long_as_allowed(served: Served) -> None:
    """The bounds themselves are within."""
    assert post(served, "/v1/page", nested(32)).status_code == 200
    assert post(served, "/v1/page", {"a": "x" * (32_768 - len('{"a":""}'))}).status_code == 200


def test_a_whole_batch_is_taken_in_one_request(served: Served) -> None:
    """As many messages as fit in a body."""
    batch = [
        {"type": "track", "messageId": f"{n}", "userId": "ada", "properties": {"featureId": "messages"}}
        for n in range(2500)
    ]
    assert post(served, "/v1/batch", {"batch": batch}).status_code == 200
    assert used(served) == 2500


@pytest.mark.parametrize("path", PATHS)
def test_only_a_private_key_opens(shared: Served, path: str) -> None:
    """Missing, unknown, public and wrongly packed ones read the same; other methods are told what there is."""
    public = shared.keys[Environment.TEST][KeyKind.PUBLIC]
    basic = base64.b64encode(f"{public}:".encode()).decode()
    texts = set()
    for credential in (None, "prv_x", public, f"Bearer {public}", f"Basic {basic}", "Basic é", "Basic a", "Basic"):
        headers = {} if credential is None else {b"Authorization": credential.encode()}
        response = shared.http.post(path, json=TRACK, headers=headers)
        texts.add(response.json()["detail"].partition(":")[0].partition(" too often")[0])
        assert response.status_code in (401, 429)
    assert texts == {"Unauthenticated"}
    assert shared.http.get(path).status_code == 405
    assert shared.http.get(path).headers["allow"] == "POST"


@pytest.mark.parametrize("form", ["{key}", "Bearer {key}", "bearer {key}", "Basic {basic}", "basic {basic}"])
def test_the_key_comes_in_any_form(served: Served, form: str) -> None:
    """Bare as Kana's webhook has it, as Bearer, or as a user without a password."""
    key = key_of(served)
    credential = form.format(key=key, basic=base64.b64encode(f"{key}:".encode()).decode())
    response = served.http.post("/v1/track", json=TRACK, headers={"Authorization": credential})
    assert response.status_code == 200
    assert used(served) == 1


def test_a_body_that_is_packed_in_pieces_is_taken_whole(served: Served) -> None:
    """A gzip file may have several members: what all of them hold together is the body."""
    text = json.dumps(TRACK).encode()
    packed = b"".join(gzip.compress(part, mtime=0) for part in (text[:10], b"", text[10:20], text[20:]))
    headers = {"Authorization": key_of(served), "Content-Encoding": "gzip"}
    response = served.http.post("/v1/track", content=packed, headers=headers)
    assert (response.status_code, response.json()) == (200, {"success": True})


def test_a_packed_body_is_taken(served: Served) -> None:
    """Libraries may pack what they send."""
    headers = {"Authorization": key_of(served), "Content-Encoding": "gzip"}
    response = served.http.post("/v1/track", content=gzip.compress(json.dumps(TRACK).encode()), headers=headers)
    assert response.status_code == 200
    assert used(served) == 1


@pytest.mark.parametrize(
    ("encoding", "body", "status", "message"),
    [
        ("gzip", b"{}", 400, "body is not compressed with gzip, as Content-Encoding says"),
        ("gzip", gzip.compress(b'{"a":1}', mtime=0)[:-9], 400, "body ends before its compressed content does"),
        ("br", b"{}", 415, "Content-Encoding must be gzip or omitted"),
        ("gzip", gzip.compress(b" " * 50_000_000, mtime=0), 413, "body must be at most 512000 bytes"),
        ("gzip", gzip.compress(b" " * 400_000, mtime=0) * 2, 413, "body must be at most 512000 bytes"),
        (
            "gzip",
            gzip.compress(b"{}", mtime=0) + b"{}",
            400,
            "body is not compressed with gzip, as Content-Encoding says",
        ),
        ("gzip", gzip.compress(b"", mtime=0) * 17, 400, "body has more than 16 members of gzip"),
    ],
)
def test_a_body_that_is_not_what_it_says_is_refused(
    shared: Served, encoding: str, body: bytes, status: int, message: str
) -> None:
    """A small body that unpacks to a large one too, before it is large."""
    headers = {"Authorization": key_of(shared), "Content-Encoding": encoding}
    refused(shared.http.post("/v1/track", content=body, headers=headers), status, message)


def test_environments_never_cross(served: Served) -> None:
    """The same message with the other key is another message, of another user, by other rules."""
    live = key_of(served, Environment.LIVE)
    webhook(served, **TRACK, type="track", messageId="m")
    assert post(served, "/segment/events", {**TRACK, "type": "track", "messageId": "m"}, key=live).status_code == 200
    [event] = served.ask(EVENTS, key=live)["segmentEvents"]
    assert (event["status"], event["reason"]) == ("WAITING", "User not found: 'ada'")
    assert (statuses(served), used(served)) == ({"m": "RECORDED"}, 1)
