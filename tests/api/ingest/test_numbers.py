"""One rule for numbers on every face: 5, 5.0 and "5" are five, and what is no whole number is an error, never a one."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from kana.cli.configuration.checks import check
from kana.cli.configuration.reader import read_yaml
from kana.dashboard.forms import Errors, read_units
from kana.errors import InvalidValue
from kana.model.config import read_config
from kana.model.environment import Environment
from kana.model.key import KeyKind
from kana.model.text import UNITS_MAX
from kana.sdk import KanaAdmin
from kana.sdk.wire import whole
from tests.api.admin.calls import CREATE_PACKAGE, RECORD, furnish
from tests.api.ingest.events import BATCH, LINES, STRUCTURED, event, line, lines, post, results, used
from tests.api.ingest.test_batch import BATCH as RECORD_BATCH
from tests.api.segment.calls import post as post_segment
from tests.support.serving import Served
from tests.support.stores import SqlitePlace

NUMBERS: dict[str, int | None] = {
    "5": 5,
    "5.0": 5,
    "5e0": 5,
    "-3": -3,
    "-3.0": -3,
    '"5"': 5,
    '"+5"': 5,
    '"5.0"': 5,
    '"-3"': -3,
    "3221225472": 3_221_225_472,
    '"3221225472"': 3_221_225_472,
    str(UNITS_MAX - 100): UNITS_MAX - 100,
    "5.5": None,
    '"5.5"': None,
    '"five"': None,
    '""': None,
    '" 5"': None,
    '"5 "': None,
    '"0x5"': None,
    '"5e0"': None,
    '"1_000"': None,
    '"1,000"': None,
    '"٥"': None,
    "true": None,
    "false": None,
    "null": None,
    "[]": None,
    "[5]": None,
    "{}": None,
    "0": None,
    str(UNITS_MAX + 1): None,
    f'"{UNITS_MAX + 1}"': None,
    "1e300": None,
    "9" * 400: None,
}
"""Amounts as JSON writes them, and how many units they are: None for those that are an error."""


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The small business of the Admin API's tests, where eve has used a hundred messages and may use any number."""
    with Served(SqlitePlace(tmp_path_factory.mktemp("numbers") / "kana.db")) as served:
        furnish(served)
        yield served


def graphql(served: Served, document: str, variables: str) -> dict[str, Any]:
    """The answer to a document whose variables are this JSON text."""
    body = f'{{"query": {json.dumps(document)}, "variables": {variables}}}'.encode()
    headers = {"Content-Type": "application/json", "Authorization": served.keys[Environment.TEST][KeyKind.PRIVATE]}
    response = served.http.post("/graphql", content=body, headers=headers)
    answer: dict[str, Any] = response.json()
    assert "INTERNAL" not in response.text, answer
    return answer


def by_variable(served: Served, number: str) -> bool:
    answer = graphql(served, RECORD, f'{{"input": {{"userId": "eve", "featureId": "message", "delta": {number}}}}}')
    return "errors" not in answer


def by_plain_variable(served: Served, number: str) -> bool:
    document = 'mutation($d: Int) { recordUsage(input: {userId: "eve", featureId: "message", delta: $d}) { recorded } }'
    return "errors" not in graphql(served, document, f'{{"d": {number}}}')


def by_literal(served: Served, number: str) -> bool:
    document = f'mutation {{ recordUsage(input: {{userId: "eve", featureId: "message", delta: {number}}}) {{ id }} }}'
    return "errors" not in graphql(served, document, "{}")


def by_batch(served: Served, number: str) -> bool:
    answer = graphql(
        served, RECORD_BATCH, f'{{"inputs": [{{"userId": "eve", "featureId": "message", "delta": {number}}}]}}'
    )
    [result] = answer["data"]["recordUsageBatch"]
    return result["error"] is None


def decided(response: Any) -> bool:
    [result] = results(response)
    return result["error"] is None


_count = iter(range(10_000))


def an_event(data: str, *, member: str = "data") -> bytes:
    return json.dumps(event(f"n{next(_count)}"))[:-1].encode() + f', "{member}": {data}}}'.encode()


