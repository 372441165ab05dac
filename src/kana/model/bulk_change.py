"""Moving many users to another package: who is moved, what becomes of each of them, and the way back."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from hashlib import sha256
from typing import NamedTuple

from kana.errors import BadInput, IdempotencyKeyReused, InvalidValue
from kana.model.account import Account
from kana.model.catalog import Catalog
from kana.model.environment import Actor, Environment
from kana.model.package import Package, PackageStatus
from kana.model.subscribing import cancel, change_base, resume, standing_base
from kana.model.subscription import Subscription
from kana.model.terms import ChangeTime, ChangeUsage
from kana.model.text import TEXT_LENGTH_MAX, check_text, identifier, shown
from kana.model.value import value_object
from kana.model.word import Word

USERS_MAX = 10_000
"""Most users of a list of ids. What a package or a search finds has no such bound."""

NOT_FOUND = "The user does not exist."
GONE = "The user does not exist any more: they were deleted, or merged into another."
STOPPED = "The changes were taken back before it was the user's turn."


class BulkState(Word):
    """How far the job is: its users are listed, moved, all done with; and if it is taken back the same again."""

    LISTING = "LISTING"
    RUNNING = "RUNNING"
    DONE = "DONE"
    TAKING_BACK = "TAKING_BACK"
    TAKEN_BACK = "TAKEN_BACK"


OPEN = frozenset({BulkState.LISTING, BulkState.RUNNING, BulkState.TAKING_BACK})
"""The states in which something is left to do."""


class BulkOutcome(Word):
    """What has become of one user: their turn is to come, they were moved, a rule forbids it, or there was no need."""

    WAITING = "WAITING"
    CHANGED = "CHANGED"
    REFUSED = "REFUSED"
    SKIPPED = "SKIPPED"


@value_object(kw_only=True)
class Move:
    """Who is to move to which base package, when, and what becomes of what they used.

    They are the users with ``user_ids``, or those who have the base package ``from_package_id`` and whose id, name or
    e-mail begins with ``search``. Of the latter two one may be left out.
    """

    package_id: str
    when: ChangeTime = ChangeTime.NOW
    usage: ChangeUsage = ChangeUsage.RESET
    from_package_id: str | None = None
    search: str = ""
    user_ids: tuple[str, ...] | None = None

    def check(self, catalog: Catalog) -> None:
        """Refuse what can be possible for nobody.

        Raises:
            PackageNotFound: one of the packages does not exist.
            InvalidValue: nobody is named, or in two ways, or more than 10,000 by their ids; a package is an add-on,
                the new one is not published, or it is the old one.
        """
        self._check_who()
        _check_base(catalog.package(self.package_id), field="packageId")
        status = catalog.package(self.package_id).status
        if status is not PackageStatus.PUBLISHED:
            raise InvalidValue(
                f"packageId must name a published package, and {self.package_id!r} is {status}", field="packageId"
            )
        if self.from_package_id is not None:
            _check_base(catalog.package(self.from_package_id), field="fromPackageId")
            if self.from_package_id == self.package_id:
                raise InvalidValue(
                    f"packageId must be another package than fromPackageId, got {self.package_id!r} for both",
                    field="packageId",
                )

    def _check_who(self) -> None:
        check_text(self.search, field="search")
        if len(self.search) > TEXT_LENGTH_MAX:
            raise InvalidValue(
                f"search must be at most {TEXT_LENGTH_MAX} characters, got {len(self.search)}", field="search"
            )
        if self.user_ids is None:
            if self.from_package_id is None and not self.search:
                raise InvalidValue("userIds, fromPackageId or search must say who is moved", field="userIds")
            return
        if self.from_package_id is not None or self.search:
            raise InvalidValue(
                "userIds cannot be given with fromPackageId or search: the list says who is moved", field="userIds"
            )
        if not 1 <= len(self.user_ids) <= USERS_MAX:
            raise InvalidValue(f"userIds must name 1 to {USERS_MAX} users, got {len(self.user_ids)}", field="userIds")
        for user_id in self.user_ids:
            identifier(user_id, field="userIds")

    @property
    def digest(self) -> bytes:
        """What is stored of who is moved, to tell whether a key is used again for the same: 16 bytes of a SHA-256."""
        return sha256(json.dumps([self.search, self.user_ids]).encode()).digest()[:16]


def _check_base(package: Package, *, field: str) -> None:
    if package.is_addon:
        raise InvalidValue(f"{field} must name a base package, and {package.id!r} is an add-on", field=field)


@value_object(kw_only=True)
class BulkChange:
    """A job that moves many users. ``moved_at`` is when it last made progress; ``key`` that of its caller, as a digest.

    Once its users are listed, only the list says who they are: the ``move`` has no search and no ids any more.
    """

    id: int
    environment: Environment
    move: Move
    digest: bytes
    by: Actor
    begun_at: datetime
    moved_at: datetime
    state: BulkState = BulkState.LISTING
    taken_back_by: Actor | None = None
    key: bytes | None = None

    def check_same(self, again: BulkChange) -> None:
        """Refuse a key that began something else before.

        Raises:
            IdempotencyKeyReused: it did; the message names the fields that differ.
        """
        pairs = (
            ("packageId", self.move.package_id, again.move.package_id),
            ("when", self.move.when, again.move.when),
            ("usage", self.move.usage, again.move.usage),
            ("fromPackageId", self.move.from_package_id, again.move.from_package_id),
            ("userIds or search", self.digest, again.digest),
        )
        differing = [name for name, mine, other in pairs if mine != other]
        if differing:
            raise IdempotencyKeyReused(
                f"idempotencyKey was used before with other content: {', '.join(differing)} differ; nothing was begun"
            )


class Trace(NamedTuple):
    """What moving a user has left for the way back: both subscriptions, and when the old one was to end before."""

    old_id: int
    new_id: int
    old_ends_at: datetime | None


class Moved(NamedTuple):
    """What becomes of one user, with the reason if they are not moved, and the subscriptions that change."""

    outcome: BulkOutcome
    reason: str | None = None
    subscriptions: Sequence[Subscription] = ()
    trace: Trace | None = None


def _skipped(reason: str) -> Moved:
    return Moved(BulkOutcome.SKIPPED, reason)


def moved(move: Move, account: Account, catalog: Catalog, *, now: datetime, next_id: Callable[[], int]) -> Moved:
    """Move one user by the rule of ``change_base``, whose refusal is an outcome here.

    Who has the new package already is skipped, and so is who no longer has the package that they were to move from.
    """
    base = standing_base(account, catalog, now=now)
    if base is not None and base.package_id == move.package_id:
        return _skipped(f"The user already has {shown(move.package_id)}.")
    if move.from_package_id is not None and (base is None or base.package_id != move.from_package_id):
        return _skipped(f"The user does not have {shown(move.from_package_id)} now.")
    try:
        changed = change_base(
            account, catalog, move.package_id, when=move.when, usage=move.usage, now=now, next_id=next_id
        )
    except BadInput as error:
        return Moved(BulkOutcome.REFUSED, error.message)
    assert base is not None  # Or it was refused.
    return Moved(BulkOutcome.CHANGED, None, changed, Trace(base.id, changed[-1].id, base.ends_at))


def taken_back(trace: Trace, account: Account, catalog: Catalog, *, now: datetime, next_id: Callable[[], int]) -> Moved:
    """Move one user back to the package that they had, which ends when it was to end before.

    What they have used since then counts on. A change that is still to come is taken back as by ``resume``. Who has
    been changed by somebody else since then is skipped.
    """
    held = {each.id: each for each in account.subscriptions}
    old, new = held[trace.old_id], held[trace.new_id]
    if not new.stands(now):
        return _skipped("The subscription that the user was moved to has ended since.")
    if new.ends_at is not None:
        return _skipped(
            f"The subscription that the user was moved to is now going to end at {new.ends_at.isoformat()}."
        )
    if new.has_begun(now) and trace.old_ends_at is not None and trace.old_ends_at <= now:
        return _skipped(f"What the user had before was to end at {trace.old_ends_at.isoformat()}.")
    try:
        return Moved(BulkOutcome.CHANGED, None, _back(trace, old, new, account, catalog, now=now, next_id=next_id))
    except BadInput as error:
        return Moved(BulkOutcome.REFUSED, error.message)


def _back(
    trace: Trace,
    old: Subscription,
    new: Subscription,
    account: Account,
    catalog: Catalog,
    *,
    now: datetime,
    next_id: Callable[[], int],
) -> Sequence[Subscription]:
    if new.has_begun(now):
        return change_base(
            account,
            catalog,
            old.package_id,
            usage=ChangeUsage.CARRY,
            ends_at=trace.old_ends_at,
            now=now,
            next_id=next_id,
        )
    if trace.old_ends_at is None:
        return resume(account, catalog, old.id, now=now)
    return cancel(account, catalog, new.id, at_period_end=False, now=now)


@value_object(kw_only=True)
class BulkResult:
    """What has become of one user of a job, and on the way back. ``number`` is their place in its list, from 1."""

    change_id: int
    number: int
    user_id: str
    outcome: BulkOutcome
    reason: str | None
    back: BulkOutcome | None
    back_reason: str | None


@value_object(kw_only=True)
class Progress:
    """How many users of a job there are, and of which outcome; ``back`` counts those on the way back, if it was gone.

    Both name every outcome.
    """

    users: int
    there: Mapping[BulkOutcome, int]
    back: Mapping[BulkOutcome, int]


def progress(counts: Mapping[tuple[BulkOutcome, BulkOutcome | None], int], state: BulkState) -> Progress:
    """Return the progress of a job by how many of its users have which outcomes there and back.

    On the way back those who were moved wait for their turn until they have an outcome.
    """
    there, back = dict.fromkeys(BulkOutcome, 0), dict.fromkeys(BulkOutcome, 0)
    for (outcome, back_outcome), count in counts.items():
        there[outcome] += count
        if back_outcome is not None:
            back[back_outcome] += count
        elif outcome is BulkOutcome.CHANGED and state is BulkState.TAKING_BACK:
            back[BulkOutcome.WAITING] += count
    return Progress(users=sum(there.values()), there=there, back=back)
