"""What the engine needs of the world. What ``tests/contract`` does not pin is not promised.

A port method is one transaction and speaks the domain. Where something must be decided
inside the transaction, the store reads under a lock, calls the pure rule it was given,
and writes what the rule returned: so a rule stands once, whatever the database.

Any method may raise ``Unavailable`` (nothing was written) and, if it writes,
``OutcomeUnknown`` (it may have been).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple, Protocol

from kana.model.account import Account
from kana.model.catalog import Catalog
from kana.model.entitlement import CounterKey
from kana.model.environment import Actor, Environment
from kana.model.insights import Adoption, Refusals, Steps, TopUser, UsageRow
from kana.model.key import ApiKey, EnvironmentSettings, Keyring, SigningSecret
from kana.model.log import LogLine
from kana.model.period import ResetPeriod
from kana.model.person import Invitation, Person, Session
from kana.model.roster import Roster, Row
from kana.model.search import UserSearch
from kana.model.segment import EventStatus, MappingRule, SegmentEvent
from kana.model.subscription import Subscription
from kana.model.throttle import Throttle
from kana.model.usage import Entry
from kana.model.user import User
from kana.model.value import dataclass

if TYPE_CHECKING:
    from kana.engine.batch import Batch


Want = Callable[[Account, Catalog], Iterable[CounterKey]]
"""Names the totals that a reader needs of one account; it may be called again on a newer moment."""

RowMerge = Callable[[Environment, Row, User | None], User]
"""Returns a user as a row has it, from what is there: the same user where nothing changes, a new one for None."""


EventMapper = Callable[[SegmentEvent, Sequence[MappingRule]], SegmentEvent]
"""Returns an event as the rules map it."""


class Clock(Protocol):
    """Says what time it is."""

    def __call__(self) -> datetime:
        """Return the time now: aware, UTC, cut to the millisecond."""
        ...


class Meter(Protocol):
    """Takes note of what happens, for those who watch."""

    def decided(self, operation: str, reasons: Iterable[str]) -> None:
        """Decisions of ``check`` or ``record`` that were made together, each by its stable reason."""
        ...

    def batch(self, size: int, seconds: float) -> None:
        """One batch of so many entries reached the disk in so many seconds."""
        ...

    def segment(self, statuses: Iterable[str]) -> None:
        """What became of Segment's events, each as often as something did."""
        ...


