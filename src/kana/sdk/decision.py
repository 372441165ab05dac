"""What checks return."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from kana.sdk.results import Consumption, Outcome


class Source(StrEnum):
    """The source of a check's answer: the server, the cache, or the caller's own default."""

    SERVER = "server"
    CACHE = "cache"
    DEFAULT = "default"


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """Whether a user may use an amount of one feature now; ``reason`` is for people, ``outcome`` for programs.

    ``consumption`` is None for a BINARY feature and without a subscription. ``in_grace`` says that a hard
    limit is passed with it, as its grace allows. ``affords`` is for how many units the credit suffices that they cost;
    None if they cost none, or the credit has no limit. On the wire this is Kana's type ``Entitlement``.
    """

    access: bool
    reason: str
    outcome: Outcome
    consumption: Consumption | None
    in_grace: bool = False
    affords: int | None = None


Entitlement = Decision
"""The former name, which still works."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionRow:
    """What one user may do with several features, as the wire has it: each tuple in the order of the features."""

    user_id: str
    access: tuple[bool, ...]
    reason: tuple[str, ...]
    outcome: tuple[Outcome, ...]
    used: tuple[int | None, ...]
    budget: tuple[int | None, ...]
    overage_enabled: tuple[bool | None, ...]
    in_grace: tuple[bool, ...]
    affords: tuple[int | None, ...]

    def decisions(self) -> list[Decision]:
        """Return the same, one value for each feature."""
        amounts = zip(self.used, self.budget, self.overage_enabled, strict=True)
        consumptions = [
            None if used is None else Consumption(used=used, budget=budget, overage_enabled=bool(overage_enabled))
            for used, budget, overage_enabled in amounts
        ]
        return [
            Decision(
                access=access,
                reason=reason,
                outcome=outcome,
                consumption=consumption,
                in_grace=in_grace,
                affords=affords,
            )
            for access, reason, outcome, consumption, in_grace, affords in zip(
                self.access, self.reason, self.outcome, consumptions, self.in_grace, self.affords, strict=True
            )
        ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """What ``Decision`` says, and where it came from, since not every answer is fresh from the server.

    ``outcome`` is None only if ``source`` is "default": then the server decided nothing.
    """

    access: bool
    reason: str
    outcome: Outcome | None
    consumption: Consumption | None
    source: Source = Source.SERVER
    in_grace: bool = False
    affords: int | None = None
