"""Any allowance that a package may have of a CONSUMABLE feature, for the faces that must all carry it unchanged."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from kana.model.allowance import GRACE_PERCENT_MAX, ROLLOVER_PERIODS_MAX, Allowance, Combine, Cost, Rollover
from kana.model.period import ResetPeriod
from kana.model.text import UNITS_MAX

FULL = Allowance(
    limit=UNITS_MAX,
    overage_enabled=True,
    reset_period=ResetPeriod.WEEK,
    combine=Combine.ADD,
    rollover=Rollover(limit=UNITS_MAX, periods=ROLLOVER_PERIODS_MAX),
    grace_percent=GRACE_PERCENT_MAX,
    cost=Cost(feature_id="credit", units=UNITS_MAX),
)
"""An allowance with everything that one can have, as large as it can be."""


@st.composite
def allowances(draw: st.DrawFn, *, units_max: int = UNITS_MAX, credit: str | None = None) -> Allowance:
    """Any allowance with amounts up to so many units, which may cost a credit."""
    amounts = st.integers(0, units_max)
    limit, reset = draw(st.none() | amounts), draw(st.sampled_from([None, *ResetPeriod]))
    given: dict[str, Any] = {}
    if limit is not None:
        given["grace_percent"] = draw(st.integers(0, GRACE_PERCENT_MAX))
    if limit is not None and reset is not None:
        rollovers = st.builds(Rollover, limit=amounts, periods=st.integers(1, ROLLOVER_PERIODS_MAX))
        given["rollover"] = draw(st.none() | rollovers)
    if credit is not None:
        costs = st.builds(Cost, feature_id=st.just(credit), units=st.integers(1, units_max))
        given["cost"] = draw(st.none() | costs)
    combine, overage = draw(st.sampled_from(Combine)), draw(st.booleans())
    return Allowance(limit=limit, overage_enabled=overage, reset_period=reset, combine=combine, **given)
