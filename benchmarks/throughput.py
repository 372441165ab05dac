"""Requests a second: an empty field, a check and a durable record, on each database; and the hand-rolled services."""

from __future__ import annotations

from contextlib import ExitStack

from benchmarks.figures import Part, Ratio
from benchmarks.load import Target, requests_per_second
from benchmarks.services import hand_rolled, kana
from tests.support.postgres import Postgres

USERS = 1000
CONNECTIONS = (1, 16, 64)
MODES = ("empty", "check", "record")

_NAMES = {
    "empty": "an empty GraphQL field",
    "check": "canUseFeature",
    "record": "recordUsage",
    "plain": "record",
}

_Key = tuple[str, str, int]
"""Which service, which kind of request, how many connections."""


def measure(postgres: Postgres, *, rounds: int) -> Part:
    """Run every service side by side and load them in turn, so that all see the same machine."""
    part = Part("Requests a second")
    with ExitStack() as stack:
        targets = _serve(stack, postgres)
        wanted: list[_Key] = [
            (name, mode, connections)
            for connections in CONNECTIONS
            for name in targets
            for mode in _modes(name)
            if connections == 64 or not name.startswith("hand-rolled")
        ]
        rates: dict[_Key, list[float]] = {key: [] for key in wanted}
        for _ in range(rounds):
            for name, mode, connections in wanted:
                rate = requests_per_second(targets[name], mode, connections=connections, users=USERS)
                rates[name, mode, connections].append(rate)
    for (name, mode, connections), values in rates.items():
        part.add(f"{name}, {_NAMES[mode]}, {connections} connections", "requests/s", values)
    part.ratios += _ratios(rates)
    return part


def _serve(stack: ExitStack, postgres: Postgres) -> dict[str, Target]:
    return {
        "SQLite": stack.enter_context(kana(None, users=USERS))[0],
        "PostgreSQL": stack.enter_context(kana(postgres.create_database(), users=USERS))[0],
        "PostgreSQL, 2 workers": stack.enter_context(kana(postgres.create_database(), users=USERS, workers=2))[0],
        "hand-rolled REST": stack.enter_context(hand_rolled("rest", postgres, users=USERS, path="/record")),
        "hand-rolled GraphQL": stack.enter_context(hand_rolled("graphql", postgres, users=USERS, path="/graphql")),
    }


def _modes(name: str) -> tuple[str, ...]:
    if name == "hand-rolled REST":
        return ("plain",)
    return ("record",) if name == "hand-rolled GraphQL" else MODES


def _ratios(rates: dict[_Key, list[float]]) -> list[Ratio]:
    def against(name: str, one: _Key, other: _Key, at_least: float) -> Ratio:
        pairs = sorted(a / b for a, b in zip(rates[one], rates[other], strict=True))
        return Ratio(name=name, value=pairs[len(pairs) // 2], at_least=at_least)

    sqlite, postgres = "SQLite", "PostgreSQL"
    return [
        against("recordUsage against an empty field, SQLite, 64 connections",
                (sqlite, "record", 64), (sqlite, "empty", 64), 0.60),
        against("canUseFeature against an empty field, SQLite, 64 connections",
                (sqlite, "check", 64), (sqlite, "empty", 64), 0.75),
        against("recordUsage against the hand-rolled REST service, PostgreSQL, 64 connections",
                (postgres, "record", 64), ("hand-rolled REST", "plain", 64), 5),
        against("recordUsage against the hand-rolled GraphQL service, PostgreSQL, 64 connections",
                (postgres, "record", 64), ("hand-rolled GraphQL", "record", 64), 15),
    ]  # fmt: skip
