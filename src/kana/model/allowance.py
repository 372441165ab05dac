"""What a package lets a user consume of one feature in one reset period."""

from __future__ import annotations

from dataclasses import field

from kana.errors import InvalidValue
from kana.model.period import ResetPeriod
from kana.model.text import UNITS_MAX, units
from kana.model.value import value_object
from kana.model.word import Word


class Combine(Word):
    """How an allowance goes with others of the same feature: the highest answers, or it adds to whichever does.

    Kana knew HIGHEST only. ADD is what an add-on of 500 more messages means.
    """

    HIGHEST = "HIGHEST"
    ADD = "ADD"


ROLLOVER_PERIODS_MAX = 12
"""For how many periods what is left may be carried on at most: each is looked up when usage is decided."""

GRACE_PERCENT_MAX = 100
"""By how much of itself a limit may be passed at most."""


@value_object(kw_only=True)
class Rollover:
    """What a period leaves is carried on, for at most ``periods`` periods and ``limit`` units at a time."""

    limit: int
    periods: int

    def __post_init__(self) -> None:
        units(self.limit, field="rollover.limit")
        units(self.periods, field="rollover.periods", least=1, most=ROLLOVER_PERIODS_MAX)


@value_object(kw_only=True)
class Cost:
    """One unit of a feature costs so many units of another one, a credit."""

    feature_id: str
    units: int

    def __post_init__(self) -> None:
        units(self.units, field="cost.units", least=1)


@value_object(kw_only=True)
class Allowance:
    """What a package lets a user consume of one feature in one reset period.

    Counts whole feature units (messages, API calls): never money, never floats.
    ``limit=None`` is unlimited; ``limit=0`` is a real limit that grants nothing.
    ``reset_period=None`` never resets. ``rollover`` carries on what is left of a period.
    ``grace_percent`` lets a hard limit be passed by so much of it, rounded down to whole units.
    ``cost`` is what each unit costs of a credit.

    Raises:
        InvalidValue: a number is out of its bounds, or there is nothing to carry over or to pass.

    Source: docs.usekana.com/kana-concepts, "Feature Limit".
    """

    limit: int | None = None
    overage_enabled: bool = False
    reset_period: ResetPeriod | None = None
    combine: Combine = Combine.HIGHEST
    rollover: Rollover | None = None
    grace_percent: int = 0
    cost: Cost | None = None
    grace: int = field(init=False, repr=False, compare=False)
    """How many units ``grace_percent`` of the limit are."""

    def __post_init__(self) -> None:
        if self.limit is not None:
            units(self.limit, field="limit")
        units(self.grace_percent, field="gracePercent", most=GRACE_PERCENT_MAX)
        if self.grace_percent and self.limit is None:
            raise InvalidValue("a grace needs a limit that it lets be passed", field="gracePercent")
        if self.rollover is not None and (self.limit is None or self.reset_period is None):
            raise InvalidValue(
                "rollover needs a limit and a reset period: otherwise no period leaves anything", field="rollover"
            )
        object.__setattr__(self, "grace", (self.limit or 0) * self.grace_percent // 100)

    @property
    def most(self) -> int | None:
        """How much may be used in one period, grace included; None if nothing prevents more."""
        return None if self.limit is None or self.overage_enabled else self.limit + self.grace

    @property
    def rank(self) -> tuple[int, bool]:
        """How generous it is: unlimited before any limit, then the larger limit, then overage enabled.

        Source: docs.usekana.com/kana-concepts, "the highest limit"; ties settled by us.
        """
        return (UNITS_MAX + 1 if self.limit is None else self.limit, self.overage_enabled)

    def admits(self, delta: int, *, used: int) -> bool:
        """Whether ``delta`` more units fit on top of ``used`` in the same period.

        A correction (``delta <= 0``) always fits: units can be given back
        even after the limit was lowered below what is used.
        """
        if delta <= 0 or self.limit is None or self.overage_enabled:
            return True
        return used + delta <= self.limit + self.grace


UNLIMITED = Allowance()
"""The allowance of a BINARY feature, and of a CONSUMABLE one without an entitlement."""
