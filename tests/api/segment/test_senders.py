"""Senders as they are: where Segment's libraries for Java and Kotlin have the key, what PHP and Ruby make of ids."""

from __future__ import annotations

import gzip
import json
from typing import Any

import httpx
import pytest

from kana.model.environment import Environment
from kana.model.key import KeyKind
from tests.api.segment.calls import USERS, events, key_of, post, statuses, used
from tests.support.serving import Served

NOW = "2026-03-10T12:00:00.000Z"


def a_track(number: int, **changes: Any) -> dict[str, Any]:
    """A track as libraries send it."""
    return {
        "messageId": f"m-{number}",
        "type": "track",
        "userId": "ada",
        "event": "Sent",
        "timestamp": NOW,
        "context": {"library": {"name": "analytics-java", "version": "3.5.0"}},
        "integrations": {},
        "properties": {"featureId": "messages"},
        **changes,
    }


def without_header(served: Served, path: str, body: Any, *, packed: bool = False) -> httpx.Response:
    """Post a body without Authorization."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    headers = {"Content-Type": "text/plain"}
    if packed:
        content, headers["Content-Encoding"] = gzip.compress(content), "gzip"
    return served.http.post(path, content=content, headers=headers)


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize(
    ("path", "shape"),
    [
        (
            "/v1/import",
            lambda key, batch: {"batch": batch, "context": {}, "sequence": 1, "writeKey": key},
        ),
        ("/v1/import/", lambda key, batch: {"batch": batch, "sentAt": NOW, "sequence": 1, "writeKey": key}),
        ("/v1/b", lambda key, batch: {"batch": batch, "sentAt": NOW, "writeKey": key}),
        ("/v1/batch", lambda key, batch: {"writeKey": key, "batch": batch}),
        ("/v1/track", lambda key, batch: {"writeKey": key, **batch[0]}),
        ("/segment/events", lambda key, batch: {**batch[0], "writeKey": key}),
    ],
)
def test_the_key_may_stand_in_the_body(served: Served, path: str, shape: Any, packed: bool) -> None:
    """As Segment's libraries for Java and Kotlin send it, whatever its place; the key says which environment."""
    response = without_header(served, path, shape(key_of(served), [a_track(1)]), packed=packed)

    assert (response.status_code, response.json()) == (200, {"success": True})
    assert used(served) == 1
    assert without_header(served, path, shape(key_of(served, Environment.LIVE), [a_track(2)])).status_code == 200
    assert list(statuses(served)) == ["m-1"]


def test_a_header_stands_above_the_body(served: Served) -> None:
    """Who shows a key in both is who the header says."""
    body = {"batch": [a_track(1)], "writeKey": key_of(served, Environment.LIVE)}
    assert post(served, "/v1/batch", body).status_code == 200
    assert statuses(served) == {"m-1": "RECORDED"}


def test_a_body_without_a_good_key_opens_nothing(served: Served) -> None:
    """Neither a wrong key, nor a public one, nor one that stands somewhere inside; all read the same."""
    good, public = key_of(served), served.keys[Environment.TEST][KeyKind.PUBLIC]
    bodies: list[Any] = [
        {"batch": [a_track(1)]},
        {"batch": [a_track(1)], "writeKey": public},
        {"batch": [a_track(1)], "writeKey": good[:-1]},
        {"batch": [a_track(1)], "writeKey": [good]},
        {"batch": [a_track(1, properties={"writeKey": good})]},
        {"batch": [{**a_track(1), "writeKey": good}]},
        b"not JSON at all",
        b"",
    ]
    texts = {without_header(served, "/v1/batch", body).text for body in bodies}
    assert len(texts) == 1
    assert json.loads(texts.pop())["status"] == 401
    served.clock.advance(minutes=1)
    empty = httpx.BasicAuth("", "")
    assert served.http.post("/v1/batch", json={"batch": [a_track(1)]}, auth=empty).status_code == 401
    assert events(served) == []


def test_who_keeps_failing_by_the_body_is_told_to_wait(served: Served) -> None:
    """A key in a body is guessed no oftener than one in a header."""
    wrong = {"batch": [a_track(1)], "writeKey": "prv_test_wrong"}
    found = [without_header(served, "/v1/batch", wrong).status_code for _ in range(12)]
    assert found == [401] * 10 + [429] * 2


