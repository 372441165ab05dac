"""POST /v1/events: CloudEvents in their three shapes and lines of JSON, each answered for itself."""

from __future__ import annotations

import json
from typing import Any

import pytest

from kana.api.ingest.endpoint import BODY_BYTES_MAX
from kana.api.ingest.formats import EVENTS_MAX
from kana.model.environment import Environment
from kana.model.key import KeyKind
from tests.api.ingest.events import BATCH, LINES, STRUCTURED, event, line, lines, post, results, said, used
from tests.support.ledger import entries_of
from tests.support.serving import Served


def recorded(amount: int, *, number: str, duplicate: bool = False, budget: int = 10) -> dict[str, Any]:
    """The whole answer to an event that counts."""
    return {
        "recorded": True,
        "reason": None,
        "outcome": "RECORDED",
        "id": number,
        "duplicate": duplicate,
        "consumption": {"used": amount, "budget": budget, "overageEnabled": True},
        "inGrace": False,
        "error": None,
    }


def test_a_structured_event_is_one_usage(served: Served) -> None:
    """``subject`` is the user, ``type`` the feature; without ``data.delta`` it is one unit."""
    [result] = results(post(served, event(), STRUCTURED))

    assert result == recorded(1, number=result["id"])
    assert used(served) == 1


def test_data_says_feature_amount_action_and_more(served: Served) -> None:
    """``data.featureId`` is above ``type``; ``delta``, ``action`` and ``metadata`` are those of recordUsage."""
    data = {"featureId": "message", "delta": 7, "action": "SET", "metadata": {"order": 5}}
    time = "2026-03-10T12:00:00Z"

    [result] = results(post(served, event(type="com.shop.sent", data=data, time=time), STRUCTURED))

    assert result == recorded(7, number=result["id"])
    [entry] = served.run(entries_of(served.store, "eve"))
    assert (entry.delta, entry.action, entry.metadata) == (7, "SET", {"order": 5})
    assert entry.timestamp == served.clock()


def test_the_same_event_counts_once(served: Served) -> None:
    """``id`` and ``source`` together say which event it is; another source with that id is another event."""
    first, again, other = (
        results(post(served, event("1", source=source), STRUCTURED))[0] for source in ("shop", "shop", "till")
    )

    assert again == {**first, "duplicate": True}
    assert (other["duplicate"], used(served)) == (False, 2)


def test_an_event_that_comes_again_with_other_content_is_told(served: Served) -> None:
    """An id that was taken for something else is a mistake of the sender, and counts nothing."""
    results(post(served, event(data={"delta": 1}), STRUCTURED))

    [result] = results(post(served, event(data={"delta": 2}), STRUCTURED))

    assert said(result).startswith("IDEMPOTENCY_KEY_REUSED: ")
    assert "delta" in said(result)
    assert used(served) == 1


@pytest.mark.parametrize("content_type", [BATCH, "application/json", f"{BATCH}; charset=utf-8"])
def test_a_batch_is_answered_in_its_order(served: Served, content_type: str) -> None:
    """Good, bad, refused and repeated events of one request each get their own answer."""
    batch = [
        event("1", data={"delta": 3}),
        event("2", subject="nobody"),
        event("3", subject="ada", data={"delta": 11}),
        event("1", data={"delta": 3}),
        "no event",
        event("4"),
    ]

    found = results(post(served, batch, content_type))

    assert [(each["recorded"], each["duplicate"]) for each in found] == [
        (True, False), (False, False), (False, False), (True, True), (False, False), (True, False),
    ]  # fmt: skip
    assert [said(each) for each in found] == [
        "",
        "BAD_USER_INPUT: User not found: 'nobody'",
        "",
        "",
        "BAD_USER_INPUT: event must be a JSON object, got 'no event'",
        "",
    ]
    assert found[2]["reason"] == (
        "The limit of 10 is reached for this period: 0 used, 11 more would exceed it, and overage is not enabled."
    )
    assert (used(served), used(served, "ada")) == (4, 0)