class Subscribed(NamedTuple):
    """A subscription with the id its user has now."""

    user_id: str
    subscription: Subscription


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What was read at one moment: the catalogue, the accounts found, and the totals asked for.

    A total that is not in ``used`` is 0: nothing was recorded in its period.
    """

    catalog: Catalog
    accounts: Mapping[str, Account]
    used: Mapping[CounterKey, int]


@dataclass(frozen=True, slots=True)
class Drift:
    """A counter that does not equal the sum of its entries."""

    counter: CounterKey
    counted: int
    in_ledger: int


@dataclass(frozen=True, slots=True)
class TallyDrift:
    """A total of a day or an hour that differs from its entries. Each side is units, entries and refusals.

    ``user`` is the bucket and key of a day's user; of an hour, which is over all users, None.
    """

    environment: str
    user: tuple[int, int] | None
    feature_id: str
    package_id: str
    start: datetime
    counted: tuple[int, int, int]
    in_ledger: tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Audit:
    """What recomputing every counter from the ledger found."""

    entries: int
    counters: int
    drifts: tuple[Drift, ...]
    tally_drifts: tuple[TallyDrift, ...] = ()

    @property
    def is_clean(self) -> bool:
        """Whether every total equals what the ledger says."""
        return not (self.drifts or self.tally_drifts)


class CatalogStore(Protocol):
    """Where features and packages are kept, one catalogue an environment."""

    async def catalog(self, environment: Environment) -> Catalog:
        """Return the catalogue as last committed by any process."""
        ...

    async def change_catalog(
        self, environment: Environment, change: Callable[[Catalog], Catalog], *, by: Actor, now: datetime
    ) -> Catalog:
        """Apply a pure change to the newest catalogue, log who made it, and return what is committed.

        Changes are serialised: ``change`` may be called again on a newer catalogue. What it raises is raised,
        and nothing is written.
        """
        ...

    async def count_subscribers(self, environment: Environment, *, now: datetime) -> Mapping[str, int]:
        """Return how many subscriptions stand to each package; those without any are left out."""
        ...

    async def count_over(
        self,
        environment: Environment,
        package_id: str,
        feature_id: str,
        *,
        limit: int,
        reset: ResetPeriod | None,
        now: datetime,
    ) -> int:
        """Return how many subscriptions that stand to a package have used more than ``limit`` in their current period.

        The period is the one that ``reset`` gives each of them, from its own start. Takes a time that
        grows with the package's subscriptions, and holds up no decision and no write.
        """
        ...


class Signed(NamedTuple):
    """Who makes a change, as the administrative log tells it, and the clock that says when: asked under the lock."""

    by: Actor
    clock: Clock


class AccountStore(Protocol):
    """Where users and their subscriptions are kept. A change that is signed is logged in the same transaction."""

    async def create_user(self, user: User, *, signed: Signed | None = None) -> User:
        """Add a user.

        Raises:
            Conflict: the id is taken in this environment.
        """
        ...

    async def user(self, environment: Environment, user_id: str) -> User:
        """Return the user.

        Raises:
            UserNotFound: none has this id.
        """
        ...

    async def user_by_key(self, environment: Environment, bucket: int, key: int) -> User | None:
        """Return the user whose data is kept under this bucket and key, renamed or not; None where there is none."""
        ...

    async def users(self, environment: Environment, *, limit: int, after: str | None) -> list[User]:
        """Return at most ``limit`` users in the order of their ids, from the first id after ``after``."""
        ...

    async def update_user(
        self, environment: Environment, user_id: str, change: Callable[[User], User], *, signed: Signed | None = None
    ) -> User:
        """Apply a pure change to a user under its lock. The id may change; subscriptions and usage follow.

        Raises:
            UserNotFound: none has this id.
            Conflict: the new id is taken.
        """
        ...

    async def revoke_tokens(self, environment: Environment, user_id: str, *, by: Actor, now: datetime) -> User:
        """Raise the version of a user's tokens under their lock, and log it.

        Raises:
            UserNotFound: none has this id.
        """
        ...

    async def change_subscriptions(
        self,
        environment: Environment,
        user_id: str,
        change: Callable[[Account, Catalog], Sequence[Subscription]],
        *,
        signed: Signed | None = None,
    ) -> list[Subscription]:
        """Apply a change to an account under its lock: new and changed subscriptions are written and returned.

        The account holds ended subscriptions too. ``change`` may be called again on a newer one; whatever asks
        for the time in it asks under the lock.

        Raises:
            UserNotFound: none has this id.
        """
        ...

    async def subscription(self, environment: Environment, subscription_id: int) -> Subscribed:
        """Return the subscription, ended or not.

        Raises:
            SubscriptionNotFound: none has this id.
        """
        ...

    async def subscriptions(
        self, environment: Environment, *, user_id: str | None, limit: int, after: int | None
    ) -> list[Subscribed]:
        """Return at most ``limit`` subscriptions, ended or not, the oldest first, from the first id after ``after``.

        Raises:
            UserNotFound: ``user_id`` is given and none has it.
        """
        ...

    async def search_users(self, search: UserSearch) -> list[User]:
        """Return a page of the users that match, quickly among hundreds of thousands."""
        ...

    async def users_by_id(self, environment: Environment, ids: Sequence[str]) -> Mapping[str, User]:
        """Return those of the users who exist, by id."""
        ...


class RosterStore(Protocol):
    """The journal of rosters that are merged into the users: each call is one short transaction.

    A roster is kept page by page, then decided, then merged page by page. Until it is decided nobody sees anything
    of it and it can be dropped; from then on all of it will be merged, whatever ends in between.
    """

    async def begin_roster(self, roster: Roster) -> None:
        """Open the journal of a roster that is not decided."""
        ...

    async def keep_page(self, roster_id: int, page: int, rows: Sequence[Row], *, now: datetime) -> None:
        """Add a page to a roster; ``page`` numbers it.

        Raises:
            Conflict: the roster was dropped, by somebody who took it for left behind.
        """
        ...

    async def decide_roster(self, roster_id: int, *, now: datetime) -> None:
        """Decide that a roster is merged.

        Raises:
            Conflict: as for a page.
        """
        ...

    async def merge_page(self, roster_id: int, merge: RowMerge, *, now: datetime) -> int | None:
        """Merge the next page of a decided roster into the users and forget it; return how many rows it had.

        None when there is no page left: then the log has its one line, with counts, and the roster is gone.

        Raises:
            Conflict: another call made one of the users meanwhile; nothing was written, try again.
        """
        ...

    async def drop_page(self, roster_id: int) -> bool:
        """Forget a page of a roster that was not decided, and at last the roster; return whether more is left."""
        ...

    async def rosters(self) -> list[Roster]:
        """Return the rosters that are under way or were left behind, the oldest first."""
        ...


class Ledger(Protocol):
    """Where usage is kept: entries that are never updated, and the totals derived from them."""

    def lane(self, environment: Environment, user_id: str) -> int:
        """Return which batches this user's usage may join: users of different lanes can commit side by side."""
        ...

    async def append(self, batch: Batch) -> None:
        """Decide and write a batch in one transaction; return after the commit is on disk.

        Reads the newest catalogues, and the batch's accounts under their locks, of those who are ``batch.late``
        with ended subscriptions; calls ``batch.place``,
        reads the totals it asks for, calls ``batch.decide``, writes ``batch.entries`` and ``batch.totals``.
        """
        ...

    async def snapshot(
        self,
        environment: Environment,
        user_ids: Sequence[str],
        want: Want,
        *,
        history: bool = False,
    ) -> Snapshot:
        """Return the accounts of these users and the totals that ``want`` names for each.

        A user who does not exist is left out. With ``history`` accounts hold ended subscriptions too.
        """
        ...

    async def entries(self, environment: Environment, user_id: str, *, limit: int, before: int | None) -> list[Entry]:
        """Return at most ``limit`` entries of a user, refusals included, the newest first, from before an id.

        Raises:
            UserNotFound: none has this id.
        """
        ...

    async def audit(self) -> Audit:
        """Recompute every total from the entries and return where they differ."""
        ...