def by_line(served: Served, number: str) -> bool:
    return decided(post(served, b'{"userId": "eve", "featureId": "message", "delta": %s}' % number.encode(), LINES))


def by_event(name: str) -> Callable[[Served, str], bool]:
    return lambda served, number: decided(post(served, an_event(f'{{"{name}": {number}}}'), STRUCTURED))


def by_base64(served: Served, number: str) -> bool:
    packed = base64.b64encode(f'{{"delta": {number}}}'.encode()).decode()
    return decided(post(served, an_event(f'"{packed}"', member="data_base64"), STRUCTURED))


def by_binary(served: Served, number: str) -> bool:
    headers = {
        f"ce-{name}": value
        for name, value in event(f"n{next(_count)}").items()
    }  # fmt: skip
    return decided(post(served, f'{{"delta": {number}}}'.encode(), "application/json", **headers))


def by_openmeter(served: Served, number: str) -> bool:
    response = post(served, an_event(f'{{"value": {number}}}'), STRUCTURED, path="/api/v1/events")
    assert response.status_code in (204, 400), response.text
    return response.status_code == 204


def by_segment(served: Served, number: str) -> bool:
    properties = f'{{"featureId": "message", "delta": {number}}}'
    body = f'{{"type": "track", "messageId": "s{next(_count)}", "userId": "eve", "properties": {properties}}}'
    key = served.keys[Environment.TEST][KeyKind.PRIVATE]
    response = served.http.post("/segment/events", content=body.encode(), headers={"Authorization": key})
    assert response.status_code == 200, response.text
    [kept] = served.ask("{ segmentEvents(first: 1) { status delta } }")["segmentEvents"]
    return bool(kept["status"] == "RECORDED")


def by_sdk(served: Served, number: str) -> bool:
    with KanaAdmin(api_key=served.keys[Environment.TEST][KeyKind.PRIVATE], endpoint=served.url) as kana:
        try:
            kana.features.record_usage(user_id="eve", feature_id="message", delta=json.loads(number))
        except InvalidValue:
            return False
    return True


def by_v1(served: Served, number: str) -> bool:
    response = post_v1(served, "record", f'{{"userId": "eve", "featureId": "message", "delta": {number}}}')
    assert response.status_code in (200, 400), response.text
    return response.status_code == 200


def by_v1_batch(served: Served, number: str) -> bool:
    body = f'{{"inputs": [{{"userId": "eve", "featureId": "message", "delta": {number}}}]}}'
    [item] = post_v1(served, "record/batch", body).json()["items"]
    return item["error"] is None


def post_v1(served: Served, path: str, body: str) -> httpx.Response:
    key = served.keys[Environment.TEST][KeyKind.PRIVATE]
    headers = {"Content-Type": "application/json", "Authorization": key}
    return served.http.post(f"/v1/{path}", content=body.encode(), headers=headers)


FACES: dict[str, Callable[[Served, str], bool]] = {
    "recordUsage, the input as a variable": by_variable,
    "recordUsage, the amount as a variable": by_plain_variable,
    "recordUsage, written out": by_literal,
    "recordUsageBatch": by_batch,
    "/v1/record": by_v1,
    "/v1/record/batch": by_v1_batch,
    "a line": by_line,
    "an event's delta": by_event("delta"),
    "an event's value": by_event("value"),
    "an event's quantity": by_event("quantity"),
    "an event in base64": by_base64,
    "a binary event": by_binary,
    "an event as OpenMeter's": by_openmeter,
    "a track of Segment": by_segment,
    "the SDK": by_sdk,
}
"""Ways to record so many units by eve; each says whether it was taken."""


@pytest.mark.parametrize("number", NUMBERS)
@pytest.mark.parametrize("face", FACES)
def test_an_amount_is_one_number_on_every_face(served: Served, face: str, number: str) -> None:
    """What is recorded is what the table says; what is no amount changes nothing."""
    served.ask(RECORD, {"input": line(delta=10, action="SET")})
    before = used(served)

    taken = FACES[face](served, number)

    expected = NUMBERS[number]
    assert (taken, used(served) - before) == (expected is not None, expected or 0)


