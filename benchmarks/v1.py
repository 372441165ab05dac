"""JSON below /v1 against what it stands beside: the same server answering a constant, and recordUsage by GraphQL."""

from __future__ import annotations

from dataclasses import replace

from benchmarks.figures import Part, Ratio
from benchmarks.load import Target, requests_per_second
from benchmarks.services import kana

USERS = 1000
CONNECTIONS = 64
PATHS = {"constant": "/healthz", "v1 check": "/v1/check", "v1 record": "/v1/record", "record": "/graphql"}
NAMES = {
    "constant": "a constant",
    "v1 check": "/v1/check",
    "v1 record": "/v1/record",
    "record": "recordUsage by GraphQL",
}


def measure(*, rounds: int) -> Part:
    """Load one server on SQLite with each kind of request by turns, so that all see the same machine."""
    part = Part("JSON over HTTP")
    rates: dict[str, list[float]] = {mode: [] for mode in PATHS}
    with kana(None, users=USERS) as (target, _):
        for _ in range(rounds):
            for mode in PATHS:
                rates[mode].append(_rate(target, mode))
    for mode, values in rates.items():
        part.add(f"{NAMES[mode]}, SQLite, {CONNECTIONS} connections", "requests/s", values)
    part.ratios += [
        _against(rates, "v1 check", "constant", 0.45),
        _against(rates, "v1 record", "constant", 0.25),
        _against(rates, "v1 record", "record", 1.5),
    ]
    return part


def _rate(target: Target, mode: str) -> float:
    return requests_per_second(replace(target, path=PATHS[mode]), mode, connections=CONNECTIONS, users=USERS)


def _against(rates: dict[str, list[float]], one: str, other: str, at_least: float) -> Ratio:
    pairs = sorted(a / b for a, b in zip(rates[one], rates[other], strict=True))
    name = f"{NAMES[one]} against {NAMES[other]}, SQLite, {CONNECTIONS} connections"
    return Ratio(name=name, value=pairs[len(pairs) // 2], at_least=at_least)