@dataclass(frozen=True, slots=True)
class Threshold:
    """From how many units on an entitlement of a package is of interest."""

    package_id: str
    feature_id: str
    reset_period: ResetPeriod | None
    limit: int
    used: int


class NearTotal(NamedTuple):
    """A running total of a current period at or above its threshold."""

    user_id: str
    feature_id: str
    used: int
    limit: int


class InsightStore(Protocol):
    """Where totals of usage and the administrative log are read. Long reads: they hold up no decision and no write."""

    async def usage_by_step(
        self,
        environment: Environment,
        steps: Steps,
        feature_ids: Sequence[str],
        package_ids: Sequence[str | None],
        *,
        limit: int,
    ) -> list[UsageRow]:
        """Return at most ``limit`` rows, in any order: one for each step, feature and package with entries."""
        ...

    async def usage_of(
        self,
        environment: Environment,
        user_id: str,
        steps: Steps,
        feature_ids: Sequence[str],
        package_ids: Sequence[str | None],
    ) -> list[UsageRow]:
        """Return what one user used: a row for each hour, where steps are hours, else for each day.

        Raises:
            UserNotFound: none has this id.
        """
        ...

    async def adoption(
        self, environment: Environment, packages_of: Mapping[str, Sequence[str]], *, start: datetime, end: datetime
    ) -> list[Adoption]:
        """Return for each feature how many users had one of its packages in these days, and how many used it."""
        ...

    async def top_users(
        self, environment: Environment, feature_id: str, *, start: datetime, end: datetime, limit: int
    ) -> list[TopUser]:
        """Return who used most of a feature in these days, the first one most."""
        ...

    async def near_limits(
        self, environment: Environment, thresholds: Sequence[Threshold], *, now: datetime
    ) -> list[NearTotal]:
        """Return the totals of current periods that reach their threshold, in any order."""
        ...

    async def refusals(
        self,
        environment: Environment,
        *,
        start: datetime,
        end: datetime,
        feature_id: str | None,
        user_id: str | None,
        limit: int,
    ) -> list[Refusals]:
        """Return who was refused what in ``[start, end)`` and for which reason, the most often refused first.

        Raises:
            UserNotFound: ``user_id`` is given and none has it.
        """
        ...

    async def log(
        self, environment: Environment, *, limit: int, before: int | None, subject_id: str | None, shared: bool
    ) -> list[LogLine]:
        """Return at most ``limit`` changes, the newest first, from before an id; of one subject, or of all.

        ``shared`` takes in those of the whole workspace, which no environment owns.
        """
        ...


