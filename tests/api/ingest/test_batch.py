"""recordUsageBatch: up to a thousand usages in one call, each as recordUsage would take it."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from kana.api.bulk import BATCH_ITEMS_MAX
from kana.model.environment import Environment
from kana.model.key import KeyKind
from tests.api.admin.calls import CONSUMPTION, RECORD
from tests.api.ingest.events import line, used
from tests.support.serving import Served

ERROR = "error { code name message retryAfter }"
BATCH = (
    "mutation($inputs: [CreateUsageEventInput!]!)"
    f" {{ recordUsageBatch(inputs: $inputs) {{ recorded reason outcome id duplicate {CONSUMPTION} {ERROR} }} }}"
)


def batch(served: Served, inputs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The answers to a batch."""
    answers: list[dict[str, Any]] = served.ask(BATCH, {"inputs": inputs})["recordUsageBatch"]
    return answers


def test_each_is_answered_in_its_place(served: Served) -> None:
    """Recorded, refused and wrong ones stand beside each other; one that is wrong never fails the rest."""
    answers = batch(
        served,
        [
            line(userId="ada", delta=4),
            line(userId="nobody"),
            line(userId="ada", delta=7),
            line(userId="ada", delta=0),
            line(featureId="fax"),
            line(userId="ada", delta=6),
            line(userId="ada", delta=-1),
            line(userId="bob"),
        ],
    )

    assert [(answer["recorded"], (answer["error"] or {}).get("name")) for answer in answers] == [
        (True, None),
        (False, "UserNotFoundError"),
        (False, None),
        (False, "InvalidValueError"),
        (False, "FeatureNotFoundError"),
        (True, None),
        (True, None),
        (False, None),
    ]
    assert [(answer["consumption"] or {}).get("used") for answer in answers] == [4, None, 4, None, None, 10, 9, None]
    assert answers[1] == {
        "recorded": False,
        "reason": None,
        "outcome": None,
        "id": None,
        "duplicate": False,
        "consumption": None,
        "error": {
            "code": "BAD_USER_INPUT",
            "name": "UserNotFoundError",
            "message": "User not found: 'nobody'",
            "retryAfter": None,
        },
    }
    assert answers[7]["reason"].startswith("The user ")
    assert [answer["outcome"] for answer in answers] == [
        "RECORDED", None, "LIMIT_EXCEEDED", None, None, "RECORDED", "RECORDED", "NO_SUBSCRIPTION"
    ]  # fmt: skip
    assert used(served, "ada") == 9


GOOD = '{"userId": "eve", "featureId": "message"}'
WRONG: dict[str, tuple[str, str]] = {
    "an amount too large": ('"delta": 9007199254740992', "delta: Int must be"),
    "an amount that nothing holds": ('"delta": 1e400', "number is too large"),
    "digits without end": (f'"delta": {"9" * 5000}', "too many digits"),
    "no amount": ('"delta": "many"', "delta: Int must be a whole number"),
    "null": ('"delta": null', "delta must be a whole number"),
    "NaN": ('"delta": NaN', "NaN is not a JSON number"),
    "a user that is a number": ('"userId": 5', "userId: String cannot represent"),
    "no user": ('"userId": null', "userId: Expected value of non-null type"),
    "a bad time": ('"timestamp": "now"', "timestamp: DateTime must be"),
    "no such day": ('"timestamp": "2026-02-30T00:00:00Z"', "timestamp: DateTime must be"),
    "a time that is a number": ('"timestamp": 1773144000', "timestamp: DateTime must be"),
    "a bad action": ('"action": "MUL"', "action: Value 'MUL' does not exist"),
    "an unknown field": ('"amount": 5', "unknown field 'amount'"),
    "half a pair": ('"featureId": "\\ud83d"', "half of a surrogate pair"),
    "half a pair in metadata": ('"metadata": {"\\ud83d": 1}', "half of a surrogate pair"),
    "half a pair in the key": ('"idempotencyKey": "\\udb40"', "half of a surrogate pair"),
    "not UTF-8": ('"featureId": "\xff"', "a byte that is not UTF-8"),
    "a key twice": ('"action": "ADD", "action": "ADD"', "is repeated"),
    "metadata too deep": (f'"metadata": {"[" * 20}{"]" * 20}', "depth of $inputs[1]"),
    "a text too long": (f'"metadata": "{"x" * 20_000}"', "bytes of $inputs[1]"),
}
"""What one usage of a batch may hold that cannot be read, and what it is told."""

SHAPES = {"null": "CreateUsageEventInput", "7": "to be an object", "[]": "to be an object", "{}": "required field"}


def with_one(wrong: str) -> str:
    """The variables of a batch of three, the second of which is wrong."""
    return f'{{"inputs": [{GOOD}, {wrong}, {GOOD}]}}'


def refused_alone(served: Served, variables: str, message: str) -> None:
    """The second of three is told a message, and its neighbours are recorded."""
    body = post(served, f'{{"query": {json.dumps(BATCH)}, "variables": {variables}}}'.encode("latin-1")).json()
    assert "errors" not in body, body
    answers = body["data"]["recordUsageBatch"]
    assert [answer["recorded"] for answer in answers] == [True, False, True]
    assert message in answers[1]["error"]["message"]
    assert answers[1]["error"]["code"] in ("BAD_USER_INPUT", "QUERY_TOO_COMPLEX")
    assert len(answers[1]["error"]["message"]) < 400
    assert used(served) == 2


