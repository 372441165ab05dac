"""What no caller should send: each gets a clear error, and after each nothing is recorded or changed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from kana.errors import Unauthenticated
from kana.model.environment import Environment
from kana.model.key import KeyKind
from tests.api.admin.calls import (
    CREATE_FEATURE,
    CREATE_USER,
    RECORD,
    SHOW,
    SUBSCRIBE,
    TEST,
    name_of,
    state,
)
from tests.support.serving import Served
from tests.support.world import TESTER

USAGE = {"userId": "ada", "featureId": "message", "delta": 1}
BAD_IDS = {
    "empty": "",
    "too long": "x" * 256,
    "newline": "a\nb",
    "NUL": "a\0b",
    "control": "a\x9fb",
    "not NFC": "e\u0301",
}


@pytest.fixture(autouse=True)
def nothing_recorded(shared: Served) -> Iterator[None]:
    """After every test of this file all is as before: no entry, no counter, no noun, no key bound."""
    before = state(shared)
    yield
    assert state(shared) == before


def refused(served: Served, **changed: Any) -> dict[str, Any]:
    """The error that a usage with these changes gets."""
    return served.error(RECORD, {"input": {**USAGE, **changed}})


def post_raw(served: Served, body: bytes | str) -> tuple[int, dict[str, Any]]:
    """Status and decoded answer of a body sent as it is."""
    key = served.keys[TEST][KeyKind.PRIVATE]
    headers = {"Authorization": key, "Content-Type": "application/json"}
    response = served.http.post("/graphql", content=body, headers=headers)
    return response.status_code, response.json()


# 15 to 19: the document


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("mutation {", "Syntax Error: Expected Name, found <EOF>."),
        ("{ colour }", "Cannot query field 'colour' on type 'Query'."),
        ("", "Syntax Error: Unexpected <EOF>."),
        ("query A { users { id } } query B { users { id } }", "Must provide operation name"),
        ("fragment f on User { ...f } { users { ...f } }", "Cannot spread fragment 'f' within itself."),
        ("subscription { users }", "The subscription operation is not supported by the schema."),
        (
            'mutation { recordUsage(input: {userId: "ada"}) { recorded } }',
            "Expected value of type 'CreateUsageEventInput' to include required",
        ),
    ],
)
def test_a_document_that_cannot_be_executed(shared: Served, query: str, message: str) -> None:
    """Items 15, 17 and 19: the error says where and what; GraphQL's own media type makes it a 400."""
    response = shared.post(query)
    assert response.status_code == 200
    error = response.json()["errors"][0]
    assert error["message"].startswith(message), error["message"]
    assert error["extensions"]["code"] == "BAD_USER_INPUT"
    strict = shared.post(query, headers={"Accept": "application/graphql-response+json"})
    assert (strict.status_code, "data" in strict.json()) == (400, False)


def test_an_operation_name_that_is_not_there(shared: Served) -> None:
    """Item 19: naming an operation takes one of that name."""
    status, answer = post_raw(shared, json.dumps({"query": "query A { users { id } }", "operationName": "B"}))
    assert (status, answer["errors"][0]["message"]) == (200, "Unknown operation named 'B'.")


@pytest.mark.parametrize(
    ("query", "limit"),
    [
        ("{" + "users { id } " * 11 + "}", "root fields is 11, at most 10 allowed"),
        ("{ users { " + " ".join(f"a{i}: id" for i in range(16)) + " } }", "aliases is 16, at most 15 allowed"),
        ("{ users { id " + "@skip(if: false) " * 3 + "} }", "directives on one element is 3, at most 2 allowed"),
        ("{ users { " + "id " * 1000 + "} }", "tokens are more than 1000, at most 1000 allowed"),
    ],
)
def test_a_document_that_asks_for_too_much(shared: Served, query: str, limit: str) -> None:
    """Item 16: the error names the limit and what was asked."""
    error = shared.error(query)
    assert (name_of(error)[0], error["message"]) == ("QUERY_TOO_COMPLEX", limit)


def test_a_document_at_its_limits_is_answered(shared: Served) -> None:
    """The control of the test above: ten root fields, fifteen aliases, ids by the hundred."""
    aliases = " ".join(f"a{i}: id" for i in range(15))
    shared.ask("{" + f"users {{ {aliases} }}" + " features { packages { features { id } } }" + "}")
    shared.ask("{ a: users { id }" + " users { id }" * 9 + " }")


def test_introspection_cannot_be_nested_without_end(shared: Served) -> None:
    """Item 16: the one cycle that can be asked is cut by depth."""
    error = shared.error("{ __schema { types " + "{ fields { type " * 10 + "{ name }" + " } }" * 10 + " } }")
    assert (name_of(error)[0], error["message"]) == (
        "QUERY_TOO_COMPLEX",
        "introspection depth is 23, at most 20 allowed",
    )


# 20 to 23: values