class KeyStore(Protocol):
    """Where keys, environments' settings and signing secrets are kept."""

    async def initialise(self, keyring: Keyring, *, by: Actor, now: datetime) -> bool:
        """Write the first keyring; return False and write nothing when there is one already."""
        ...

    async def keyring(self) -> Keyring | None:
        """Return all of it as last committed by any process; None before ``initialise``."""
        ...

    async def address(self) -> str | None:
        """Return where a server of this workspace was last started; None where none was."""
        ...

    async def change_address(self, address: str) -> None:
        """Note where a server of this workspace is started."""
        ...

    async def add_key(self, key: ApiKey, *, by: Actor, now: datetime) -> None:
        """Add a key."""
        ...

    async def revoke_key(self, key: ApiKey, *, by: Actor, now: datetime) -> None:
        """Revoke a key from now on. Revoking again changes nothing."""
        ...

    async def use_keys(self, uses: Mapping[bytes, datetime]) -> None:
        """Note by hash when keys were last used; what is noted already and later stays. Unknown ones are left out."""
        ...

    async def change_settings(self, settings: EnvironmentSettings, *, by: Actor, now: datetime) -> None:
        """Replace the settings of one environment."""
        ...

    async def add_signing_secret(self, secret: SigningSecret, *, by: Actor, now: datetime) -> None:
        """Add a secret, which signs from now on; tokens signed with older ones stay valid."""
        ...

    async def revoke_signing_secret(self, secret: SigningSecret, *, by: Actor, now: datetime) -> None:
        """Revoke a secret from now on. Revoking again changes nothing."""
        ...

    async def seal_signing_secrets(self, *, plainly: bool = False) -> int:
        """Seal every secret that the newest key did not seal; return how many. ``plainly`` takes all seals off.

        Raises:
            DatabaseRefused: one is sealed with a key that is not known here; nothing was changed.
        """
        ...

    async def replace_lost_secrets(self, new: Sequence[SigningSecret], *, by: Actor, now: datetime) -> list[str]:
        """Forget secrets whose key is not known here; return their ids.

        Of ``new`` those of environments that are left with none are added.
        """
        ...


class PeopleStore(Protocol):
    """Where people, their sessions and invitations are kept. Small: a workspace has few people."""

    async def people(self) -> Mapping[str, Person]:
        """Return everybody by address, disabled ones included, the oldest first."""
        ...

    async def change_people(
        self, change: Callable[[Mapping[str, Person]], Person], *, by: Actor, now: datetime
    ) -> Person:
        """Apply a pure change to one person under a lock and log it; what rested on how they were ends with it.

        That is their sessions, the open links to their address, and those they made where they may invite no more.

        ``change`` may be called again on newer people. What it raises is raised, and nothing is written.
        """
        ...

    async def add_invitation(self, invitation: Invitation, *, by: Actor, now: datetime) -> None:
        """Add an invitation in place of earlier ones to the same address, and forget those that have expired."""
        ...

    async def invitations(self) -> list[Invitation]:
        """Return all that were not used, expired ones included, those that expire first first."""
        ...

    async def withdraw_invitation(self, hashed: bytes, *, by: Actor, now: datetime) -> Invitation | None:
        """Delete an invitation and log it; None where it was used, withdrawn, or never was."""
        ...

    async def invitation(self, hashed: bytes) -> Invitation | None:
        """Return the invitation, expired or not; None where it was used or never was."""
        ...

    async def invitation_to(self, email: str) -> Invitation | None:
        """Return the invitation to an address, expired or not."""
        ...

    async def accept_invitation(
        self, hashed: bytes, accept: Callable[[Invitation, Mapping[str, Person]], Person], *, now: datetime
    ) -> Person:
        """Use up an invitation and write the person that ``accept`` returns, as ``change_people`` writes one.

        Of two who come with one link, one gets in. What ``accept`` raises is raised, and nothing is written.

        Raises:
            NotFound: it was used or never was.
        """
        ...

    async def add_session(self, session: Session, person: Person) -> bool:
        """Add a session, and forget those that are over.

        False, and none is added, where the person was disabled or got another password since they were read.
        """
        ...

    async def session(self, hashed: bytes) -> tuple[Session, Person] | None:
        """Return the session, over or not, and whose it is."""
        ...

    async def touch_session(self, hashed: bytes, *, now: datetime) -> None:
        """Note that a session was used."""
        ...

    async def end_session(self, hashed: bytes) -> None:
        """End one session; ending it again changes nothing."""
        ...

    async def end_sessions(self, email: str) -> None:
        """End every session of a person."""
        ...

    async def take_try(self, throttles: Sequence[Throttle], *, now: datetime) -> int:
        """Count a try as failed against each throttle and return 0; or return how many seconds it has to wait.

        Then nothing was counted. Of tries at one moment no more are let through than one after the other would be.
        """
        ...

    async def return_try(self, throttles: Sequence[Throttle]) -> None:
        """Take back a try that was right after all; counts that are a person's own begin anew."""
        ...


