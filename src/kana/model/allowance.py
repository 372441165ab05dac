"""What a package lets a user consume of one feature in one reset period."""

from __future__ import annotations

from dataclasses import replace

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


@value_object(kw_only=True)
class Allowance:
    """What a package lets a user consume of one feature in one reset period.

    Counts whole feature units (messages, API calls): never money, never floats.
    ``limit=None`` is unlimited; ``limit=0`` is a real limit that grants nothing.
    ``reset_period=None`` never resets.

    Source: docs.usekana.com/kana-concepts, "Feature Limit".
    """

    limit: int | None = None
    overage_enabled: bool = False
    reset_period: ResetPeriod | None = None
    combine: Combine = Combine.HIGHEST

    def __post_init__(self) -> None:
        if self.limit is not None:
            units(self.limit, field="limit")

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
        return used + delta <= self.limit

    def plus(self, added: Allowance) -> Allowance:
        """Return what both allow together. What is added never takes anything away."""
        limit = None if self.limit is None or added.limit is None else min(self.limit + added.limit, UNITS_MAX)
        return replace(self, limit=limit, overage_enabled=self.overage_enabled or added.overage_enabled)


UNLIMITED = Allowance()
"""The allowance of a BINARY feature, and of a CONSUMABLE one without an entitlement."""
