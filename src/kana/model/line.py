"""Lines: one feature and its units in a decision over several, and which line of which decision an entry is."""

from __future__ import annotations

from kana.model.value import value_object
from kana.model.word import Word


@value_object()
class Line:
    """One feature and its units in a decision over several.

    ``unbounded`` is for what is set aside while nobody knows how much it may take; ``units`` are 0 then.
    """

    feature_id: str
    units: int
    unbounded: bool = False


class HoldStep(Word):
    """What an entry does to what is set aside: units are reserved, settled, released, or were never settled."""

    RESERVED = "RESERVED"
    SETTLED = "SETTLED"
    RELEASED = "RELEASED"
    ENDED = "ENDED"


USES_NOTHING = frozenset({HoldStep.RESERVED, HoldStep.RELEASED, HoldStep.ENDED})
"""Steps that move only what is set aside, and so are no usage."""

LETS_GO = frozenset({HoldStep.RELEASED, HoldStep.ENDED})
"""Steps that answer no line that was asked."""


@value_object(kw_only=True)
class DecisionLine:
    """Which line of which decision an entry is.

    ``decision_id`` is the id of the decision's first entry, of ``size`` in all. ``step`` and ``reservation_id`` are
    None unless units are set aside or were. ``cost_of`` is the feature that costs these units, if one does.
    ``is_final`` is whether the caller wanted a settlement to let the rest go; None of all else, and of entries from
    before this was kept.
    """

    decision_id: int
    size: int
    step: HoldStep | None = None
    reservation_id: int | None = None
    cost_of: str | None = None
    is_final: bool | None = None

    @property
    def uses(self) -> bool:
        """Whether the entry is about usage, and not only about what is set aside."""
        return self.step not in USES_NOTHING

    @property
    def is_late(self) -> bool:
        """Whether it settles units of a reservation that was over, and so is like new usage."""
        return self.step is None and self.reservation_id is not None
