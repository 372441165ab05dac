"""Merging two users: what one used in the current periods is moved to the other, as entries of both ledgers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import NamedTuple

from kana.errors import Conflict
from kana.model.account import Account
from kana.model.catalog import Catalog
from kana.model.effective import effective
from kana.model.entitlement import Outcome, Place, Standing, place_at
from kana.model.grant import CounterKey
from kana.model.text import UNITS_MAX
from kana.model.usage import Action, Entry, Usage, entry_for, package_of, posted
from kana.model.user import User, UserRef
from kana.model.value import value_object


@value_object(kw_only=True)
class MergedUser:
    """A user who was merged into another: who they were, and when. What they used is still stored under their key."""

    user: User
    merged_at: datetime


class SharedFeature(NamedTuple):
    """A CONSUMABLE feature that both users have: where each counts it."""

    id: str
    source: Place
    target: Place


class MovedEntry(NamedTuple):
    """An entry that moves usage out of one ledger or into the other, and the package that it counts for."""

    entry: Entry
    package_id: str


def check_nothing_held(source: Account, *, now: datetime) -> None:
    """Refuse to merge a user while some of their units are set aside: these would be lost.

    Raises:
        Conflict: a reservation of theirs is open.
    """
    if source.holds_end is not None and now < source.holds_end:
        raise Conflict(
            f"User '{source.user.id}' has open reservations; settle or release them first, or wait for their end"
        )


def shared_features(source: Account, target: Account, catalog: Catalog, *, now: datetime) -> list[SharedFeature]:
    """Return the counted features that both users may use now, in the order of the catalogue."""
    return list(_shared(source, target, catalog, now))


def _shared(source: Account, target: Account, catalog: Catalog, now: datetime) -> Iterator[SharedFeature]:
    for feature in catalog.features.values():
        if feature.is_counted:
            theirs = effective(source, catalog, feature, now=now)
            ours = effective(target, catalog, feature, now=now)
            if theirs is not None and ours is not None and not (ours.override and ours.override.denied):
                yield SharedFeature(
                    feature.id,
                    place_at(theirs, now, has_holds=source.has_holds),
                    place_at(ours, now, has_holds=target.has_holds),
                )


def moved_entries(
    source: UserRef,
    target: UserRef,
    shared: Sequence[SharedFeature],
    used: Mapping[CounterKey, int],
    *,
    now: datetime,
    next_id: Callable[[], int],
) -> list[MovedEntry]:
    """Return two entries for each shared feature of which the source used something: out of its counters, and in.

    Together they change no total of units. What is moved counts even where it passes the limit of the target, whose
    next usage is then refused: merging gives nothing away.
    """
    return [moved for feature in shared for moved in _moved(source, target, feature, used, now, next_id)]


def _moved(
    source: UserRef,
    target: UserRef,
    feature: SharedFeature,
    used: Mapping[CounterKey, int],
    now: datetime,
    next_id: Callable[[], int],
) -> list[MovedEntry]:
    theirs, ours = feature.source.standing(used), feature.target.standing(used)
    units = min(theirs.used, UNITS_MAX - ours.used)
    if units <= 0:
        return []
    taken = _usage(source, feature.id, -units, {"mergedInto": target.id})
    given = _usage(target, feature.id, units, {"mergedFrom": source.id})
    return [
        _entry(taken, source, theirs, now, next_id),
        _entry(given, target, ours, now, next_id),
    ]


def _usage(user: UserRef, feature_id: str, delta: int, metadata: object) -> Usage:
    return Usage(
        environment=user.environment, user_id=user.id, feature_id=feature_id, delta=delta, action=Action.ADD,
        metadata=metadata,
    )  # fmt: skip


def _entry(usage: Usage, user: UserRef, standing: Standing, now: datetime, next_id: Callable[[], int]) -> MovedEntry:
    entry = entry_for(usage, user, standing, entry_id=next_id(), now=now)
    if not entry.recorded:
        entry = _beyond_the_limit(entry, standing)
    return MovedEntry(entry, package_of(entry, standing))


def _beyond_the_limit(entry: Entry, standing: Standing) -> Entry:
    """Return an entry as if the limit were no reason to refuse it."""
    counter, split = posted(standing, entry.delta)
    return replace(
        entry,
        outcome=Outcome.RECORDED,
        reason=None,
        change=entry.delta,
        counter=counter,
        consumption=standing.entitlement.consumption(standing.used + entry.delta),
        split=split,
    )
