"""Statements that go over everything, what to ask them, and databases of any size to ask."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

EVER = 2**50
"""A moment after all others."""

OVER_ALL = [
    "count_entries", "count_counters", "audit", "audit_days", "audit_hours", "count_subscribers", "load_totals_over",
    "load_usage", "count_entitled", "count_users_of", "load_top_users", "load_near_limits", "load_near_given",
    "load_refusals", "load_costs",
    "count_segment_events", "count_unmapped_events",
]  # fmt: skip
"""The statements whose work grows with what there is."""

USERS_A_PACKAGE = 25


def rows(users: int) -> dict[str, list[tuple[Any, ...]]]:
    """The rows of each table.

    Every user has a subscription, a top-up, two counters, four entries on four days, one of them a cost, and an event.
    """
    packages = users // USERS_A_PACKAGE
    found: dict[str, list[tuple[Any, ...]]] = {
        "users": [(n % 1024, n, "test", f"u{n}", None, None, None, "{}", 0, 0, None) for n in range(users)],
        "subscriptions": [
            (n % 1024, n, n + 1, "test", f"p{n % packages}", "ACTIVE", 0, None, 0, 0, *[None] * 7) for n in range(users)
        ],
        "counters": [(n % 1024, n + 1, f"f{f}", "MONTH", 0, 90) for n in range(users) for f in (0, 1)],
        "given": [
            (n % 1024, n, users + n, "test", "TOP_UP", "f0", 100, 0, "NONE", 0, 0, None, "sold", "eve", 0, None)
            for n in range(users)
        ],
        "entries": [], "usage_days": [], "usage_hours": [], "segment_events": [],
    }  # fmt: skip
    for n in range(users):
        for day in range(4):
            at, refused = day * 86_400_000, day == 3
            outcome = "LIMIT_EXCEEDED" if refused else "RECORDED"
            line = (
                n % 1024,
                n,
                n * 4 + day + 1,
                "test",
                f"f{day % 2}",
                "ADD",
                1,
                outcome,
                None,
                int(not refused),
                n + 1,
            )
            cost = (line[2], '[1,null,null,"image"]') if day == 2 else (None, None)
            found["entries"].append((*line, "MONTH", 0, None, None, None, None, None, None, at, None, None, *cost))
            found["usage_days"].append(
                (n % 1024, n, f"f{day % 2}", at, f"p{n % packages}", "test", 1, 1 - refused, int(refused))
            )
        message = (
            n % 1024,
            "test",
            f"m{n}",
            n + 1,
            "track",
            f"u{n}",
            f"e{n % 10}",
            "UNMAPPED",
            None,
            None,
            None,
            1,
            0,
            0,
        )
        found["segment_events"].append((*message, "{}"))
    found["usage_hours"] = [
        ("test", f"f{day % 2}", f"p{p}", day * 86_400_000, 0, USERS_A_PACKAGE, USERS_A_PACKAGE, 0)
        for p in range(packages)
        for day in range(4)
    ]
    return found


def ledger(user_key: int, lines: int) -> list[tuple[Any, ...]]:
    """Rows of ``entries`` of one user: of seven features, and every fourth refused."""
    answers = (("LIMIT_EXCEEDED", None, 0), *[("RECORDED", None, 1)] * 3)
    rest = (1, "MONTH", 0, *[None] * 6)
    return [
        (7, user_key, n + 1, "test", f"f{n % 7}", "ADD", 1, *answers[n % 4], *rest, n, *[None] * 4)
        for n in range(lines)
    ]


def questions(users: int, *, array: Callable[[list[Any]], Any]) -> dict[str, tuple[Any, ...]]:
    """The bindings of each statement, with lists as a database takes them: all packages and features, all of time."""
    packages = [f"p{p}" for p in range(users // USERS_A_PACKAGE)]
    features = ["f0", "f1"]
    near = [(p, f, "MONTH", 0, 80, 100, 0) for p in packages for f in features]
    package_ids, *others = (array(list(column)) for column in zip(*near, strict=True))
    return {
        "count_subscribers": ("test", 1),
        "load_totals_over": ("test", "p0", 1, "f0", "MONTH", 0, 0),
        "load_usage": (
            "test", array(features), array(packages), array([0]), 0, EVER, 10_000
        ),
        "count_entitled": ("test", array(packages), 0, EVER),
        "count_users_of": ("test", array(packages), 0, EVER, array(features)),
        "load_top_users": ("test", "f0", 0, EVER, 10),
        "load_near_limits": ("test", package_ids, 1, *others),
        "load_near_given": ("test", 1, 80),
        "load_refusals": ("test", 0, EVER, None, None, None, 10, 0),
        "load_costs": ("test", "f0", 0, EVER, 3_600_000, 0),
        "count_segment_events": ("test",),
        "count_unmapped_events": ("test", 10),
    }  # fmt: skip
