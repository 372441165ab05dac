"""Colleagues of the dashboard, their sessions and their invitations."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime

from kana.errors import NotFound
from kana.model.colleague import SESSION_AGE, SESSION_IDLE, Colleague, Invitation, Role
from kana.model.colleague import Session as SignedIn
from kana.model.environment import Actor
from kana.model.period import from_milliseconds, to_milliseconds
from kana.model.throttle import TRIES_KEPT, TRIES_KEPT_MAX, Throttle, Tries
from kana.store.log import log_row
from kana.store.session import Lock, Row, Session, Transactions
from kana.store.values import optional_milliseconds, optional_moment


class Colleagues:
    """Stores who may sign in to the dashboard. ``ColleagueStore`` says what each call promises.

    Changes of colleagues and invitations are made one after the other, under one lock.
    """

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    async def colleagues(self) -> Mapping[str, Colleague]:
        """Return all colleagues by address."""
        return await self._transactions.read(_load_colleagues)

    async def change_colleague(
        self, change: Callable[[Mapping[str, Colleague]], Colleague], *, by: Actor, now: datetime
    ) -> Colleague:
        """Change one colleague, and end what depended on their former state."""

        async def work(session: Session) -> Colleague:
            await session.lock(Lock.COLLEAGUES)
            colleagues = await _load_colleagues(session)
            return await _put(session, colleagues, change(colleagues), by=by, now=now)

        return await self._transactions.write(work)

    async def add_invitation(self, invitation: Invitation, *, by: Actor, now: datetime) -> None:
        """Add an invitation in place of earlier ones to the same address."""

        async def work(session: Session) -> None:
            await session.lock(Lock.COLLEAGUES)
            await session.execute("delete_stale_invitations", invitation.email, to_milliseconds(now))
            await session.execute("add_invitation", *_invitation_row(invitation))
            await session.execute("add_log_line", *_invitation_log_row("created", invitation, by=by, now=now))

        await self._transactions.write(work)

    async def invitations(self) -> list[Invitation]:
        """Return all unused invitations."""
        return await self._transactions.read(_load_invitations)

    async def withdraw_invitation(self, hashed: bytes, *, by: Actor, now: datetime) -> Invitation | None:
        """Delete an invitation and log it."""

        async def work(session: Session) -> Invitation | None:
            taken = await session.row("take_invitation", hashed)
            if taken is None:
                return None
            invitation = _invitation_from(taken)
            await session.execute("add_log_line", *_invitation_log_row("revoked", invitation, by=by, now=now))
            return invitation

        return await self._transactions.write(work)

    async def invitation(self, hashed: bytes) -> Invitation | None:
        """Return the invitation of a link."""
        return await self._invitation("load_invitation", hashed)

    async def invitation_to(self, email: str) -> Invitation | None:
        """Return the invitation to an address."""
        return await self._invitation("load_invitation_to", email)

    async def accept_invitation(
        self, hashed: bytes, accept: Callable[[Invitation, Mapping[str, Colleague]], Colleague], *, now: datetime
    ) -> Colleague:
        """Use up an invitation and write its colleague."""

        async def work(session: Session) -> Colleague:
            await session.lock(Lock.COLLEAGUES)
            taken = await session.row("take_invitation", hashed)
            if taken is None:
                raise NotFound("this link was already used or has expired; ask for another one")
            colleagues = await _load_colleagues(session)
            colleague = accept(_invitation_from(taken), colleagues)
            return await _put(session, colleagues, colleague, by=Actor(kind="person", name=colleague.email), now=now)

        return await self._transactions.write(work)

    async def add_session(self, signed_in: SignedIn, colleague: Colleague) -> bool:
        """Add a session for a colleague who has not changed since they were read."""

        async def work(session: Session) -> bool:
            await session.lock(Lock.COLLEAGUES)
            await session.execute("delete_stale_sessions", *_stale_sessions_row(signed_in.started_at))
            return await session.execute("add_session", *_session_row(signed_in, colleague)) == 1

        return await self._transactions.write(work)

    async def session(self, hashed: bytes) -> tuple[SignedIn, Colleague] | None:
        """Return a session and its colleague."""

        async def work(session: Session) -> Row | None:
            return await session.row("load_session", hashed)

        found = await self._transactions.read(work)
        return None if found is None else _session_from(found)

    async def touch_session(self, hashed: bytes, *, now: datetime) -> None:
        """Store that a session was used."""
        await self._execute("touch_session", hashed, to_milliseconds(now))

    async def end_session(self, hashed: bytes) -> None:
        """End one session."""
        await self._execute("delete_session", hashed)

    async def end_sessions(self, email: str) -> None:
        """End every session of a colleague."""
        await self._execute("delete_sessions_of", email)

    async def take_try(self, throttles: Sequence[Throttle], *, now: datetime) -> int:
        """Count a try as failed, or return how many seconds it has to wait."""

        async def work(session: Session) -> int:
            await session.lock(Lock.COLLEAGUES)
            await session.execute("delete_stale_tries", to_milliseconds(now - TRIES_KEPT))
            kept = [await _load_tries(session, each) for each in throttles]
            counts = [tries.count if tries else 0 for tries in kept]
            waits = [
                each.patience.wait_s(tries, now)
                for each, tries in zip(throttles, kept, strict=True)
                if tries is not None
            ]
            if wait_s := max(waits, default=0):
                return wait_s
            for each, count in zip(throttles, counts, strict=True):
                await session.execute("put_try", each.key, count + 1, to_milliseconds(now))
            await session.execute("delete_excess_tries", TRIES_KEPT_MAX)
            return 0

        return await self._transactions.write(work)

    async def return_try(self, throttles: Sequence[Throttle]) -> None:
        """Take back a try that turned out to be right."""

        async def work(session: Session) -> None:
            await session.lock(Lock.COLLEAGUES)
            for each in throttles:
                tries = await _load_tries(session, each)
                if each.patience.is_own:
                    await session.execute("delete_tries", each.key)
                elif tries is not None and tries.count > 0:
                    await session.execute("put_try", each.key, tries.count - 1, to_milliseconds(tries.last_at))

        await self._transactions.write(work)

    async def _invitation(self, statement: str, binding: str | bytes) -> Invitation | None:
        async def work(session: Session) -> Row | None:
            return await session.row(statement, binding)

        found = await self._transactions.read(work)
        return None if found is None else _invitation_from(found)

    async def _execute(self, statement: str, *bindings: str | int | bytes) -> None:
        async def work(session: Session) -> None:
            await session.execute(statement, *bindings)

        await self._transactions.write(work)


async def _load_colleagues(session: Session) -> Mapping[str, Colleague]:
    return _colleagues_from(await session.rows("load_colleagues"))


async def _load_invitations(session: Session) -> list[Invitation]:
    return [_invitation_from(row) for row in await session.rows("load_invitations")]


async def _load_tries(session: Session, throttle: Throttle) -> Tries | None:
    found = await session.row("load_try", throttle.key)
    return None if found is None else _tries_from(found)


async def _put(
    session: Session, colleagues: Mapping[str, Colleague], colleague: Colleague, *, by: Actor, now: datetime
) -> Colleague:
    await session.execute("put_colleague", *_colleague_row(colleague))
    await session.execute("delete_sessions_of", colleague.email)
    await session.execute(
        "add_log_line", *_colleague_log_row(colleagues.get(colleague.email), colleague, by=by, now=now)
    )
    for each in await _load_invitations(session):
        if each.ends_with(colleague):
            await session.execute("take_invitation", each.hash)
            await session.execute("add_log_line", *_invitation_log_row("revoked", each, by=by, now=now))
    return colleague


def _colleagues_from(found: Iterable[Row]) -> Mapping[str, Colleague]:
    """Read the rows of ``load_colleagues``."""
    colleagues = [_colleague_from(row) for row in found]
    return {colleague.email: colleague for colleague in colleagues}


def _colleague_from(row: Row) -> Colleague:
    """Read a row of ``load_colleagues``."""
    return Colleague(
        email=row[0],
        role=Role(row[1]),
        password_hash=row[2],
        created_at=from_milliseconds(row[3]),
        disabled_at=optional_moment(row[4]),
    )


def _colleague_row(colleague: Colleague) -> Row:
    """Write a row of ``put_colleague``."""
    return (
        colleague.email,
        colleague.role.value,
        colleague.password_hash,
        to_milliseconds(colleague.created_at),
        optional_milliseconds(colleague.disabled_at),
    )


def _invitation_from(row: Row) -> Invitation:
    """Read a row of ``load_invitations``, ``load_invitation``, ``load_invitation_to`` or ``take_invitation``."""
    return Invitation(
        hash=bytes(row[0]),
        email=row[1],
        role=Role(row[2]),
        expires_at=from_milliseconds(row[3]),
        invited_by=row[4] or "",
    )


def _invitation_row(invitation: Invitation) -> Row:
    """Write a row of ``add_invitation``."""
    return (
        invitation.hash,
        invitation.email,
        invitation.role.value,
        to_milliseconds(invitation.expires_at),
        invitation.invited_by or None,
    )


def _session_from(row: Row) -> tuple[SignedIn, Colleague]:
    """Read a row of ``load_session``."""
    signed_in = SignedIn(
        hash=bytes(row[0]), email=row[1], started_at=from_milliseconds(row[2]), seen_at=from_milliseconds(row[3])
    )
    return signed_in, _colleague_from(row[4:])


def _session_row(session: SignedIn, colleague: Colleague) -> Row:
    """Write a row of ``add_session``, with the password hash that the colleague had when they were read."""
    times = (to_milliseconds(session.started_at), to_milliseconds(session.seen_at))
    return (session.hash, session.email, *times, colleague.password_hash or "")


def _stale_sessions_row(now: datetime) -> Row:
    """Write the bindings of ``delete_stale_sessions``: last seen before, and begun before."""
    return (to_milliseconds(now - SESSION_IDLE), to_milliseconds(now - SESSION_AGE))


def _tries_from(row: Row) -> Tries:
    """Read a row of ``load_try``."""
    return Tries(row[0], from_milliseconds(row[1]))


def _colleague_log_row(before: Colleague | None, after: Colleague, *, by: Actor, now: datetime) -> Row:
    """Write the line for a colleague who was created or changed, without the password."""
    return log_row(
        "created" if before is None else "updated",
        ("person", after.email),
        environment=None,
        before=_described(before),
        after=_described(after),
        by=by,
        now=now,
    )


def _invitation_log_row(action: str, invitation: Invitation, *, by: Actor, now: datetime) -> Row:
    """Write the line for an invitation that was created or withdrawn, without its link."""
    role = {"role": invitation.role.value}
    before, after = (None, role) if action == "created" else (role, None)
    subject = ("invitation", invitation.email or "the first owner")
    return log_row(action, subject, environment=None, before=before, after=after, by=by, now=now)


def _described(colleague: Colleague | None) -> dict[str, object] | None:
    if colleague is None:
        return None
    return {
        "role": colleague.role.value,
        "disabled": not colleague.is_enabled,
        "password": colleague.password_hash is not None,
    }