class SegmentStore(Protocol):
    """Where what Segment sent is kept, each message once, and the rules that map it."""

    async def keep_events(
        self, environment: Environment, read: Callable[[Sequence[MappingRule]], Sequence[SegmentEvent]]
    ) -> list[SegmentEvent]:
        """Keep the events that ``read`` makes by the rules of this moment; return them as they are kept, in order.

        A message that was kept before stays as it was, and is returned so. ``read`` may be called again.
        No change of rules falls between ``read`` and the commit.
        """
        ...

    async def map_events(
        self, environment: Environment, *, after: int, limit: int, map_event: EventMapper
    ) -> tuple[list[SegmentEvent], int | None]:
        """Hold the first ``limit`` unmapped events after a number against the rules; write and return those mapped.

        ``map_event`` returns an event as it was where no rule matches. Answers the last number looked at too, None
        where there was none. No change of rules and no other mapping happens meanwhile.
        """
        ...

    async def reopen_events(
        self, environment: Environment, *, after: int, limit: int, map_event: EventMapper
    ) -> tuple[list[SegmentEvent], int | None]:
        """Do the same with failed events, of which ``map_event`` makes what they are when they are tried again."""
        ...

    async def settle_events(self, events: Sequence[SegmentEvent]) -> None:
        """Write status, reason, feature and rule of events, but for those that are settled already."""
        ...

    async def open_events(
        self, environment: Environment, status: EventStatus, *, until: datetime, after: int, limit: int
    ) -> list[SegmentEvent]:
        """Return at most ``limit`` events of a status received ``until`` then, in order of arrival, after a number."""
        ...

    async def waiting_events(self, environment: Environment, user_id: str, *, limit: int) -> list[SegmentEvent]:
        """Return at most ``limit`` events that wait for the user with this id, in order of arrival."""
        ...

    async def segment_events(
        self, environment: Environment, *, status: EventStatus | None, limit: int, before: int | None
    ) -> list[SegmentEvent]:
        """Return at most ``limit`` events, the newest first, from before a number."""
        ...

    async def count_segment_events(self, environment: Environment) -> Mapping[EventStatus, tuple[int, datetime]]:
        """Return how many events there are of each status that any has, and when the newest of them was received."""
        ...

    async def count_failed_events(self, environment: Environment, *, most: int) -> int:
        """Return how many events have failed; counts no further than ``most``, so that it is as quick as that."""
        ...

    async def count_unmapped_events(self, environment: Environment, *, limit: int) -> list[tuple[str | None, int]]:
        """Return the names of unmapped events and how many there are of each, the most frequent first."""
        ...

    async def mapping_rules(self, environment: Environment) -> list[MappingRule]:
        """Return all rules, the oldest first."""
        ...

    async def change_mapping_rules(
        self,
        environment: Environment,
        change: Callable[[Mapping[str, MappingRule]], Mapping[str, MappingRule]],
        *,
        by: Actor,
        now: datetime,
    ) -> None:
        """Apply a pure change to the rules by id, and log it. What ``change`` raises is raised, nothing is written."""
        ...

    async def mark_replayed(self, rules: Sequence[MappingRule]) -> None:
        """Note that all unmapped events were held against rules, but for those that have changed since."""
        ...

    async def users_by_email(self, environment: Environment, email: str, *, limit: int) -> list[User]:
        """Return at most ``limit`` users with this e-mail and a billing id, the oldest first."""
        ...


class Store(
    CatalogStore, AccountStore, RosterStore, Ledger, InsightStore, KeyStore, PeopleStore, SegmentStore, Protocol
):
    """All of it: one database."""

    async def probe(self) -> None:
        """Return when the database can answer.

        Raises:
            Unavailable: it cannot; the message says why.
        """
        ...

    async def close(self) -> None:
        """Finish what is in flight and let go of the database."""
        ...
