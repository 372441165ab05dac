"""What random histories are drawn from, and how answers are compared."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from kana.engine.usage.usage import PeriodUsage
from kana.model.allowance import Allowance, Combine, Rollover
from kana.model.entitlement import Consumption
from kana.model.package import PackageFeature
from kana.model.period import ResetPeriod

package_names = st.sampled_from(["basic", "pro", "extra", "more"])
user_names = st.sampled_from(["ada"] * 6 + ["bob", "ada/2"])
feature_names = st.sampled_from(["message"] * 6 + ["chat", "none"])
limits = st.sampled_from([0, 1, 3, 10, 10, 20, None])
resets = st.sampled_from(["HOUR", "DAY", "WEEK", "MONTH", "QUARTER", "YEAR", None])
rollovers = st.sampled_from([None, None, None, (0, 1), (3, 1), (20, 1), (5, 2), (20, 3)])
allowances = st.builds(
    lambda limit, overage, reset, adds, rollover, grace: (
        limit, overage, reset, adds,
        None if limit is None or reset is None else rollover, 0 if limit is None else grace,
    ),
    limits, st.sampled_from([False, False, True]), resets, st.sampled_from([False, False, True]), rollovers,
    st.sampled_from([0, 0, 0, 10, 50, 100]),
)  # fmt: skip
CHAT = (None, False, None, False, None, 0)
features_of = st.builds(
    lambda message, chat: ({"message": message} if message else {}) | ({"chat": CHAT} if chat else {}),
    st.one_of(allowances, allowances, allowances, st.none()),
    st.booleans(),
)
deltas = st.sampled_from([1, 1, 1, 2, 3, 5, 10, 11, -1, -3, 0, 2**53 - 2])
keys = st.one_of(st.none(), st.sampled_from(["k1", "k2", "k3"]))
lateness = st.sampled_from([None, None, None, None, -86_400, -3_600, -2, -0.84, 0, 120, 300, 301, -86_400 * 31])
steps = st.sampled_from([1, 3_600, 86_400, 86_400 * 7, 86_400 * 28, 86_400 * 31, 86_400 * 366, 0.001])


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
            ),
        )
        for name, (limit, overage, reset, adds, rollover, grace) in features.items()
    )