@pytest.mark.parametrize("delta", [2**53, -(2**53), 1.5, True, None, "one", [1, 2], {}])
def test_an_int_is_a_whole_number_of_53_bits(shared: Served, delta: Any) -> None:
    """Item 20: nothing is rounded, cut or guessed."""
    error = refused(shared, delta=delta)
    assert error["extensions"]["code"] == "BAD_USER_INPUT"
    assert "delta" in error["message"]


@pytest.mark.parametrize("kind", BAD_IDS)
@pytest.mark.parametrize(
    ("field", "query", "variables"),
    [
        ("userId", RECORD, lambda bad: {"input": {**USAGE, "userId": bad}}),
        ("featureId", RECORD, lambda bad: {"input": {**USAGE, "featureId": bad}}),
        ("id", CREATE_USER, lambda bad: {"input": {"id": bad}}),
        ("id", CREATE_FEATURE, lambda bad: {"input": {"id": bad, "type": "BINARY"}}),
        ("userId", SHOW, lambda bad: {"userId": bad, "featureId": "message"}),
        ("packageIds", SUBSCRIBE, lambda bad: {"userId": "bob", "packageIds": [bad]}),
        ("id", "query($id: String!) { user(id: $id) { id } }", lambda bad: {"id": bad}),
        ("id", "query($id: String!) { package(id: $id) { id } }", lambda bad: {"id": bad}),
    ],
)
def test_an_id_is_text_that_every_store_keeps(
    shared: Served, kind: str, field: str, query: str, variables: Any
) -> None:
    """Items 21 and 23: 1 to 255 characters, no control characters, NFC; the error names the field."""
    error = shared.error(query, variables(BAD_IDS[kind]))
    assert name_of(error) == ("BAD_USER_INPUT", "InvalidValueError")
    assert error["message"].startswith(f"{field} must ")


def test_half_a_surrogate_pair_is_refused(shared: Served) -> None:
    """Item 22: no store keeps it, in a variable or in the document."""
    body = json.dumps({"query": RECORD, "variables": {"input": {**USAGE, "userId": "\ud800"}}})
    status, answer = post_raw(shared, body)
    assert status == 400
    assert "half of a surrogate pair" in answer["errors"][0]["message"]
    text = r'{"query": "{ user(id: \"\\ud800\") { id } }"}'
    status, answer = post_raw(shared, text)
    assert answer["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"


def test_ids_differ_by_case(shared: Served) -> None:
    """Item 23: ``ada`` and ``Ada`` are two users."""
    assert name_of(shared.error('{ user(id: "Ada") { id } }'))[1] == "UserNotFoundError"


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        ({"a": "\0"}, "metadata must not contain NUL"),
        ({"a": 2**64}, "metadata must contain only whole numbers of at most 64 bits"),
        ("x" * 16_383, "metadata must be at most 16384 bytes of JSON, got 16385"),
    ],
)
def test_metadata_is_json_that_every_store_keeps(shared: Served, metadata: Any, message: str) -> None:
    """Its size and its contents are bounded, for usage as for nouns."""
    assert refused(shared, metadata=metadata)["message"].startswith(message)
    error = shared.error(CREATE_USER, {"input": {"id": "x", "metadata": metadata}})
    assert error["message"].startswith(message)


# 24 and 25: what goes wrong inside


def test_what_breaks_inside_says_nothing_outside(shared: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """Item 24: the caller gets a request id; neither the words nor the type of the failure."""

    async def broken(*_: object, **__: object) -> None:
        raise RuntimeError("secret of the driver")

    monkeypatch.setattr(shared.store.ledger, "append", broken)
    response = shared.post(RECORD, {"input": USAGE}, headers={"X-Request-ID": "req-1"})
    monkeypatch.undo()
    assert "secret" not in response.text
    assert "RuntimeError" not in response.text
    [error] = response.json()["errors"]
    assert (error["message"], error["extensions"]["code"], error["extensions"]["requestId"]) == (
        "internal error", "INTERNAL", "req-1",
    )  # fmt: skip


# 26 to 33 and 37 to 38: usage


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"delta": 0}, "delta must not be 0 with ADD: there is nothing to record"),
        ({"delta": -1, "action": "SET"}, "delta must be 0 or more with SET, got -1"),
        ({"userId": "x"}, "User not found: 'x'"),
        ({"featureId": "x"}, "Feature not found: 'x'"),
        (
            {"timestamp": "2026-03-10T12:05:00.001Z"},
            "timestamp must be at most 5 minutes ahead of 2026-03-10T12:00:00+00:00,"
            " got 2026-03-10T12:05:00.001000+00:00",
        ),
        (
            {"timestamp": "2026-03-10T11:54:59.999Z"},
            "timestamp must not be before 2026-03-10T12:00:00+00:00, since when the user has been subscribed,"
            " got 2026-03-10T11:54:59.999000+00:00",
        ),
    ],
)
def test_usage_that_makes_no_sense(shared: Served, given: dict[str, Any], message: str) -> None:
    """Items 26, 28, 33 and 37: an error with its reason, not an answer."""
    error = refused(shared, **given)
    assert (error["extensions"]["code"], error["message"]) == ("BAD_USER_INPUT", message)


