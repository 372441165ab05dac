"""100 users by 100 features, asked in one request over HTTP."""

from __future__ import annotations

import time
from collections.abc import Mapping

import httpx

from benchmarks.figures import Part, Ratio
from benchmarks.services import kana

_QUERY = """
query many($users: [String!]!, $features: [String!]!) {
  canUseFeatures(userIds: $users, featureIds: $features) { userId access reason used budget overageEnabled }
}
"""


def measure(*, rounds: int) -> Part:
    """Return the seconds that one such request takes."""
    part = Part("100 users by 100 features in one request")
    with kana(None, users=100, features=100) as (target, _):
        features = ["calls", *(f"feature-{number}" for number in range(1, 100))]
        variables = {"users": [f"u{number}" for number in range(100)], "features": features}
        body = {"query": _QUERY, "variables": variables}
        with httpx.Client(base_url=target.address, headers={"Authorization": target.key}) as client:
            seconds = [_ask(client, body) for _ in range(rounds + 1)][1:]
    series = part.add("SQLite", "s", seconds)
    part.ratios.append(Ratio(name="100 users by 100 features, one request, seconds", value=series.median, at_most=0.3))
    return part


def _ask(client: httpx.Client, body: Mapping[str, object]) -> float:
    started = time.perf_counter()
    answer = client.post("/graphql", json=body).json()
    seconds = time.perf_counter() - started
    answered = answer["data"]["canUseFeatures"]
    assert len(answered) == 100, "users are missing"
    assert all(row["access"] == [True] * 100 for row in answered), "features are missing"
    return seconds
