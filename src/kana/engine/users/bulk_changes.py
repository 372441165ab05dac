"""Moves many users to another package: a preview first, then a job in pages, so that nobody else waits for it."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from datetime import timedelta

from kana.engine.ids import IdMaker
from kana.engine.pace import Pace
from kana.engine.ports.bulk_changes import BulkChangeStore
from kana.engine.ports.catalog import CatalogStore
from kana.engine.ports.clock import Clock
from kana.engine.ports.usage import Ledger
from kana.engine.ports.users import AccountStore
from kana.engine.rounds import Rounds
from kana.errors import BulkChangeNotFound, UserNotFound
from kana.model.account import Account
from kana.model.bulk_change import (
    OPEN,
    BulkChange,
    BulkOutcome,
    BulkResult,
    BulkState,
    Move,
    Moved,
    Progress,
    Trace,
    moved,
    taken_back,
)
from kana.model.bulk_preview import MoveInquiry, MovePreview, PreviewTotals, inquire, unknown
from kana.model.catalog import Catalog
from kana.model.environment import Actor, Environment
from kana.model.page import LIST_MAX, page_size
from kana.model.search import UserSearch
from kana.model.text import idempotency_key, key_digest, published_number
from kana.model.user import User

PAGE = 50
"""How many users are moved in one transaction: some milliseconds, in which their usage waits."""

LISTED = 500
"""How many users are listed in one transaction."""

PREVIEW_MAX = 100
"""Most users of a page of a preview."""

COUNTED_MAX = 2_000
"""Most users that the totals of a preview look at."""

PAUSE_S = 5.0
"""Pause between two checks for jobs that a process left behind."""

LEFT_BEHIND = timedelta(seconds=60)
"""A job without progress for this long belongs to a process that has ended."""

UNEXPECTED = "An unexpected error; the log of the server says more."

_log = logging.getLogger("kana.bulk_changes")


class BulkChangeEngine:
    """Says what moving many users would do, moves them, and continues what a crash interrupted.

    Several processes may work on one job at the same time: each user is moved once.
    """

    def __init__(
        self,
        store: BulkChangeStore,
        accounts: AccountStore,
        catalogs: CatalogStore,
        ledger: Ledger,
        *,
        clock: Clock,
        ids: IdMaker,
    ) -> None:
        self._store = store
        self._accounts = accounts
        self._catalogs = catalogs
        self._ledger = ledger
        self._clock = clock
        self._ids = ids
        self._ours: set[int] = set()
        self._is_first_look = True
        self._rounds = Rounds(self.take_up, doing="moving users to another package", pause_s=PAUSE_S, log=_log)

    async def preview(
        self, environment: Environment, move: Move, *, first: int = 50, after: str | None = None
    ) -> list[MovePreview]:
        """Return what would become of the ``first`` users, 1 to 100, after the one with id ``after``; nothing changes.

        They are in the order of the list, or of their ids. If no user of them has the id ``after``, it starts over.

        Raises:
            PackageNotFound, InvalidValue: the move is possible for nobody, see ``Move.check``; or ``first`` is out of
                range.
        """
        move.check(await self._catalogs.catalog(environment))
        page_size(first, most=PREVIEW_MAX)
        return await self._previews(environment, move, await self._page(environment, move, after=after, limit=first))

    async def totals(self, environment: Environment, move: Move) -> PreviewTotals:
        """Return how many users would become what; of more than 2,000 only the first so many are looked at.

        Raises:
            PackageNotFound, InvalidValue: as for a preview.
        """
        move.check(await self._catalogs.catalog(environment))
        totals, after, pace = PreviewTotals(), None, Pace()
        while ids := await self._page(environment, move, after=after, limit=PREVIEW_MAX):
            if totals.users == COUNTED_MAX:
                return totals.cut()
            totals = totals.with_page(await self._previews(environment, move, ids))
            after = ids[-1]
            await pace.rest()
        return totals

    async def _page(self, environment: Environment, move: Move, *, after: str | None, limit: int) -> list[str]:
        if move.user_ids is not None:
            ids = list(dict.fromkeys(move.user_ids))
            start = ids.index(after) + 1 if after in ids else 0
            return ids[start : start + limit]
        behind = await self._find(environment, after)
        return [user.id for user in await self._search(environment, move, after=behind, limit=limit)]

    async def _find(self, environment: Environment, user_id: str | None) -> User | None:
        try:
            return None if user_id is None else await self._accounts.user(environment, user_id)
        except UserNotFound:
            return None

    async def _search(self, environment: Environment, move: Move, *, after: User | None, limit: int) -> list[User]:
        search = UserSearch(
            environment=environment,
            now=self._clock(),
            text=move.search,
            package_id=move.from_package_id,
            after=after,
            limit=limit,
        )
        return await self._accounts.search_users(search)

    async def _previews(self, environment: Environment, move: Move, ids: Sequence[str]) -> list[MovePreview]:
        now = self._clock()

        def want(account: Account, catalog: Catalog) -> MoveInquiry:
            return inquire(move, account, catalog, now=now)

        found = await self._ledger.snapshot(environment, ids, want, now=now, history=True)
        return [found.wanted[each].preview(found.used) if each in found.wanted else unknown(each) for each in ids]

    async def start(self, environment: Environment, move: Move, *, by: Actor, key: str | None = None) -> BulkChange:
        """Begin to move users in the background; who they are is fixed before the first of them is moved.

        Each is moved by the rule of ``change_subscription``; what becomes of one never harms another. The log has
        their lines, signed ``by``. Again with the same idempotency key, without a time limit, it returns the first job.

        Raises:
            PackageNotFound, InvalidValue: as for a preview, or the key is not allowed.
            IdempotencyKeyReused: the key began something else before.
        """
        move.check(await self._catalogs.catalog(environment))
        now = self._clock()
        wanted = BulkChange(
            id=self._ids(),
            environment=environment,
            move=move,
            digest=move.digest,
            by=by,
            begun_at=now,
            moved_at=now,
            key=None if key is None else key_digest(idempotency_key(key)),
        )
        begun = await self._store.begin_change(wanted)
        begun.check_same(wanted)
        return self._going_on(begun)

    async def take_back(self, environment: Environment, change_id: int, *, by: Actor) -> BulkChange:
        """Begin to move all users of a job back, in the background; who was not moved yet will not be.

        Each goes to the package that they had before, and what they used since then counts on. Changes that are still
        to come are taken back. Who was changed by somebody else since then is skipped. Again it changes nothing.

        Raises:
            BulkChangeNotFound: no job has this id.
        """
        await self._store.take_back(environment, change_id, by=by, clock=self._clock)
        return self._going_on(await self.change(environment, change_id))

    def _going_on(self, change: BulkChange) -> BulkChange:
        if change.state in OPEN:
            self._ours.add(change.id)
            self._rounds.wake()
        return change

    async def change(self, environment: Environment, change_id: int) -> BulkChange:
        """Return a job.

        Raises:
            BulkChangeNotFound: no job has this id.
        """
        return await self._store.bulk_change(environment, change_id)

    async def latest(self, environment: Environment, *, first: int = 20) -> list[BulkChange]:
        """Return the newest jobs, the newest first."""
        return await self._store.bulk_changes(environment, limit=first)

    async def progress(self, change: BulkChange) -> Progress:
        """Return how far a job is."""
        return await self._store.progress(change)

    async def results(
        self, change: BulkChange, *, outcome: BulkOutcome | None = None, first: int = 100, after: int = 0
    ) -> list[BulkResult]:
        """Return what has become of users of a job, in the order of its list, from the number after ``after`` on.

        Raises:
            InvalidValue: ``first`` is not 1 to 10,000.
        """
        limit = page_size(first, most=LIST_MAX)
        return await self._store.results(change.id, outcome=outcome, limit=limit, after=after)

    def running(self) -> AbstractAsyncContextManager[None]:
        """Work on jobs in the background; stop between two pages."""
        return self._rounds.running()

    async def take_up(self) -> None:
        """Carry out the jobs that were begun here and those that were left behind: after a start all that are open.

        They have their turns page by page, and after each page others have as much time as it took.

        Raises:
            KanaError: the store cannot answer; what was not done is done later.
        """
        pace = Pace()
        while changes := [each for each in await self._store.open_changes() if self._is_due(each)]:
            self._is_first_look = False
            self._ours.update(each.id for each in changes)
            for change in changes:
                if self._rounds.is_ending:
                    return
                await self._carry_on(change)
                await pace.rest()
        self._is_first_look = False

    def _is_due(self, change: BulkChange) -> bool:
        is_left = self._clock() - change.moved_at >= LEFT_BEHIND
        return change.id in self._ours or self._is_first_look or is_left

    async def _carry_on(self, change: BulkChange) -> None:
        if change.state is BulkState.LISTING:
            await self._list(change)
        elif not await self._store.move_page(change.id, self._move, limit=PAGE, clock=self._clock):
            self._ours.discard(change.id)

    async def _list(self, change: BulkChange) -> None:
        """List all users, from the first one on: those whom another process has listed stay."""
        last: User | None = None
        pace = Pace()
        while users := await self._search(change.environment, change.move, after=last, limit=LISTED):
            if self._rounds.is_ending or not await self._store.list_page(change.id, users, clock=self._clock):
                return
            last = users[-1]
            await pace.rest()
        await self._store.end_list(change.id, clock=self._clock)

    def _move(self, change: BulkChange, account: Account, catalog: Catalog, trace: Trace | None) -> Moved:
        """Return what becomes of one user. A rule that fails is this user's outcome, and nobody else's."""
        now = account.time(self._clock())
        try:
            if trace is None:
                return moved(change.move, account, catalog, now=now, next_id=lambda: self._next_id(account))
            return taken_back(trace, account, catalog, now=now, next_id=lambda: self._next_id(account))
        except Exception:  # noqa: BLE001 - logged with its trace
            _log.exception("a user of job %s was not moved", change.id)
            return Moved(BulkOutcome.REFUSED, UNEXPECTED)

    def _next_id(self, account: Account) -> int:
        return self._ids.with_bucket(account.user.bucket)


def parse_change_id(text: str) -> int:
    """Return the number of a job's published id, which is decimal digits.

    Raises:
        BulkChangeNotFound: it cannot be the id of one.
    """
    return published_number(text, BulkChangeNotFound, "Subscription changes")