def limit_of(fields: dict[str, Any]) -> object:
    return read_config(a_file(fields)).packages[0].features[0].allowance.limit


def a_file(fields: dict[str, Any]) -> dict[str, Any]:
    return {
        "features": [{"id": "message", "type": "CONSUMABLE"}],
        "packages": {"draft": [{"id": "pro", "features": [{"id": "message", **fields}]}]},
    }


def as_config(_served: Served, number: str) -> object:
    return limit_of({"limit": json.loads(number)})


def as_yaml(_served: Served, number: str) -> object:
    document = read_yaml(json.dumps(a_file({"limit": 123})).replace("123", number).encode())
    return check(document, lambda _: None).packages[0].features[0].allowance.limit


def as_form(_served: Served, number: str) -> object:
    errors = Errors()
    found = read_units(str(json.loads(number)), name="limit", errors=errors)
    if errors:
        raise InvalidValue(errors.by_field["limit"])
    return found


def as_graphql(served: Served, number: str) -> object:
    package_id = f"p{next(_count)}"
    held = {"id": "message", "entitlement": {"limit": 123, "resetPeriod": "MONTH"}}
    variables = json.dumps({"input": {"id": package_id, "features": [held]}}).replace("123", number)
    answer = graphql(served, CREATE_PACKAGE, variables)
    if "errors" in answer:
        raise InvalidValue(answer["errors"][0]["message"])
    return answer["data"]["createPackage"]["features"][0]["limit"]


def as_v1(served: Served, number: str) -> object:
    held = {"id": "message", "entitlement": {"limit": 123, "resetPeriod": "MONTH"}}
    answer = post_v1(
        served, "packages", json.dumps({"id": f"v{next(_count)}", "features": [held]}).replace("123", number)
    )
    if answer.status_code == 400:
        raise InvalidValue(answer.json()["detail"])
    return answer.json()["features"][0]["limit"]


LIMITS = {
    "/v1/packages": as_v1,
    "a configuration": as_config,
    "a file": as_yaml,
    "a form": as_form,
    "createPackage": as_graphql,
}
LIMIT_NUMBERS: dict[str, int | None] = {
    "0": 0,
    "5": 5,
    "5.0": 5,
    '"5"': 5,
    "5368709120": 5_368_709_120,
    str(UNITS_MAX): UNITS_MAX,
    str(UNITS_MAX + 1): None,
    "-1": None,
    "5.5": None,
    '"five"': None,
    "true": None,
}


@pytest.mark.parametrize("number", LIMIT_NUMBERS)
@pytest.mark.parametrize("face", LIMITS)
def test_a_limit_is_one_number_on_every_face(served: Served, face: str, number: str) -> None:
    """From 0 to 2^53-1, wherever it is written."""
    expected = LIMIT_NUMBERS[number]
    if expected is None:
        with pytest.raises(InvalidValue):
            LIMITS[face](served, number)
    else:
        assert LIMITS[face](served, number) == expected


@pytest.mark.parametrize("number", [number for number in NUMBERS if number != "0"])
def test_the_sdk_has_the_servers_rule(number: str) -> None:
    """It cannot ask the server for each number, so that the rule stands there once more."""
    if NUMBERS[number] is None:
        with pytest.raises(InvalidValue, match=r"^delta must be a whole number from -9007199254740991 to 9"):
            whole(json.loads(number), "delta")
    else:
        assert whole(json.loads(number), "delta") == NUMBERS[number]


def test_large_limits_and_amounts_come_back_whole(served: Served) -> None:
    """What fits into 53 bits is answered as it was given, on the way of Segment's events too."""
    large = 2**52 + 1
    held = {"id": "message", "entitlement": {"limit": large, "resetPeriod": "MONTH"}}
    served.ask(CREATE_PACKAGE, {"input": {"id": "vast", "features": [held]}})
    [package] = served.ask('{ package(id: "vast") { features { limit } } }')["package"]["features"]
    assert package == {"limit": large}

    properties = {"featureId": "message", "delta": -large}
    message = {"type": "track", "messageId": "vast", "userId": "eve", "properties": properties}
    served.ask(RECORD, {"input": line(delta=large, action="SET")})
    assert post_segment(served, "/segment/events", message).status_code == 200
    [kept] = served.ask("{ segmentEvents(first: 1) { status delta } }")["segmentEvents"]
    assert kept == {"status": "RECORDED", "delta": -large}
    assert used(served) == 0