def test_a_binary_event_has_its_attributes_in_headers(served: Served) -> None:
    """As the HTTP binding has it, percent-encoding included."""
    served.ask(
        'mutation { createUser(input: {id: "zoë"}) { id } subscribe(userId: "zoë", packageIds: ["open"]) { id } }'
    )
    headers = {"ce-specversion": "1.0", "ce-id": "1", "ce-source": "shop", "ce-type": "message"}

    [first] = results(post(served, {"delta": 2}, "application/json", **headers, **{"ce-subject": "zo%C3%AB"}))
    [again] = results(post(served, {"delta": 2}, "application/json", **headers, **{"ce-subject": "zo%C3%AB"}))
    [bare] = results(post(served, b"", None, **{**headers, "ce-id": "2", "ce-subject": "eve"}))

    assert (first["consumption"]["used"], again) == (2, {**first, "duplicate": True})
    assert (used(served, "zoë"), bare["consumption"]["used"]) == (2, 1)


def test_lines_are_usages_in_our_own_fields(served: Served) -> None:
    """One usage a line, in the words of recordUsage; a line that is wrong says which it is."""
    body = lines(
        line(delta=2, idempotencyKey="a"),
        b"",
        line(delta=2, idempotencyKey="a"),
        b"{",
        line(delta=5, action="SET", timestamp="2026-03-10T12:00:00.000Z", metadata={"a": 1}),
        line(amount=1),
        b'{"userId": "eve"}',
        line(),
        b"",
    )

    found = results(post(served, body, LINES))

    assert [said(each) for each in found] == [
        "",
        "",
        "BAD_USER_INPUT: line 4 must be JSON: Expecting property name enclosed in double quotes at line 1 column 2",
        "",
        "BAD_USER_INPUT: line 6 has unknown fields: 'amount'",
        "BAD_USER_INPUT: featureId must be a non-empty text, got None",
        "",
    ]
    assert [each["duplicate"] for each in found[:2]] == [False, True]
    assert used(served) == 6


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "another version": ({"specversion": "0.3"}, "specversion must be '1.0', got '0.3'"),
    "no id": ({"id": None}, "id must be a non-empty text, got None"),
    "an empty source": ({"source": ""}, "source must be a non-empty text, got ''"),
    "no subject": ({"subject": None}, "subject must be a non-empty text, got None"),
    "neither type nor feature": ({"type": None}, "type must be a non-empty text, got None"),
    "an unknown feature": ({"type": "fax"}, "Feature not found: 'fax'"),
    "a subject too long": ({"subject": "x" * 256}, "userId must be 1 to 255 characters, got 256: "),
    "data that is no object": ({"data": [1]}, "data must be a JSON object, got [1]"),
    "a NUL in the id": ({"id": "a\0b"}, "id must not contain control characters or lone surrogates, got 'a\\x00b'"),
    "a NUL in the source": ({"source": "a\0"}, "source must not contain control characters"),
    "a delta of zero": ({"data": {"delta": 0}}, "delta must not be 0"),
    "a delta that is no number": (
        {"data": {"delta": "one"}},
        "delta must be a whole number from ",
    ),
    "an unknown action": ({"data": {"action": "MUL"}}, "action must be ADD or SET, got 'MUL'"),
    "a feature that is a number": ({"data": {"featureId": 5}}, "data.featureId must be a non-empty text"),
    "a time without a zone": ({"time": "2026-03-10T12:00:00"}, "timestamp must be RFC 3339 with seconds and zone"),
    "a time far ahead": ({"time": "2026-03-10T12:06:00Z"}, "timestamp "),
    "a time before the subscription": ({"time": "2025-03-10T12:00:00Z"}, "timestamp "),
    "metadata too large": ({"data": {"metadata": {"a": "x" * 20_000}}}, "metadata must be at most "),
}