@pytest.mark.parametrize(("wrong", "message"), WRONG.values(), ids=WRONG)
def test_one_that_cannot_be_read_is_refused_alone(served: Served, wrong: str, message: str) -> None:
    """Whatever is wrong with one: its neighbours are recorded, and it is answered in its place."""
    fields = {"userId": "eve", "featureId": "message"}
    beside = {name: value for name, value in fields.items() if f'"{name}"' not in wrong}
    refused_alone(served, with_one(f"{json.dumps(beside)[:-1]}, {wrong}}}"), message)


@pytest.mark.parametrize(("wrong", "message"), SHAPES.items())
def test_one_that_is_no_usage_at_all_is_refused_alone(served: Served, wrong: str, message: str) -> None:
    """In variables that are JSON in JSON too, as Kana's guides send them."""
    refused_alone(served, json.dumps(with_one(wrong)), message)


@pytest.mark.parametrize("beside", ['"x": "\\ud83d"', '"x": NaN', '"x": {"a": 1, "a": 1}'])
def test_what_is_beside_the_items_is_refused_whole(served: Served, beside: str) -> None:
    """Nobody can say whose it is."""
    variables = f'{{"inputs": [{GOOD}], {beside}}}'
    response = post(served, f'{{"query": {json.dumps(BATCH)}, "variables": {variables}}}'.encode())

    assert (response.status_code, "data" in response.json(), used(served)) == (400, False, 0)


def test_each_is_answered_as_alone(served: Served) -> None:
    """What a batch answers of a usage is what recordUsage answers of it, the entry included."""
    [answer] = batch(served, [line(delta=3, idempotencyKey="k")])

    alone = served.ask(RECORD, {"input": line(delta=3, idempotencyKey="k")})["recordUsage"]

    assert alone == {name: value for name, value in answer.items() if name != "error"} | {"duplicate": True}


def test_the_same_key_twice_inside_counts_once(served: Served) -> None:
    """The second is the duplicate and gets the first answer; with other content it gets the error."""
    answers = batch(
        served,
        [line(delta=2, idempotencyKey="a"), line(delta=2, idempotencyKey="a"), line(delta=3, idempotencyKey="a")],
    )

    assert [(answer["recorded"], answer["duplicate"]) for answer in answers] == [
        (True, False),
        (True, True),
        (False, False),
    ]
    assert answers[1] == {**answers[0], "duplicate": True}
    assert answers[2]["error"]["code"] == "IDEMPOTENCY_KEY_REUSED"
    assert used(served) == 2


def test_an_empty_batch_is_answered_by_nothing(served: Served) -> None:
    """A sender with nothing to say is no mistake."""
    assert batch(served, []) == []


def test_a_thousand_fit_and_one_more_does_not(served: Served) -> None:
    """In order; the error names the limit, and nothing of the larger batch is recorded."""
    full = [line(idempotencyKey=f"k{number}") for number in range(BATCH_ITEMS_MAX)]

    answers = batch(served, full)

    assert [answer["consumption"]["used"] for answer in answers] == list(range(1, 1001))
    error = served.error(BATCH, {"inputs": [*full, line(idempotencyKey="one more")]})
    assert (error["extensions"]["code"], error["message"]) == (
        "QUERY_TOO_COMPLEX",
        "items of $inputs is 1001, at most 1000 allowed",
    )
    assert used(served) == 1000


def test_the_limit_holds_for_literals_too(served: Served) -> None:
    """Whoever writes the inputs into the document may write a hundred, as tokens allow; the list itself a thousand."""
    written = " ".join(['{userId: "eve", featureId: "message"}'] * 100)
    answers = served.ask(f"mutation {{ recordUsageBatch(inputs: [{written}]) {{ recorded }} }}")["recordUsageBatch"]

    assert [answer["recorded"] for answer in answers] == [True] * 100


def post(served: Served, body: bytes) -> httpx.Response:
    """Send a body as it is."""
    key = served.keys[Environment.TEST][KeyKind.PRIVATE]
    return served.http.post(
        "/graphql", content=body, headers={"Authorization": key, "Content-Type": "application/json"}
    )


@pytest.mark.parametrize(("size", "status"), [(102_401, 200), (1_048_576, 200), (1_048_577, 413)])
def test_a_batch_may_take_a_megabyte(served: Served, size: int, status: int) -> None:
    """Ten times what any other operation may send; one byte more is refused unread."""
    body = json.dumps({"query": BATCH, "variables": {"inputs": [line()]}}).encode()

    response = post(served, body.ljust(size))

    assert response.status_code == status
    assert used(served) == (1 if status == 200 else 0)


@pytest.mark.parametrize(
    ("query", "variables"),
    [
        (RECORD, {"input": line()}),
        ("{ features { id } }", {}),
        ('mutation { recordUsageBatch(inputs: [{userId: "eve", featureId: "message"}]) { recorded } }', {}),
    ],
)
def test_other_operations_may_not(served: Served, query: str, variables: dict[str, Any]) -> None:
    """100 KB is the bound of whatever has no list of usages in its variables."""
    body = json.dumps({"query": query, "variables": variables}).encode()

    small, large = post(served, body.ljust(102_400)), post(served, body.ljust(102_401))

    assert (small.status_code, large.status_code) == (200, 413)
    assert large.json()["errors"][0]["message"] == "body must be at most 102400 bytes"
    assert used(served) == small.text.count("recorded")
