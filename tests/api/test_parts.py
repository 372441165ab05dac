"""Requests of several items: whatever is wrong with one, the others are taken."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kana.api.ingest.cloudevents import event_key
from kana.api.parts import read_parts
from kana.errors import InvalidValue
from kana.model.environment import Environment
from kana.model.key import KeyKind
from tests.api.admin.calls import furnish
from tests.api.ingest.events import BATCH, LINES, event, line, post
from tests.api.ingest.test_batch import BATCH as RECORD_BATCH
from tests.support.serving import Served
from tests.support.stores import SqlitePlace

FLAWS = {
    "half a pair": rb'"\ud83d"',
    "the other half": rb'"x\udc00y"',
    "half a pair as a key": rb'{"\ud83d": 1}',
    "half a pair far down": rb'[[{"a": ["\ud83d"]}]]',
    "not UTF-8": b'"\xff"',
    "Latin-1": b'"zo\xeb"',
    "a surrogate in UTF-8": b'"\xed\xa0\xbd"',
    "a key twice": b'{"a": 1, "a": 1}',
    "a number that no double holds": b"1e400",
    "thousands of digits": b"9" * 5000,
    "NaN": b"NaN",
    "Infinity": b"-Infinity",
}
"""What JSON may hold that can be read, and not be taken."""

_count = iter(range(10_000))


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The small business of the Admin API's tests, for requests that nothing depends on."""
    with Served(SqlitePlace(tmp_path_factory.mktemp("parts") / "kana.db")) as served:
        furnish(served)
        yield served


def with_flaw(fields: dict[str, Any], flaw: bytes) -> bytes:
    """An object of which one field holds a flaw."""
    return json.dumps(fields)[:-1].encode() + b', "metadata": ' + flaw + b"}"


def sent_to_graphql(served: Served, flaw: bytes) -> list[bool]:
    items = [json.dumps(line()).encode(), with_flaw(line(), flaw), json.dumps(line()).encode()]
    body = b'{"query": %s, "variables": {"inputs": [%s]}}' % (json.dumps(RECORD_BATCH).encode(), b",".join(items))
    key = served.keys[Environment.TEST][KeyKind.PRIVATE]
    headers = {"Authorization": key, "Content-Type": "application/json"}
    answer = served.http.post("/graphql", content=body, headers=headers).json()
    return [each["error"] is None for each in answer["data"]["recordUsageBatch"]]


def an_event(**more: Any) -> dict[str, Any]:
    return event(f"p{next(_count)}", **more)


def sent_as_events(content_type: str, joined: Callable[[list[bytes]], bytes]) -> Callable[[Served, bytes], list[bool]]:
    def send(served: Served, flaw: bytes) -> list[bool]:
        items = [json.dumps(an_event()).encode(), with_flaw(an_event(), flaw), json.dumps(an_event()).encode()]
        if content_type == LINES:
            items = [json.dumps(line()).encode(), with_flaw(line(), flaw), json.dumps(line()).encode()]
        response = post(served, joined(items), content_type)
        assert response.status_code == 200, response.text
        return [each["error"] is None for each in response.json()["results"]]

    return send


def sent_to_segment(path: str) -> Callable[[Served, bytes], list[bool]]:
    def send(served: Served, flaw: bytes) -> list[bool]:
        ids = [f"m{next(_count)}" for _ in range(3)]
        messages = [{"type": "track", "messageId": each, "userId": "eve", "event": "Sent"} for each in ids]
        items = [json.dumps(message).encode() for message in messages]
        items[1] = with_flaw(messages[1], flaw)
        key = served.keys[Environment.TEST][KeyKind.PRIVATE]
        body = b'{"batch": [%s], "sentAt": "2026-03-10T12:00:00Z"}' % b",".join(items)
        response = served.http.post(path, content=body, headers={"Authorization": key})
        assert response.status_code == 200, response.text
        assert [each["index"] for each in response.json()["rejected"]] == [1]
        kept = served.ask("{ segmentEvents(first: 3) { messageId } }")["segmentEvents"]
        return [each in {event["messageId"] for event in kept} for each in ids]

    return send


FACES: dict[str, Callable[[Served, bytes], list[bool]]] = {
    "recordUsageBatch": sent_to_graphql,
    "a batch of CloudEvents": sent_as_events(BATCH, lambda items: b"[" + b",".join(items) + b"]"),
    "plain JSON": sent_as_events("application/json", lambda items: b"[" + b",".join(items) + b"]"),
    "lines": sent_as_events(LINES, b"\n".join),
    "a batch of Segment": sent_to_segment("/v1/batch"),
    "an import of Segment": sent_to_segment("/v1/import"),
}
"""Each address that takes several items: three of them sent, of which the second has a flaw; which were taken."""


@pytest.mark.parametrize("flaw", FLAWS)
@pytest.mark.parametrize("face", FACES)
def test_one_bad_item_harms_none_of_its_neighbours(served: Served, face: str, flaw: str) -> None:
    """It alone is refused, in its place."""
    # An event's own ``metadata`` attribute means nothing to us; it cannot be read all the same.
    assert FACES[face](served, FLAWS[flaw]) == [True, False, True]


@pytest.mark.parametrize("flaw", FLAWS)
def test_what_is_beside_the_items_is_everybodys(served: Served, flaw: str) -> None:
    """Where the request itself holds it, nobody can say whose it is: nothing is taken."""
    key = served.keys[Environment.TEST][KeyKind.PRIVATE]
    message = b'{"type": "track", "messageId": "beside", "userId": "eve"}'
    body = b'{"batch": [%s], "context": %s}' % (message, FLAWS[flaw])
    assert served.http.post("/v1/batch", content=body, headers={"Authorization": key}).status_code == 400
    assert served.ask("{ segmentEvents(first: 1) { messageId } }")["segmentEvents"][:1] != [{"messageId": "beside"}]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(st.lists(JSON, max_size=5), st.sampled_from(sorted(FLAWS.values())), st.integers(min_value=0, max_value=5))
def test_parts_are_what_they_are_alone(items: list[Any], flaw: bytes, place: int) -> None:
    """Wherever one with a flaw stands among sound ones, they are taken as they are and it is not."""
    texts = [json.dumps(item).encode() for item in items]
    texts.insert(place, flaw)
    parts = read_parts(b"[" + b",".join(texts) + b"]")

    place = min(place, len(items))
    with pytest.raises(InvalidValue):
        parts.taken(parts.value[place], "item")
    assert [parts.taken(item, "item") for item in parts.value[:place] + parts.value[place + 1 :]] == items


TEXT = st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1, max_size=4)


@given(TEXT, TEXT, TEXT, TEXT)
def test_two_events_never_share_a_key(source: str, number: str, other_source: str, other_number: str) -> None:
    """Whatever source and id are, and wherever one ends and the other begins."""
    same = (source, number) == (other_source, other_number)
    assert (event_key(source, number) == event_key(other_source, other_number)) is same


def test_events_that_meet_around_a_nul_are_refused(served: Served) -> None:
    """Else ``a`` and ``NUL b`` would be the same event as ``a NUL`` and ``b``."""
    pairs = [("a\0b", "c"), ("a", "b\0c"), ("a\x1f", "b"), ("a", "b\x7f"), ("a\x9f", "b")]
    response = post(served, [event(number, source=source) for source, number in pairs], BATCH)
    messages = [each["error"]["message"] for each in response.json()["results"]]
    assert all("must not contain control characters" in message for message in messages), messages
