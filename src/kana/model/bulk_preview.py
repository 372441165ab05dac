"""What moving a user to another package would take from them, before anybody is moved."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from kana.model.account import Account
from kana.model.bulk_change import NOT_FOUND, BulkOutcome, Move, Moved, moved
from kana.model.catalog import Catalog
from kana.model.effective import effective
from kana.model.entitlement import Place, place_at
from kana.model.grant import CounterKey
from kana.model.subscribing import standing_base
from kana.model.value import value_object
from kana.model.word import Word


class Prospect(Word):
    """What would become of a user: ``BulkOutcome`` before anybody is moved."""

    WOULD_CHANGE = "WOULD_CHANGE"
    WOULD_BE_REFUSED = "WOULD_BE_REFUSED"
    WOULD_BE_SKIPPED = "WOULD_BE_SKIPPED"


_PROSPECTS = {
    BulkOutcome.CHANGED: Prospect.WOULD_CHANGE,
    BulkOutcome.REFUSED: Prospect.WOULD_BE_REFUSED,
    BulkOutcome.SKIPPED: Prospect.WOULD_BE_SKIPPED,
}


@value_object()
class Excess:
    """A feature of which more is used than a user's new limit, where overage is not enabled."""

    feature_id: str
    used: int
    limit: int


@value_object(kw_only=True)
class MovePreview:
    """What would become of one user: the features that they would lose, and those that they would be over the limit of.

    ``package_id`` is their base package now; None if they have none.
    """

    user_id: str
    prospect: Prospect
    reason: str | None = None
    package_id: str | None = None
    loses: Sequence[str] = ()
    over: Sequence[Excess] = ()


@value_object(kw_only=True)
class MoveInquiry:
    """A move of one user that is tried, with all places whose totals its preview needs."""

    user_id: str
    package_id: str | None
    moved: Moved
    loses: Sequence[str]
    places: Sequence[Place]

    def counters(self) -> list[CounterKey]:
        """Return all totals that the preview needs."""
        return [counter for place in self.places for counter in place.counters]

    def preview(self, used: Mapping[CounterKey, int]) -> MovePreview:
        """Return the preview by these totals; one that is missing is 0."""
        return MovePreview(
            user_id=self.user_id,
            prospect=_PROSPECTS[self.moved.outcome],
            reason=self.moved.reason,
            package_id=self.package_id,
            loses=self.loses,
            over=list(_over(self.places, used)),
        )


def _over(places: Iterable[Place], used: Mapping[CounterKey, int]) -> Iterator[Excess]:
    for place in places:
        standing = place.standing(used)
        consumption = standing.entitlement.consumption(standing.used)
        if consumption is not None and consumption.budget is not None and consumption.is_passed_by(standing.used):
            yield Excess(standing.entitlement.feature.id, standing.used, consumption.budget)


def inquire(move: Move, account: Account, catalog: Catalog, *, now: datetime) -> MoveInquiry:
    """Try a move of one user, as it would be made at a moment.

    A feature is lost if something answers for it now, and nothing as soon as the new package holds. What is used is
    compared with the limits that hold then, whatever gives them.
    """
    now = account.time(now)
    base = standing_base(account, catalog, now=now)
    result = moved(move, account, catalog, now=now, next_id=account.unused_ids())
    loses: list[str] = []
    places: list[Place] = []
    if result.subscriptions:
        newest = {each.id: each for each in (*account.subscriptions, *result.subscriptions)}
        then = replace(account, subscriptions=tuple(newest.values()))
        moment = result.subscriptions[-1].start
        for feature_id in _touched(result, catalog):
            feature = catalog.feature(feature_id)
            after = effective(then, catalog, feature, now=moment)
            if after is not None:
                places.append(place_at(after, moment, has_holds=account.has_holds))
            elif effective(account, catalog, feature, now=now) is not None:
                loses.append(feature_id)
    return MoveInquiry(
        user_id=account.user.id,
        package_id=None if base is None else base.package_id,
        moved=result,
        loses=loses,
        places=places,
    )


def _touched(result: Moved, catalog: Catalog) -> list[str]:
    """Return the features of all packages that begin or end."""
    packages = [catalog.package(each.package_id) for each in result.subscriptions]
    return list(dict.fromkeys(held.feature_id for package in packages for held in package.features))


def unknown(user_id: str) -> MovePreview:
    """Return the preview of a user who does not exist."""
    return MovePreview(user_id=user_id, prospect=Prospect.WOULD_BE_REFUSED, reason=NOT_FOUND)


@value_object(kw_only=True)
class PreviewTotals:
    """How many users would become what, how many of them would lose something, and how many be over a limit.

    ``is_whole`` if all were looked at; of very many only the first are.
    """

    users: int = 0
    changed: int = 0
    refused: int = 0
    skipped: int = 0
    losing: int = 0
    over: int = 0
    is_whole: bool = True

    def cut(self) -> PreviewTotals:
        """Return them as those of the first users only."""
        return replace(self, is_whole=False)

    def with_page(self, page: Sequence[MovePreview]) -> PreviewTotals:
        """Return them with some more users."""

        def count(prospect: Prospect) -> int:
            return sum(each.prospect is prospect for each in page)

        return replace(
            self,
            users=self.users + len(page),
            changed=self.changed + count(Prospect.WOULD_CHANGE),
            refused=self.refused + count(Prospect.WOULD_BE_REFUSED),
            skipped=self.skipped + count(Prospect.WOULD_BE_SKIPPED),
            losing=self.losing + sum(bool(each.loses) for each in page),
            over=self.over + sum(bool(each.over) for each in page),
        )
