"""Every documented request of the Admin API, over HTTP, answers as documented.

``examples.jsonl`` holds the facts: each line a request and its answer. ``corrected`` lines are those
whose request the documentation got wrong; ``ignore`` names keys whose documented values cannot hold.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from kana.api import tokens
from kana.model.environment import Environment
from kana.model.key import KeyKind
from tests.conformance.given import GIVEN, REFUSED, one_user
from tests.support.serving import Served

EXAMPLES = {
    example["id"]: example
    for example in map(json.loads, Path(__file__).with_name("examples.jsonl").read_text("utf-8").splitlines())
}
DEVIATIONS = {"ref-generateSubscriptionLinks": "no billing provider is connected yet, so no link can be made"}
NOT_RUN = {
    example[
        "id"
    ]: "a call of Kana's JavaScript SDK: the requests that it sends are run here, its arguments with our SDK"
    for example in EXAMPLES.values()
    if example["kind"] == "sdk-call"
}
ANSWERED = sorted(GIVEN.keys() - DEVIATIONS)


def without(value: Any, ignored: list[str]) -> Any:
    """A JSON value without the keys that cannot be compared, at any depth."""
    if isinstance(value, dict):
        return {key: without(item, ignored) for key, item in value.items() if key not in ignored}
    if isinstance(value, list):
        return [without(item, ignored) for item in value]
    return value


def with_ids(example: dict[str, Any], ids: dict[str, str]) -> dict[str, Any]:
    """The example with our subscription ids where the documentation shows its own."""
    text = json.dumps(example)
    for theirs, ours in ids.items():
        text = text.replace(f'"id": "{theirs}"', f'"id": "{ours}"')
    result: dict[str, Any] = json.loads(text)
    return result


def send(served: Served, example: dict[str, Any], form: str) -> dict[str, Any]:
    """The answer to an example, sent as guides do: variables as object or JSON text, key bare or Bearer."""
    key = served.keys[Environment.TEST][KeyKind.PRIVATE]
    variables = example["variables"]
    if form == "as text, Bearer":
        variables, key = json.dumps(variables or {}), f"Bearer {key}"
    response = served.post(example["query"], variables, key=key)
    assert response.status_code == 200
    answer: dict[str, Any] = response.json()
    return answer


def test_every_example_is_run_or_has_a_reason() -> None:
    """A documented request can be left out only by name and with a reason."""
    assert GIVEN.keys() | REFUSED.keys() | NOT_RUN.keys() == EXAMPLES.keys()
    assert not NOT_RUN.keys() & (GIVEN.keys() | REFUSED.keys())
    assert len(ANSWERED) + len(DEVIATIONS) + len(REFUSED) == 23


@pytest.mark.parametrize("form", ["as object, bare", "as text, Bearer"])
@pytest.mark.parametrize("name", ANSWERED)
def test_documented_answer(served: Served, name: str, form: str) -> None:
    """A documented request gets the documented answer, value for value, and no field besides."""
    ids = GIVEN[name](served) or {}
    example = with_ids(EXAMPLES[name], ids)
    answer = send(served, example, form)
    if name == "ref-subscribe":
        ids = dict(zip(("2", "3"), (held["id"] for held in answer["data"]["subscribe"]), strict=True))
        example = with_ids(example, ids)
        assert [held["status"] for held in answer["data"]["subscribe"]] == ["ACTIVE", "ACTIVE"]
    ignored = example.get("ignore", [])
    if name == "ref-subscription":
        # The documented answer leaves out one field that the request selects.
        answer["data"]["subscription"]["package"]["features"][0].pop("id")
    if name == "ref-packages":
        # The same, for metadata.
        assert [package.pop("metadata") for package in answer["data"]["packages"]] == [{}, {}]
    assert without(answer, ignored) == without(example["expected"], ignored)


@pytest.mark.parametrize("name", REFUSED)
def test_documented_error(served: Served, name: str) -> None:
    """A documented mistake gets the documented message, place and code, and no data."""
    given, package_ids = REFUSED[name]
    given(served)
    if name == "err-subscribe-cannot-subscribe-to-multiple-tiers":
        one_user(served)
    query = EXAMPLES["ref-subscribe"]["query"]
    body = served.post(query, {"packageIds": package_ids, "userId": "124"}).json()
    [documented] = EXAMPLES[name]["expected"]["errors"]
    [error] = body["errors"]
    assert body["data"] is None
    assert {key: error[key] for key in ("message", "locations", "path")} == {
        key: documented[key] for key in ("message", "locations", "path")
    }
    assert error["extensions"] == {
        **documented["extensions"],
        "exception": {"name": "SubscriptionError", "message": documented["message"]},
    }


def test_subscription_link_is_refused_while_nobody_can_make_one(served: Served) -> None:
    """The one documented answer that is not given yet says so by the documented error's name."""
    one_user(served)
    example = EXAMPLES["ref-generateSubscriptionLinks"]
    error = served.error(example["query"], example["variables"])
    assert error["message"] == "no billing provider is connected"
    assert error["extensions"]["code"] == "BAD_USER_INPUT"
    assert error["extensions"]["exception"]["name"] == "SubscriptionLinkError"


def test_user_token_is_what_the_documentation_describes(served: Served) -> None:
    """The token names the user and its environment's app, for 30 days, and is ours."""
    one_user(served)
    example = EXAMPLES["ref-generateUserToken"]
    token = served.ask(example["query"], example["variables"])["generateUserToken"]["token"]
    keyring = served.run(served.engine.access.keyring())
    claims = tokens.verify(token, keyring, now=served.clock.now)
    assert (claims.environment, claims.user_id) == (Environment.TEST, "124")
