"""The reference's rules of several features in one decision, and of units that are set aside.

Nothing of ``kana`` is imported.
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from tests.reliability.accounts import Hold, Refused
from tests.reliability.reference import Reference

Lines = dict[str, int]
"""How many units of which feature."""

Decided = tuple[str, Any]
"""What is decided on one line: its outcome, and what is shown of it."""


@dataclass
class Reserving(Reference):
    """All lines of a decision move something, or none does. ``decided`` is the first of the last one's."""

    decided: int = 0

    def consume(
        self, user: str, lines: Lines, key: str | None, at: datetime | None, ttl: float | None, now: datetime
    ) -> tuple[list[Decided], str]:
        """Use all of it, or with a ttl set it aside."""
        self.user(user)
        self.let_go_what_ended(user, now)
        content = ("consume", tuple(lines.items()), at, ttl is not None)
        earlier = self._answered(user, key, content)
        if earlier is not None:
            return earlier, "duplicate"
        self._check_time(user, at, now)
        for feature in lines:
            self._check_feature(feature)
        hold = None if ttl is None else Hold(self.names[user], now + timedelta(seconds=ttl), {})
        answer = self._all_or_none(user, lines, at, now, hold, is_new=True)
        if hold and answer[0][0] == "RECORDED":
            self.holds.append(hold)
        self._remember(user, key, content, answer)
        return answer, "first"

    def settle(
        self, user: str, hold: Hold, lines: Lines, key: str | None, now: datetime, *, final: bool
    ) -> tuple[list[Decided], str]:
        """Say what was used; what had ended is decided like anything new."""
        self.let_go_what_ended(user, now)
        content = ("settle", self.holds.index(hold), tuple(lines.items()), final)
        earlier = self._answered(user, key, content)
        if earlier is not None:
            return earlier, "duplicate"
        if hold.over == "SETTLED":
            raise Refused("Conflict")
        for feature in lines:
            self._check_feature(feature)
        answer = self._all_or_none(user, lines, None, now, None if hold.over else hold, final=final)
        if answer[0][0] == "RECORDED" and final and not hold.over:
            self.let_go(hold, "SETTLED")
        self._remember(user, key, content, answer)
        return answer, "first"

    def release(self, user: str, hold: Hold, now: datetime) -> None:
        self.let_go_what_ended(user, now)
        if hold.over == "SETTLED":
            raise Refused("Conflict")
        if hold.over is None:
            self.let_go(hold, "RELEASED")

    def extend(self, user: str, hold: Hold, ttl: float, now: datetime) -> None:
        self.let_go_what_ended(user, now)
        if hold.over:
            raise Refused("Conflict")
        hold.ends = now + timedelta(seconds=ttl)

    def _all_or_none(
        self, user: str, lines: Lines, at: datetime | None, now: datetime, hold: Hold | None, *, is_new: bool = False,
        final: bool = False,
    ) -> list[Decided]:  # fmt: skip
        """A line of the ledger for each; where one does not fit, what the others say is taken back."""
        before = deepcopy((self.used, self.kept, hold))
        first = self.decided = len(self.lines)
        decided = []
        for feature, units in lines.items():
            self._write({})
            decided.append(self._one(user, feature, units, at, now, hold, is_new=is_new, final=final))
        if any(outcome != "RECORDED" for outcome, _ in decided):
            self.used, self.kept, kept = before
            self.lines[first:] = [{} for _ in decided]
            if hold and kept:
                hold.lines = kept.lines
            decided = [
                (outcome if outcome != "RECORDED" else "OTHER_LINE_REFUSED", self._shown_of(user, feature, at, now))
                for feature, (outcome, _) in zip(lines, decided, strict=True)
            ]
        return decided

    def _one(
        self, user: str, feature: str, units: int, at: datetime | None, now: datetime, hold: Hold | None, *,
        is_new: bool, final: bool,
    ) -> Decided:  # fmt: skip
        """One line, on what those before it leave. What is set aside for it is used first."""
        kept = [] if is_new or hold is None else hold.lines.get(feature, [])
        there = bool(kept)
        for number, (place, part) in enumerate(kept):
            used = min(part, units)
            kept[number] = (place, 0 if final else part - used)
            self._keep([(place, kept[number][1] - part)])
            self._move(place, used)
            units -= used
        if there and not units:
            return "RECORDED", self._shown_of(user, feature, at, now)
        found = self._found(user, feature, at, now)
        if not found:
            return "NO_SUBSCRIPTION", None
        pots = self._pots(found, feature, at or now)
        outcome, used = self._judge(found, pots, units), sum(map(self._used, pots))
        if outcome == "RECORDED" and hold is not None and is_new:
            hold.lines[feature] = self._taken_from(pots, units)
            self._keep(hold.lines[feature])
        elif outcome == "RECORDED":
            self._post(pots, units)
            used += units
        return outcome, None if feature in self.binary else self._shown(used, pots)

    def _shown_of(self, user: str, feature: str, at: datetime | None, now: datetime) -> Any:
        found = self._found(user, feature, at, now)
        if feature in self.binary or not found:
            return None
        pots = self._pots(found, feature, at or now)
        return self._shown(sum(map(self._used, pots)), pots)