@pytest.mark.parametrize(("attributes", "message"), WRONG.values(), ids=WRONG)
def test_an_event_that_is_wrong_says_what_is(served: Served, attributes: dict[str, Any], message: str) -> None:
    """Nothing is recorded of it, and its neighbours are."""
    [wrong, right] = results(post(served, [event("1", **attributes), event("2")], BATCH))

    assert said(wrong).removeprefix("BAD_USER_INPUT: ").startswith(message)
    assert (wrong["recorded"], wrong["id"], wrong["consumption"]) == (False, None, None)
    assert (said(right), used(served)) == ("", 1)


BODIES: dict[str, tuple[bytes, str | None, int, str]] = {
    "no media type": (b"{}", None, 415, "Content-Type must be "),
    "text": (b"{}", "text/plain", 415, "Content-Type must be "),
    "a form": (b"a=1", "application/x-www-form-urlencoded", 415, "Content-Type must be "),
    "a batch that is no list": (b"{}", BATCH, 400, "body must be a JSON array of events, got {}"),
    "a batch of nothing": (b"[]", BATCH, 400, f"body must contain 1 to {EVENTS_MAX} events, got 0"),
    "no lines": (b"\n\n", LINES, 400, f"body must contain 1 to {EVENTS_MAX} events, got 0"),
    "a batch that is no JSON": (b"[", BATCH, 400, "body must be JSON: "),
    "a key of the body twice": (b'{"id": "1", "id": "2"}', BATCH, 400, "body must be JSON: the key 'id' is repeated"),
    "not UTF-8": (b"\xff", BATCH, 400, "body must be in UTF-8; byte 0 is not valid"),
    "too many lines": (
        b"{}\n" * (EVENTS_MAX + 1),
        LINES,
        400,
        f"body must contain 1 to {EVENTS_MAX} events, got 10001",
    ),
    "too large": (b" " * (BODY_BYTES_MAX + 1), BATCH, 413, f"body must be at most {BODY_BYTES_MAX} bytes"),
}


@pytest.mark.parametrize(("body", "content_type", "status", "message"), BODIES.values(), ids=BODIES)
def test_a_body_that_cannot_be_read_is_refused_whole(
    served: Served, body: bytes, content_type: str | None, status: int, message: str
) -> None:
    """With problem details that say why; nothing is recorded."""
    response = post(served, body, content_type)

    assert (response.status_code, response.headers["content-type"]) == (status, "application/problem+json")
    assert response.json()["detail"].startswith(message)
    assert used(served) == 0


def test_compressed_bodies_are_refused(served: Served) -> None:
    """A few bytes could become gigabytes."""
    response = post(served, event(), STRUCTURED, **{"Content-Encoding": "gzip"})

    assert (response.status_code, used(served)) == (415, 0)


@pytest.mark.parametrize("path", ["/v1/events", "/api/v1/events"])
def test_events_need_a_private_key(served: Served, path: str) -> None:
    """The public key opens nothing here."""
    public = served.keys[Environment.TEST][KeyKind.PUBLIC]
    response = post(served, event(), STRUCTURED, path=path, Authorization=public)

    assert (response.status_code, response.json()["code"], used(served)) == (401, "UNAUTHENTICATED", 0)
    assert served.http.get(path).status_code == 405


def test_as_many_events_as_are_allowed_come_in_one_request(served: Served) -> None:
    """Ten thousand in under five megabytes, each counted once, sent again and still once."""
    body = b"\n".join(json.dumps(line(idempotencyKey=str(number))).encode() for number in range(EVENTS_MAX))

    first, again = results(post(served, body, LINES)), results(post(served, body, LINES))

    assert [each["consumption"]["used"] for each in first] == list(range(1, EVENTS_MAX + 1))
    assert again == [{**each, "duplicate": True} for each in first]
    assert used(served) == EVENTS_MAX