@pytest.mark.parametrize("action", ["add", "REMOVE", "", 1, True])
def test_an_action_is_one_of_two(shared: Served, action: Any) -> None:
    """ADD or SET, as written."""
    assert refused(shared, action=action)["extensions"]["code"] == "BAD_USER_INPUT"


@pytest.mark.parametrize("past", [-1, 1001])
def test_past_periods_are_bounded(shared: Served, past: int) -> None:
    """0 to 1,000 of them."""
    error = shared.error(SHOW, {"userId": "ada", "featureId": "message", "past": past})
    assert error["message"] == f"past must be 0 to 1000, got {past}"


@pytest.mark.parametrize(
    "timestamp",
    [
        "2016-12-31T23:59:60Z",
        "2026-02-30T00:00:00Z",
        "10000-01-01T00:00:00Z",
        "2026-03-10T12:00:00+25:00",
        "2026-03-10T24:00:00Z",
        "2026-03-10T12:00:00",
        "20240101",
        "2024-W01-1",
        "2026-03-10T12:00Z",
        "2026-03-10",
        "",
        "now",
        1_773_144_000,
        "NoneType",
    ],
)
def test_a_timestamp_is_strict(shared: Served, timestamp: Any) -> None:
    """Item 38: the error names the field and shows how it is written."""
    error = refused(shared, timestamp=timestamp)
    assert error["extensions"]["code"] == "BAD_USER_INPUT"
    assert "timestamp" in error["message"]
    assert "as in 2026-11-25T16:57:42.778Z" in error["message"]


# 45 and 46: keys


@pytest.mark.parametrize("key", ["", "x" * 256, "a b", "é", "a\n", "\x7f"])
def test_an_idempotency_key_is_printable_ascii(shared: Served, key: str) -> None:
    """Item 45: 1 to 255 characters without spaces."""
    assert refused(shared, idempotencyKey=key)["message"].startswith(
        "idempotencyKey must be 1 to 255 printable ASCII characters without spaces, got "
    )


# 50: keys


def test_no_door_opens_to_a_wrong_key(shared: Served) -> None:
    """Item 50: missing, malformed, unknown, revoked and public keys get one and the same answer."""
    secret, described = shared.run(shared.engine.access.create_key(TEST, KeyKind.PRIVATE, name="to revoke", by=TESTER))
    shared.run(shared.engine.access.revoke_key(described.masked, by=TESTER))
    good = shared.keys[TEST][KeyKind.PRIVATE]
    public = shared.keys[TEST][KeyKind.PUBLIC]
    wrong = ["", "Bearer", good[:-1], good + "x", f"Basic {good}", good.upper(), secret, public, "x" * 5000]
    texts = {shared.post("{ users { id } }", key=key).text for key in wrong}
    shared.clock.advance(minutes=1)  # More than ten in a minute would be told to wait.
    texts.add(shared.http.post("/graphql", json={"query": "{ users { id } }"}).text)
    texts.add(shared.http.post("/graphql", content=b"not read", headers={"Content-Type": "application/json"}).text)
    [text] = texts
    [error] = json.loads(text)["errors"]
    assert name_of(error) == ("UNAUTHENTICATED", "AuthenticationError")
    assert error["message"] == Unauthenticated().message
    assert error["message"].startswith("Unauthenticated")
    strict = shared.post("{ users { id } }", key="", headers={"Accept": "application/graphql-response+json"})
    shared.clock.advance(minutes=-1)
    assert (strict.status_code, strict.headers["www-authenticate"]) == (401, "Bearer")


@pytest.mark.parametrize("form", ["{}", "Bearer {}", "bearer  {}"])
def test_a_good_key_opens_bare_or_as_bearer(shared: Served, form: str) -> None:
    """The control of the test above: Kana's clients send it bare, others as Bearer."""
    key = shared.keys[TEST][KeyKind.PRIVATE]
    assert len(shared.ask("{ users { id } }", key=form.format(key))["users"]) == 3


def test_a_key_of_one_environment_shows_nothing_of_the_other(shared: Served) -> None:
    """The live key finds an empty world where the test key finds users."""
    live = shared.keys[Environment.LIVE][KeyKind.PRIVATE]
    query = '{ users { id } features { id } packages(status: "ALL") { id } subscriptions { id } }'
    assert shared.ask(query, key=live) == {"users": [], "features": [], "packages": [], "subscriptions": []}
    error = shared.error(RECORD, {"input": USAGE}, key=live)
    assert name_of(error)[1] == "UserNotFoundError"
