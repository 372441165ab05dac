"""A check by somebody who was given a hundred top-ups, beside one by somebody who was given none."""

from __future__ import annotations

import time

import httpx

from benchmarks.figures import Part, Ratio
from benchmarks.load import Target
from benchmarks.services import kana

TOP_UPS = 100
CHECKS = 300

_GIVE = "mutation($input: CreateTopUpInput!) { createTopUp(input: $input) { id } }"
_CHECK = 'query($userId: String!) { canUseFeature(userId: $userId, featureId: "calls") { access } }'


def measure(*, rounds: int) -> Part:
    """Return the milliseconds of one check, the two users by turns."""
    part = Part(f"A check beside {TOP_UPS} top-ups")
    with kana(None, users=2) as (target, _), _client(target) as client:
        for _ in range(TOP_UPS):
            given = {"userId": "u0", "featureId": "calls", "amount": 10, "reason": "sold"}
            _ask(client, _GIVE, {"input": given})
        taken: dict[str, list[float]] = {"u0": [], "u1": []}
        for _ in range(rounds):
            for user_id, times in taken.items():
                times.append(_check_ms(client, user_id))
    many, none = part.add("100 top-ups", "ms", taken["u0"]), part.add("none", "ms", taken["u1"])
    part.ratios.append(Ratio(name="a check with 100 top-ups against none", value=many.median / none.median, at_most=2))
    return part


def _client(target: Target) -> httpx.Client:
    return httpx.Client(base_url=target.address, headers={"Authorization": target.key})


def _check_ms(client: httpx.Client, user_id: str) -> float:
    started = time.perf_counter()
    for _ in range(CHECKS):
        _ask(client, _CHECK, {"userId": user_id})
    return (time.perf_counter() - started) / CHECKS * 1000


def _ask(client: httpx.Client, query: str, variables: dict[str, object]) -> None:
    answer = client.post("/graphql", json={"query": query, "variables": variables}).json()
    assert "errors" not in answer, answer["errors"]
