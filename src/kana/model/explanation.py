"""Why a user may or may not use a feature: what holds, what does not, when it would fit, and what would unlock it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from kana.model.entitlement import Decision, Place
from kana.model.feature import Feature
from kana.model.given import Override
from kana.model.grant import CounterKey
from kana.model.later import moments_after
from kana.model.question import Question
from kana.model.reasons import HeldGrant, NotHeld, held, not_held
from kana.model.unlock import Attempt, Unlock, attempts, cheapest_first
from kana.model.value import value_object


@value_object(kw_only=True)
class Explanation:
    """Why a user may or may not use so many units of a feature at a moment.

    ``decision`` is that of a record of the same units at that moment, with the consumption before it. ``grants`` hold
    then, in the order in which they are used up. ``fits_at`` is the first moment from then on at which the units fit,
    if nothing is used or changed until then; None if that is never, or not asked. ``unlocks`` are the packages with
    which they would be admitted at once, the cheapest first; none if they are admitted, or the moment was given.
    """

    feature: Feature
    moment: datetime
    change: int
    decision: Decision
    override: Override | None
    grants: Sequence[HeldGrant]
    not_held: Sequence[NotHeld]
    fits_at: datetime | None
    unlocks: Sequence[Unlock]


@value_object(kw_only=True)
class Inquiry:
    """A question, with all places that have to be decided on to answer it: now, later, and with other packages."""

    question: Question
    place: Place | None
    later: Sequence[Place]
    attempts: Sequence[Attempt]

    def counters(self) -> list[CounterKey]:
        """Return all totals that the answer needs."""
        places = [self.place, *self.later, *(place for _, place in self.attempts)]
        return list(dict.fromkeys(counter for place in places if place is not None for counter in place.counters))

    def explain(self, used: Mapping[CounterKey, int]) -> Explanation:
        """Return the answer by these totals; one that is missing is 0."""
        question = self.question
        decision = question.decide(self.place, used)
        return Explanation(
            feature=question.feature,
            moment=question.moment,
            change=question.change,
            decision=decision,
            override=question.override,
            grants=held(question, self.place, used),
            not_held=list(not_held(question, self.place)),
            fits_at=question.moment if decision.access else self._fits_at(used),
            unlocks=[] if decision.access else self._unlocks(used),
        )

    def _fits_at(self, used: Mapping[CounterKey, int]) -> datetime | None:
        return next((place.moment for place in self.later if self.question.decide(place, used).access), None)

    def _unlocks(self, used: Mapping[CounterKey, int]) -> list[Unlock]:
        return cheapest_first([unlock for unlock, place in self.attempts if self.question.decide(place, used).access])


def inquire(question: Question) -> Inquiry:
    """Return what has to be decided on to answer a question. What would help is tried only if it is about now."""
    place = question.place(question.moment)
    if question.is_late:
        return Inquiry(question=question, place=place, later=(), attempts=())
    later = [question.place(moment) for moment in moments_after(question)]
    return Inquiry(
        question=question,
        place=place,
        later=[each for each in later if each is not None],
        attempts=list(attempts(question)),
    )
