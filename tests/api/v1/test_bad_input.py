"""What is wrong gets an error that names the field, the value and what is allowed, and changes nothing."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.v1 import OPERATIONS, Caller

ONE = {"userId": "ada", "featureId": "message"}
MOST = 2**53 - 1
WHOLE = f"delta must be a whole number from -{MOST} to {MOST}"

BODIES: dict[str, tuple[dict[str, Any], str, str]] = {
    "text for a number": ({**ONE, "delta": "one"}, f"{WHOLE}, got 'one'", "delta"),
    "a fraction": ({**ONE, "delta": 1.5}, f"{WHOLE}, got 1.5", "delta"),
    "null where there is a default": ({**ONE, "delta": None}, f"{WHOLE}, got null", "delta"),
    "true for a number": ({**ONE, "delta": True}, f"{WHOLE}, got True", "delta"),
    "too much": (
        {**ONE, "delta": 2**53},
        f"{WHOLE}, got {2**53}",
        "delta",
    ),
    "too little": (
        {**ONE, "delta": -(2**53)},
        f"{WHOLE}, got -{2**53}",
        "delta",
    ),
    "a word that is none": (
        {**ONE, "action": "TAKE"},
        "action must be one of ADD, SET, got 'TAKE'",
        "action",
    ),
    "what is missing": ({"userId": "ada"}, "featureId is missing", "featureId"),
    "what is not known": (
        {**ONE, "units": 1},
        "unknown field 'units'; the fields are userId, featureId, delta, action, timestamp, metadata",
        "units",
    ),
    "no time": (
        {**ONE, "timestamp": "today"},
        "timestamp must be RFC 3339 with seconds and zone, as in ",
        "timestamp",
    ),
    "no id": ({**ONE, "userId": ""}, "userId must be 1 to 255 characters, got 0: ''", "userId"),
    "a number too much": ({**ONE, "delta": 0}, "delta must not be 0 with ADD", "delta"),
}


@pytest.mark.parametrize("case", BODIES)
def test_a_wrong_body_says_what_is_wrong(v1: Caller, case: str) -> None:
    """And nothing was recorded."""
    body, words, field = BODIES[case]
    status, said, named = v1.refused("POST", "/v1/record", json=body)
    assert (status, named) == (400, field)
    assert said.startswith(words)
    assert v1("canUseFeature", **ONE)["consumption"]["used"] == 0


def test_the_place_is_named_however_deep(v1: Caller) -> None:
    """Within lists and objects too."""
    feature = {"id": "message", "entitlement": {"limit": 5, "rollover": {"limit": "one", "periods": 2}}}
    body = {"id": "new", "features": [{"id": "support"}, feature]}
    said = v1.refused("POST", "/v1/packages", json=body)
    where = "features[1].entitlement.rollover.limit"
    assert said == (400, f"{where} must be a whole number from -{MOST} to {MOST}, got 'one'", where)
    body["features"][1]["entitlement"] = {"resetPeriod": "FORTNIGHT"}  # type: ignore[index]
    where = "features[1].entitlement.resetPeriod"
    said = v1.refused("POST", "/v1/packages", json=body)
    assert said == (400, f"{where} must be one of YEAR, QUARTER, MONTH, WEEK, DAY, HOUR, got 'FORTNIGHT'", where)
    body["features"][1]["entitlement"] = {"limits": 5}  # type: ignore[index]
    status, words, field = v1.refused("POST", "/v1/packages", json=body)
    assert (status, field) == (400, "features[1].entitlement.limits")
    assert words.startswith("unknown field 'features[1].entitlement.limits'; the fields are limit, resetPeriod, ")


@pytest.mark.parametrize(
    ("query", "words", "field"),
    [
        ("first=x", f"first must be a whole number from -{MOST} to {MOST}, got 'x'", "first"),
        ("first=", f"first must be a whole number from -{MOST} to {MOST}, got ''", "first"),
        ("first=0", "first must be 1 to 10000, got 0", None),
        ("first=1&first=2", "first must be given once, got 2 values", "first"),
        ("limit=1", "unknown field 'limit'; the fields are first, after", "limit"),
        ("after=%FF", "the query must be percent-encoded UTF-8 with at most 300 arguments", None),
        ("after=%00", "after must not contain control characters or lone surrogates, got '\\x00'", "after"),
    ],
)
def test_a_wrong_query_says_what_is_wrong(v1: Caller, query: str, words: str, field: str | None) -> None:
    """In the same words as a body."""
    status, said, named = v1.refused("GET", f"/v1/users?{query}")
    assert (status, said) == (400, words)
    assert field is None or named == field


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "userId is missing"),
        (b"[]", "body must be an object, got 0 items"),
        (b"null", "body must be an object, got null"),
        (b"{", "body must be JSON: "),
        (b'{"userId": "\xff"}', "body must be in UTF-8; byte 12 is not valid"),
        (b'{"userId": "\\ud800"}', "body.userId contains half of a surrogate pair, which is not a character"),
        (b'\xef\xbb\xbf{"userId": "a"}', "body must be JSON: "),
        (b'{"userId": "a", "userId": "b"}', "body must be JSON: the key 'userId' is repeated in one object"),
        (b'{"userId" : "a", "user\\u0049d": "b"}', "body must be JSON: the key 'userId' is repeated in one object"),
        (b'{"metadata": [":", {"a":1, "a":2}]}', "body must be JSON: the key 'a' is repeated in one object"),
        (b'{"metadata": NaN}', "body must be JSON: NaN is not a JSON number"),
        (b'{"metadata": 1e999}', "body must be JSON: a number is too large"),
        (b'{"metadata": ' + b"9" * 5000 + b"}", "body must be JSON: a number has too many digits"),
        (b'{"metadata": ' + b"[" * 50_000 + b"]" * 50_000 + b"}", "body is nested too deeply"),
    ],
)
def test_a_body_that_is_no_json_says_where(v1: Caller, content: bytes, words: str) -> None:
    """By the strict rules of every API."""
    status, said, _ = v1.refused("POST", "/v1/record", content=content)
    assert status == 400
    assert said.startswith(words)


def test_other_bodies_than_json_are_415(v1: Caller) -> None:
    """So a form of another site cannot send one."""
    answer = v1.raw("POST", "/v1/record", content=b"{}", headers={"Content-Type": "text/plain"})
    assert (answer.status_code, answer.json()["detail"]) == (415, "Content-Type must be application/json in UTF-8")


@pytest.mark.parametrize(
    "name", [name for name, each in OPERATIONS.items() if not each.arguments.body and each.address.method != "GET"]
)
def test_an_address_without_a_body_takes_no_fields(v1: Caller, name: str) -> None:
    """An empty object is no body either."""
    address = OPERATIONS[name].address
    path = address.path.replace("{", "").replace("}", "")
    status, words, _ = v1.refused(address.method, path, content=b'{"a": 1}')
    assert (status, words) == (400, "unknown field 'a'; there are none")


@pytest.mark.parametrize(
    "content",
    [b'{"inputs": [], "inputs": []}', b'{"inputs": [], "input\\u0073": []}', b'{"inputs": [], "more": 1}'],
)
def test_a_batch_has_its_items_once_and_nothing_else(v1: Caller, content: bytes) -> None:
    """However the key is written."""
    status, words, _ = v1.refused("POST", "/v1/record/batch", content=content)
    assert status == 400
    assert "is repeated in one object" in words or words == "unknown field 'more'; the fields are inputs"