SHAPES: dict[str, tuple[dict[str, Any], str, str | None]] = {
    "properties of PHP": ({"properties": []}, "UNMAPPED", "ada"),
    "no properties": ({"properties": None}, "UNMAPPED", "ada"),
    "properties that are an empty text": ({"properties": ""}, "UNMAPPED", "ada"),
    "traits, context and integrations of PHP": ({"traits": [], "context": [], "integrations": []}, "RECORDED", "ada"),
    "null traits": ({"traits": None, "context": None}, "RECORDED", "ada"),
    "a user that is a number": ({"userId": 42}, "WAITING", "42"),
    "a user that is a float": ({"userId": 42.0}, "WAITING", "42"),
    "an empty user": ({"userId": ""}, "IGNORED", None),
    "a user that is a fraction": ({"userId": 4.5}, "FAILED", None),
    "a user that is a list": ({"userId": ["ada"]}, "FAILED", None),
    "a message id that is a number": ({"messageId": 7}, "RECORDED", "ada"),
    "an empty message id": ({"messageId": ""}, "RECORDED", "ada"),
    "an event that is a number": ({"event": 404}, "RECORDED", "ada"),
    "an empty event": ({"event": ""}, "RECORDED", "ada"),
    "an empty time": ({"timestamp": ""}, "RECORDED", "ada"),
    "a feature that is a number": ({"properties": {"featureId": 7}}, "WAITING", "ada"),
    "an empty feature": ({"properties": {"featureId": ""}}, "UNMAPPED", "ada"),
    "an amount as text": ({"properties": {"featureId": "messages", "delta": "2"}}, "RECORDED", "ada"),
    "an amount as a float": ({"properties": {"featureId": "messages", "delta": 2.0}}, "RECORDED", "ada"),
    "an amount that is nothing": ({"properties": {"featureId": "messages", "delta": None}}, "FAILED", "ada"),
    "properties that are a list": ({"properties": ["messages"]}, "FAILED", "ada"),
}


@pytest.mark.parametrize(("changes", "status", "user_id"), SHAPES.values(), ids=SHAPES)
def test_messages_are_taken_as_other_languages_write_them(
    served: Served, changes: dict[str, Any], status: str, user_id: str | None
) -> None:
    """What can be meant one way only is taken so; what cannot is kept with the reason, and harms no neighbour."""
    assert post(served, "/v1/batch", {"batch": [a_track(1, **changes), a_track(2)]}).status_code == 200
    neighbour, odd = events(served)
    assert (neighbour["messageId"], neighbour["status"]) == ("m-2", "RECORDED")
    assert (odd["status"], odd["userId"]) == (status, user_id)
    assert (odd["reason"] is not None) == (status in ("FAILED", "WAITING", "IGNORED"))


def test_a_number_names_the_same_message_each_time(served: Served) -> None:
    """7, 7.0 and "7" are one message, which counts once."""
    for number in (7, 7.0, "7"):
        assert post(served, "/v1/batch", {"batch": [a_track(1, messageId=number)]}).status_code == 200
    assert (statuses(served), used(served)) == ({"7": "RECORDED"}, 1)


@pytest.mark.parametrize(
    ("traits", "name"),
    [([], None), ("", None), (None, None), ({"name": 42}, "42"), ({"name": 1.5}, "1.5"), ({"name": False}, None),
     ({"name": []}, None), ({"name": ""}, None), ({"name": None}, None)],
)  # fmt: skip
def test_traits_are_taken_as_other_languages_write_them(served: Served, traits: object, name: str | None) -> None:
    """A user is not lost for a name that is a number, or nothing in one of the ways to say so."""
    message = {"type": "identify", "userId": 42, "messageId": "i", "traits": traits}
    assert post(served, "/v1/batch", {"batch": [message]}).status_code == 200
    assert statuses(served) == {"i": "IDENTIFIED"}
    assert {"id": "42", "name": name, "email": None, "billingId": None} in served.ask(USERS)["users"]
