"""A question about one user and one feature, and the rule by which a usage of the same moment is decided."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from kana.model.account import Account
from kana.model.catalog import Catalog
from kana.model.effective import Candidate, candidates, candidates_at
from kana.model.entitlement import DENIED, Decision, Place
from kana.model.feature import Feature
from kana.model.given import Given, Override
from kana.model.grant import CounterKey
from kana.model.placing import place_now, place_then
from kana.model.value import value_object


@value_object(kw_only=True)
class Question:
    """May the total of a feature change by ``change`` at a moment, and why?

    The account must include ended subscriptions. ``is_late`` asks about a given moment, as a usage with a timestamp
    does; otherwise the moment is now.
    """

    account: Account
    catalog: Catalog
    feature: Feature
    change: int
    moment: datetime
    now: datetime
    is_late: bool = False

    def place(self, moment: datetime, *, account: Account | None = None) -> Place | None:
        """Return what answers at a moment, by the rule that a record has then; None if nothing does.

        ``account`` is the user's as it might be instead.
        """
        account = self.account if account is None else account
        if self.is_late:
            return place_then(account, self.catalog, self.feature, moment=moment, now=self.now)
        return place_now(account, self.catalog, self.feature, now=moment)

    def decide(self, place: Place | None, used: Mapping[CounterKey, int]) -> Decision:
        """Return what is decided at a place, by the totals of its counters."""
        return DENIED if place is None else place.decide(self.change, used)

    def candidates(self) -> list[Candidate]:
        """Return the subscriptions that give access at the moment, the one that answers before all others first."""
        if self.is_late:
            return candidates_at(self.account, self.catalog, self.feature, moment=self.moment, now=self.now)
        return candidates(self.account, self.catalog, self.feature, now=self.moment)

    @property
    def given(self) -> list[Given]:
        """What was given to the user of this feature."""
        return [each for each in self.account.given if each.feature_id == self.feature.id]

    @property
    def override(self) -> Override | None:
        """The override that stands in place of packages at the moment."""
        found = (each for each in self.given if isinstance(each, Override) and each.holds(self.moment))
        return next(found, None)
