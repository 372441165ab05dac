"""Three features in one decision, and setting aside with settling, beside one record."""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import count

import httpx

from benchmarks.figures import Part, Ratio
from benchmarks.load import Target
from benchmarks.services import kana

CALLS = 200

_RECORD = "mutation($input: CreateUsageEventInput!) { recordUsage(input: $input) { recorded } }"
_CONSUME = "mutation($input: ConsumeInput!) { consume(input: $input) { granted } }"
_RESERVE = "mutation($input: ReserveInput!) { reserve(input: $input) { granted reservation { id } } }"
_SETTLE = """mutation($id: String!, $lines: [LineInput!]!, $key: String) {
  settleReservation(id: $id, lines: $lines, idempotencyKey: $key) { granted }
}"""


def measure(*, rounds: int) -> Part:
    """Return the milliseconds of one call of one caller with a key, the three kinds by turns."""
    part = Part("Several features and reservations, beside one record")
    with kana(None, users=1, features=3) as (target, _), _client(target) as client:
        kinds: dict[str, Callable[[str], None]] = {
            "recordUsage": lambda key: _record(client, key),
            "consume of three features": lambda key: _consume(client, key),
            "reserve and settle": lambda key: _reserve_and_settle(client, key),
        }
        keys, taken = map(str, count()), {name: list[float]() for name in kinds}
        for _ in range(rounds):
            for name, call in kinds.items():
                started = time.perf_counter()
                for _ in range(CALLS):
                    call(next(keys))
                taken[name].append((time.perf_counter() - started) / CALLS * 1000)
    one, three, held = (part.add(name, "ms", times) for name, times in taken.items())
    part.ratios.append(
        Ratio(name="consume of three features against one record", value=three.median / one.median, at_most=1.6)
    )
    part.ratios.append(Ratio(name="reserve and settle against one record", value=held.median / one.median, at_most=2.2))
    return part


def _record(client: httpx.Client, key: str) -> None:
    _ask(client, _RECORD, {"input": {"userId": "u0", "featureId": "calls", "delta": 1, "idempotencyKey": key}})


def _consume(client: httpx.Client, key: str) -> None:
    lines = [{"featureId": name, "units": 1} for name in ("calls", "feature-1", "feature-2")]
    answer = _ask(client, _CONSUME, {"input": {"userId": "u0", "lines": lines, "idempotencyKey": key}})
    assert answer["consume"]["granted"], "the limit is in the way"


def _reserve_and_settle(client: httpx.Client, key: str) -> None:
    lines = [{"featureId": "calls", "units": 2}]
    held = _ask(client, _RESERVE, {"input": {"userId": "u0", "lines": lines, "idempotencyKey": f"r{key}"}})["reserve"]
    used = [{"featureId": "calls", "units": 1}]
    answer = _ask(client, _SETTLE, {"id": held["reservation"]["id"], "lines": used, "key": f"s{key}"})
    assert answer["settleReservation"]["granted"], "what is held is a promise"


def _client(target: Target) -> httpx.Client:
    return httpx.Client(base_url=target.address, headers={"Authorization": target.key})


def _ask(client: httpx.Client, query: str, variables: dict[str, object]) -> dict[str, dict[str, dict[str, str]]]:
    answer = client.post("/graphql", json={"query": query, "variables": variables}).json()
    assert "errors" not in answer, answer["errors"]
    found: dict[str, dict[str, dict[str, str]]] = answer["data"]
    return found
