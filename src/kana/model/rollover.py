"""Rollover: what earlier periods left of an allowance, worked out from their totals whenever somebody looks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from itertools import islice

from kana.model.allowance import Allowance
from kana.model.entitlement import Entitlement, Holder
from kana.model.grant import CounterKey, Grant, Source
from kana.model.period import Period
from kana.model.value import value_object


@value_object()
class Carried:
    """What earlier periods of an entitlement left, as far as its package carries it on.

    What one period left is a grant of its own: it counts what is used of it in a total of its own, and is lost after
    so many periods. All of them together have at most the rollover's limit left, the older ones first. Nothing is
    stored but totals, so usage that is told late counts, and no job has to run when a period ends.
    """

    entitlement: Entitlement
    limit: int
    periods: int

    def holder_of(self, _grant: Grant) -> Holder:
        """Return what counts the units that are left."""
        return self.entitlement.holder

    @property
    def begins(self) -> datetime:
        """When what leaves it began."""
        return self.entitlement.begins

    def counters_at(self, moment: datetime) -> Sequence[CounterKey]:
        """Return the totals of the earlier periods, and of what was used of what they left."""
        earlier = [self.entitlement.counter_of(period) for period in self._earlier(moment)]
        brought = [each for counter in earlier for each in self.entitlement.brought_into(counter)]
        return [*earlier, *brought, *(counter.carried for counter in earlier)]

    def grants_at(self, moment: datetime, used: Mapping[CounterKey, int]) -> list[Grant]:
        """Return what is left of each earlier period, or was; of those that left nothing there is no grant."""
        grants, room = [], self.limit
        earlier, ends = self._earlier(moment), list(self._ends(moment))
        for period, ends_at in zip(earlier, ends[-len(earlier) :], strict=False):
            grant = self._grant(period, ends_at, used, room)
            if grant is not None:
                grants.append(grant)
                room -= grant.left or 0
        return grants

    def _grant(
        self, period: Period, ends_at: datetime | None, used: Mapping[CounterKey, int], room: int
    ) -> Grant | None:
        counter = self.entitlement.counter_of(period)
        totals = (counter, *self.entitlement.brought_into(counter))
        spent = sum(used.get(each, 0) + used.get(each.held, 0) for each in totals)
        remained = max(0, (self.entitlement.allowance.limit or 0) - spent)
        taken, held = used.get(counter.carried, 0), used.get(counter.carried.held, 0)
        amount = min(remained, self.limit, taken + held + room)
        if not (amount or taken or held):
            return None
        return Grant(
            source=Source.ROLLOVER,
            counter=counter.carried,
            package_id=self.entitlement.holder.package_id,
            since=period.end or period.start,
            ends_at=ends_at,
            allowance=Allowance(limit=amount),
            used=taken,
            holder_id=self.entitlement.holder.id,
            held=held,
        )

    def _earlier(self, moment: datetime) -> list[Period]:
        """Return the periods whose rest is not lost yet, the oldest first."""
        held, reset = self.entitlement.holder, self.entitlement.allowance.reset_period
        return list(islice(held.periods_before(reset, moment), self.periods))[::-1]

    def _ends(self, moment: datetime) -> Iterator[datetime | None]:
        """Yield when what the oldest period that can be left would be lost, and so on to that of the newest."""
        for _ in range(self.periods):
            yield self.entitlement.ends_at(moment)
            moment = self.entitlement.period_at(moment).end or moment
