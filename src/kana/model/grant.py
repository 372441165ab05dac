"""Grants: what a user's units of a feature are taken from, in which order, and what is posted to which counter.

A grant is units of one feature that one user may use in one window of time, from one source: so far the allowance
of a package, in the current period of a subscription to it. Nearly everybody has one. Several hold together where
allowances ADD, and then one usage may be taken from more than one of them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import NamedTuple

from kana.model.entitlement import CounterKey, Entitlement
from kana.model.value import value_object


@value_object()
class Grant:
    """The units that one counter is of, and the part of an entitlement that they come from.

    ``takes_overage`` says that what goes beyond all amounts is counted here; of grants that hold together one does.
    """

    counter: CounterKey
    part: Entitlement
    takes_overage: bool

    @property
    def amount(self) -> int | None:
        """How many units there are; None is unlimited."""
        return self.part.allowance.limit

    def left(self, used: int) -> int | None:
        """Return how much more may be used; None is unlimited. What was used beyond the amount leaves nothing."""
        amount = self.amount
        return None if amount is None else max(0, amount - used)

    def beyond(self, used: int) -> int:
        """Return how much was used beyond the amount."""
        amount = self.amount
        return 0 if amount is None else max(0, used - amount)


class Posting(NamedTuple):
    """What an entry of the ledger moves in one counter."""

    counter: CounterKey
    change: int


def grants_at(entitlement: Entitlement, moment: datetime) -> tuple[Grant, ...]:
    """Return the grants that hold at a moment, in the order in which they are used up: what ends first comes first.

    What they leave at their end is lost. Of those that end together the older subscription's comes first.
    Overage is taken by what answers, if it is enabled there, or else by the first that it is enabled for.
    """
    parts = entitlement.parts or (entitlement,)
    burnt = sorted(parts, key=_burn_order(moment))
    takes = next((each for each in (parts[0], *burnt) if each.allowance.overage_enabled), parts[0])
    return tuple(Grant(each.counter_at(moment), each, takes_overage=each is takes) for each in burnt)


def _burn_order(moment: datetime) -> Callable[[Entitlement], tuple[bool, datetime, datetime, int]]:
    def of(part: Entitlement) -> tuple[bool, datetime, datetime, int]:
        ends_at = part.ends_at(moment)
        return ends_at is None, ends_at or moment, part.subscription.start, part.subscription.id

    return of


def postings(change: int, grants: Sequence[Grant], used: Sequence[int]) -> tuple[Posting, ...]:
    """Return what a change that is admitted moves in which counter; nothing where it is 0.

    ``used`` is what each grant's counter says. Units are taken in the order of the grants, each until nothing is
    left of it, and what is beyond all of them from the one that takes overage. They are given back the other way
    round, to none below zero: first what is beyond an amount, then from the last grant to the first.
    """
    parts = _taken(change, grants, used) if change > 0 else _given_back(-change, grants, used)
    return tuple(Posting(grant.counter, part) for grant, part in zip(grants, parts, strict=True) if part)


def _taken(units: int, grants: Sequence[Grant], used: Sequence[int]) -> list[int]:
    parts = []
    for grant, so_far in zip(grants, used, strict=True):
        left = grant.left(so_far)
        parts.append(units if left is None else min(units, left))
        units -= parts[-1]
    return [part + units * grant.takes_overage for grant, part in zip(grants, parts, strict=True)]


def _given_back(units: int, grants: Sequence[Grant], used: Sequence[int]) -> list[int]:
    beyond = _from_last([grant.beyond(so_far) for grant, so_far in zip(grants, used, strict=True)], units)
    units -= sum(beyond)
    rest = _from_last([so_far - part for so_far, part in zip(used, beyond, strict=True)], units)
    return [-(over + part) for over, part in zip(beyond, rest, strict=True)]


def _from_last(amounts: Sequence[int], units: int) -> list[int]:
    """Return how much of each amount makes up the units, from the last one on."""
    parts = []
    for amount in reversed(amounts):
        parts.append(min(units, amount))
        units -= parts[-1]
    return parts[::-1]