DATA: dict[str, tuple[object, int | str]] = {
    "no data": (None, 1),
    "nothing": ({}, 1),
    "nothing, as PHP writes it": ([], 1),
    "what we know": ({"featureId": "message", "metadata": {"a": 1}}, 1),
    "an amount beside other fields": ({"delta": 3, "path": "/a"}, 3),
    "an amount by another name beside them": ({"quantity": "3", "path": "/a"}, 3),
    "other fields only": ({"tokens": 500}, "data must have an amount as delta, value or quantity, 1 for one unit; "),
    "two amounts": ({"delta": 3, "value": 4}, "data must have one amount, got delta and value"),
    "a number": (5, "data must be a JSON object, got 5"),
    "a text": ("5", "data must be a JSON object, got '5'"),
    "a list": ([5], "data must be a JSON object, got [5]"),
}


@pytest.mark.parametrize(("data", "expected"), DATA.values(), ids=DATA)
def test_data_that_are_not_understood_are_an_error_and_never_a_one(
    served: Served, data: object, expected: int | str
) -> None:
    """An amount under a name that we do not know is not counted as one unit, nor are its neighbours lost."""
    served.ask(RECORD, {"input": line(delta=0, action="SET")})
    number = next(_count)

    found = results(post(served, [event(f"d{number}", data=data), event(f"e{number}")], BATCH))

    wrong = "" if found[0]["error"] is None else found[0]["error"]["message"]
    assert wrong.startswith("" if isinstance(expected, int) else expected)
    assert used(served) == (expected if isinstance(expected, int) else 0) + 1


BASE64: dict[str, tuple[dict[str, Any], int | str]] = {
    "JSON": ({"data_base64": "eyJkZWx0YSI6IDV9"}, 5),
    "JSON that says so": ({"data_base64": "eyJkZWx0YSI6IDV9", "datacontenttype": "application/json"}, 5),
    "JSON of a kind": ({"data_base64": "eyJkZWx0YSI6IDV9", "datacontenttype": "application/a+json; charset=utf-8"}, 5),
    "nothing": ({"data_base64": ""}, 1),
    "something else": (
        {"data_base64": "eyJkZWx0YSI6IDV9", "datacontenttype": "application/protobuf"},
        "data_base64 must contain JSON, but datacontenttype is 'application/protobuf'",
    ),
    "no JSON": ({"data_base64": "eyJk"}, "data_base64 must be JSON: "),
    "no base64": ({"data_base64": "{}"}, "data_base64 must be base64, got '{}'"),
    "no text": ({"data_base64": 5}, "data_base64 must be base64, got 5"),
    "both": ({"data_base64": "eyJkZWx0YSI6IDV9", "data": {}}, "an event must not have both data and data_base64"),
}


@pytest.mark.parametrize(("attributes", "expected"), BASE64.values(), ids=BASE64)
def test_data_in_base64_are_read(served: Served, attributes: dict[str, Any], expected: int | str) -> None:
    """As the JSON that they are, or refused with the reason; they never count one unread."""
    served.ask(RECORD, {"input": line(delta=0, action="SET")})

    [found] = results(post(served, event(f"b{next(_count)}", **attributes), STRUCTURED))

    wrong = "" if found["error"] is None else found["error"]["message"]
    assert wrong.startswith("" if isinstance(expected, int) else expected)
    assert (wrong == "", used(served)) == (isinstance(expected, int), expected if isinstance(expected, int) else 0)


def test_lines_hold_what_we_know_only(served: Served) -> None:
    """A line is in our own fields: what another meter calls the amount is an unknown field, and not one unit."""
    [found] = results(post(served, lines(line(value=5)), LINES))
    assert found["error"]["message"] == "line 1 has unknown fields: 'value'"
