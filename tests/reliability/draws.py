"""What random histories are drawn from, and how answers are compared."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from kana.engine.usage.usage import PeriodUsage
from kana.model.allowance import Allowance, Combine, Cost, Rollover
from kana.model.entitlement import Consumption
from kana.model.package import PackageFeature
from kana.model.period import ResetPeriod
from tests.reliability.driving import built, choice, lists_of

package_names = choice("basic", "pro", "extra", "more")
base_names = choice("basic", "basic", "basic", "pro", "pro", "pro", "extra")
user_names = choice(*["ada"] * 14, "bob", "ada/2")
feature_names = choice(*["message"] * 10, "token", "token", "chat", "none")
limits = choice(0, 1, 3, 10, 10, 20, None)
resets = choice("HOUR", "HOUR", "DAY", "DAY", "WEEK", "MONTH", "MONTH", "MONTH", "QUARTER", "YEAR", None)
rollovers = choice(None, None, None, (0, 1), (3, 1), (20, 1), (5, 2), (20, 3))
_allowed = built(
    lambda limit, overage, reset, adds, rollover, grace: (
        limit, overage, reset, adds,
        None if limit is None or reset is None else rollover, 0 if limit is None else grace,
    ),
    limits, choice(False, False, True), resets, choice(False, False, True), rollovers, choice(0, 0, 10, 50, 100),
)  # fmt: skip
allowances = built(lambda allowed, rate: (*allowed, rate), _allowed, choice(*[None] * 7, 1, 3))
"""Of messages: with how many tokens one costs."""
CHAT = (None, False, None, False, None, 0, None)
tokens = built(lambda has_some, some: (*some, None) if has_some else None, choice(True, True, False), _allowed)
features_of = built(
    lambda has_message, message, has_chat, some: (
        ({"message": message} if has_message else {})
        | ({"chat": CHAT} if has_chat else {})
        | ({"token": some} if some else {})
    ),
    choice(True, True, True, False),
    allowances,
    choice(True, False),
    tokens,
)
deltas = choice(1, 1, 1, 1, 2, 3, 5, 10, 11, -1, -3, 0, 2**53 - 2)
keys = choice(None, None, "k1", "k2", "k3")
lateness = choice(None, None, None, None, -86_400, -3_600, -2, -0.84, 0, 120, 300, 301, -86_400 * 31)
steps = choice(1, 3_600, 86_400, 86_400 * 7, 86_400 * 28, 86_400 * 31, 86_400 * 366, 0.001)
numbers = choice(*range(6))
trials = choice(None, None, None, 14, 1)
yes_or_no = choice(False, True)
some_packages = lists_of(package_names, 0, 1, 1, 1, 1, 2, 3)
some_lines = built(
    lambda *lines: {feature: units for feature, units in lines if units} or {"message": 1},
    *(
        built(lambda units, feature=feature: (feature, units), choice(*units))
        for feature, units in (
            ("message", (0, 1, 1, 2, 3, 5, 10, 2**53 - 2)),
            ("token", (0, 0, 1, 2, 5)),
            ("chat", (0, 0, 0, 0, 0, 0, 1)),
            ("none", (*[0] * 30, 1)),
        )
    ),
)
some_deltas = lists_of(deltas, 1, 2, 3, 4)
BEGINNING = datetime.fromisoformat("2024-01-31T13:05:00.250Z")
beginnings = choice(
    *[BEGINNING] * 4,
    *map(
        datetime.fromisoformat,
        (
            "2011-12-28T10:30:00Z",  # Pacific/Apia is about to leave out a day
            "2026-03-07T16:30:00.999Z",  # a clock is put forward: in America/New_York,
            "2026-03-28T12:00:00Z",  # in Europe/Berlin,
            "2026-10-03T14:59:59.999Z",  # and in Australia/Lord_Howe, by half an hour; and put back:
            "2026-04-04T13:30:00Z",  # there,
            "2026-10-24T22:00:00Z",  # in Europe/Berlin,
            "2026-10-31T04:15:00Z",  # and in America/New_York
        ),
    ),
)

Agreement = tuple[float | None, float | str | None, float | str | None, bool]
"""Of a subscription, in seconds from now: its start, what its periods are counted from, the end of its trial unless it
is to have none; and whether it ends with that."""

AT_ONCE: Agreement = (None, None, None, False)
ZONES = ("Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Pacific/Apia")
agreements = built(
    lambda starts, anchor, trial, ends, wrong: (starts, anchor, trial, wrong or (ends and trial not in (None, "none"))),
    choice(*[None] * 8, -86_400 * 40, -3_600, 0.001, 3_600, 86_400 * 3, 86_400 * 40),
    choice(None, None, None, None, *ZONES, ZONES[2], -86_400 * 45.5, 3_600 * 30, 86_400 * 366),
    choice(*[None] * 7, "none", -1, 3_600, 86_400 * 14, 86_400 * 60),
    yes_or_no,
    choice(*[False] * 20, True),
)


def described(consumption: Consumption | None) -> tuple[Any, ...] | None:
    return None if consumption is None else (consumption.used, consumption.budget, consumption.overage_enabled)


def line(usage: PeriodUsage) -> tuple[Any, ...]:
    return (usage.period.start, usage.period.end, *(described(usage.consumption) or ()))


def held(features: dict[str, Any]) -> tuple[PackageFeature, ...]:
    return tuple(
        PackageFeature(
            feature_id=name,
            allowance=Allowance(
                limit=limit,
                overage_enabled=overage,
                reset_period=reset and ResetPeriod(reset),
                combine=Combine.ADD if adds else Combine.HIGHEST,
                rollover=None if rollover is None else Rollover(limit=rollover[0], periods=rollover[1]),
                grace_percent=grace,
                cost=None if rate is None else Cost(feature_id="token", units=rate),
            ),
        )
        for name, (limit, overage, reset, adds, rollover, grace, rate) in features.items()
    )
