"""The reference's rules of several features in one decision, and of units that are set aside.

Nothing of ``kana`` is imported.
"""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from tests.reliability.accounts import Hold, Refused
from tests.reliability.reference import Reference

Lines = dict[str, int]
"""How many units of which feature."""

Name = tuple[str, str | None]
"""A feature, and which one costs it, if it is what another one costs."""

Decided = tuple[str, Any]
"""What is decided on one line: its outcome, and what is shown of it."""


@dataclass
class Reserving(Reference):
    """All lines of a decision move something, or none does."""

    def _answer(
        self, user: str, feature: str, delta: int, action: str, at: datetime | None, now: datetime
    ) -> tuple[Any, ...]:
        """What costs something is decided together with that."""
        found = self._found(user, feature, at, now)
        if not (found and found[0].cost):
            return super()._answer(user, feature, delta, action, at, now)
        used = sum(map(self._used, self._pots(found, feature, at or now)))
        change = delta - used if action == "SET" else delta
        [(outcome, shown), *_] = self._all_or_none(user, {feature: change}, at, now, None)
        return outcome, change if outcome == "RECORDED" else 0, shown

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
        self.holds += [hold] if hold else []
        answer = self._all_or_none(user, lines, at, now, hold, is_new=True)
        if hold and answer[0][0] != "RECORDED":
            self.holds.pop()
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
        asked = list(self._with_costs(user, lines, at, now, hold, is_new=is_new))
        before = deepcopy((self.used, self.kept, hold))
        first = self.decided = len(self.lines)
        decided = []
        for name, units in asked:
            self._write({})
            decided.append(self._one(user, name, units, at, now, hold, is_new=is_new, final=final))
        if any(outcome != "RECORDED" for outcome, _ in decided):
            self.used, self.kept, kept = before
            self.lines[first:] = [{} for _ in decided]
            if hold and kept:
                hold.lines = kept.lines
            outcomes = {name: outcome for (name, _), (outcome, _) in zip(asked, decided, strict=True)}
            decided = [(self._why_not(name, outcomes), self._shown_of(user, name[0], at, now)) for name in outcomes]
        return decided

    def _with_costs(
        self, user: str, lines: Lines, at: datetime | None, now: datetime, hold: Hold | None, *, is_new: bool
    ) -> Iterator[tuple[Name, int]]:
        """Each line, and after it what it costs: now, or as it was when it was set aside."""
        for feature, units in lines.items():
            yield (feature, None), units
            if hold and not is_new and (feature, None) in hold.lines:
                rate = hold.rates.get(feature)
            else:
                found = self._found(user, feature, at, now)
                rate = found[0].cost if found else None
            if rate:
                if hold and is_new:
                    hold.rates[feature] = rate
                yield ("token", feature), units * rate

    def _why_not(self, name: Name, outcomes: dict[Name, str]) -> str:
        if outcomes[name] != "RECORDED":
            return outcomes[name]
        costs = outcomes.get(("token", name[0]), "RECORDED")
        return "OTHER_LINE_REFUSED" if costs == "RECORDED" or name[1] else "CREDIT_EXCEEDED"

    def _one(
        self, user: str, name: Name, units: int, at: datetime | None, now: datetime, hold: Hold | None, *,
        is_new: bool, final: bool,
    ) -> Decided:  # fmt: skip
        """One line, on what those before it leave. What is set aside for it is used first."""
        feature = name[0]
        kept = [] if is_new or hold is None else hold.lines.get(name, [])
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
            hold.lines[name] = self._taken_from(pots, units)
            self._keep(hold.lines[name])
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
