"""Colleagues who use the dashboard: inviting them, signing in, and their sessions."""

from __future__ import annotations

import hmac
import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Protocol

from kana.engine.ports.access import ColleagueStore
from kana.engine.ports.clock import Clock
from kana.errors import InvalidValue, NotFound, RateLimited, Unauthenticated
from kana.model.colleague import (
    INVITATION_AGE,
    Colleague,
    Invitation,
    Role,
    Session,
    changed_colleague,
    email_address,
    generate_token,
    hash_token,
    normalized,
    password,
)
from kana.model.environment import Actor
from kana.model.text import counted, shown
from kana.model.throttle import Throttle, network_of, own_throttle, throttles_of
from kana.model.value import value_object

SEEN_STEP_S = 60.0
"""How often the last use of a session is written at most, so that browsing writes almost nothing."""

REFUSED = "The e-mail address or the password is wrong."
"""For an unknown address, a wrong password and a disabled colleague alike."""

_log = logging.getLogger("kana.people")


class Passwords(Protocol):
    """Hashes passwords slowly, a few at a time."""

    async def hash(self, text: str) -> str:
        """Return the hash of a password, which is what is stored."""
        ...

    async def verify(self, text: str, hashed: str | None) -> bool:
        """Whether a password belongs to a hash; for None it takes as long and is False."""
        ...


@value_object()
class SignedIn:
    """A new session: ``token`` is its id, which only the browser gets.

    ``mark`` identifies this browser when its colleague signs in again; it gives no access by itself. It is empty
    if no password was used.
    """

    token: str
    colleague: Colleague
    mark: str = ""


class ColleagueEngine:
    """Invites colleagues, signs them in, and finds whose session it is."""

    def __init__(self, store: ColleagueStore, *, clock: Clock, passwords: Passwords) -> None:
        self._store = store
        self._clock = clock
        self._passwords = passwords

    async def colleagues(self) -> Mapping[str, Colleague]:
        """Return all colleagues by address, disabled ones included, the oldest first."""
        return await self._store.colleagues()

    async def invite_first(self, *, by: Actor) -> str | None:
        """Return the token of a link for the first owner, whoever uses it; None if there is any colleague already."""
        if await self._store.colleagues():
            return None
        return await self._invite(None, Role.OWNER, by=by)

    async def invite(self, email: str, role: Role, *, by: Actor) -> str:
        """Return the token of a link that lets the owner of an address choose a password, within three days.

        Earlier links to the same address stop working. Somebody who has an account gets a new password
        and this role with it, and is enabled again.

        Raises:
            InvalidValue: this is not an e-mail address.
        """
        return await self._invite(email_address(email.strip().lower()), role, by=by)

    async def _invite(self, email: str | None, role: Role, *, by: Actor) -> str:
        token, now = generate_token(), self._clock()
        invitation = Invitation(
            hash=hash_token(token),
            email=email,
            role=role,
            expires_at=now + INVITATION_AGE,
            invited_by=by.name if by.kind == "person" else "",
        )
        await self._store.add_invitation(invitation, by=by, now=now)
        return token

    async def open_invitations(self) -> list[Invitation]:
        """Return the links that still work, in the order in which they expire."""
        now = self._clock()
        return [each for each in await self._store.invitations() if each.expires_at > now]

    async def withdraw_invitation(self, hash_text: str, *, by: Actor) -> Invitation:
        """Withdraw a link, named by the hexadecimal text of its hash.

        Raises:
            NotFound: it was already used or withdrawn, or never existed.
        """
        try:
            hashed = bytes.fromhex(hash_text)
        except ValueError:
            hashed = b""
        withdrawn = await self._store.withdraw_invitation(hashed, by=by, now=self._clock())
        if withdrawn is None:
            raise NotFound("this link was already used or withdrawn")
        return withdrawn

    async def invitation(self, token: str) -> Invitation:
        """Return the invitation of a link.

        Raises:
            NotFound: it was used, has expired, or never existed, with the same message for all.
        """
        invitation = await self._store.invitation(hash_token(token))
        if invitation is None or invitation.expires_at <= self._clock():
            raise NotFound("this link was already used or has expired; ask for another one")
        return invitation

    async def accept(self, token: str, *, email: str, password_text: str) -> SignedIn:
        """Use up an invitation: create the colleague, or set a new password, and sign them in.

        ``email`` is used only if the invitation names nobody.

        Raises:
            NotFound: the link no longer works.
            InvalidValue: the password is too short, or this is not an e-mail address.
        """
        invitation = await self.invitation(token)
        address = email_address(invitation.email or email.strip().lower())
        hashed, now = await self._passwords.hash(password(password_text)), self._clock()

        def accept(invitation: Invitation, colleagues: Mapping[str, Colleague]) -> Colleague:
            if invitation.email is None and colleagues:
                raise NotFound("there is already an owner; ask them for an invitation")
            return Colleague(
                email=address,
                role=invitation.role,
                password_hash=hashed,
                created_at=colleagues[address].created_at if address in colleagues else now,
            )

        colleague = await self._store.accept_invitation(hash_token(token), accept, now=now)
        return await self._begin(colleague)

    async def sign_in(self, email: str, password_text: str, *, address: str, mark: str = "") -> SignedIn:
        """Begin a session, with a new id. ``address`` is where the try comes from, ``mark`` what the browser sent.

        A browser that its colleague has signed in with before waits only for its own failures, so guesses of others
        cannot keep the owner of an account out.

        Raises:
            RateLimited: too many tries for this account, from this address, or both; the password was not checked.
            Unauthenticated: unknown, wrong or disabled, with the same message and in the same time.
        """
        email = email.strip().lower()
        colleague = (await self._store.colleagues()).get(email)
        is_known = colleague is not None and _is_mark(mark, colleague)
        throttles = own_throttle("browser", email, mark) if is_known else throttles_of(email, address)
        await self._take_try(throttles, email=email, address=address)
        hashed = colleague.password_hash if colleague is not None and colleague.is_enabled else None
        if not await self._passwords.verify(normalized(password_text), hashed) or colleague is None:
            _note_failure("wrong password", email=email, address=address)
            raise Unauthenticated(REFUSED)
        await self._store.return_try(throttles)
        return await self._begin(colleague)

    async def _take_try(self, throttles: Sequence[Throttle], *, email: str, address: str) -> None:
        wait_s = await self._store.take_try(throttles, now=self._clock())
        if wait_s:
            _note_failure("too many tries", email=email, address=address)
            raise RateLimited(
                f"Too many tries. Wait {counted(wait_s, 'second')}, then try again.",
                retry_after_s=wait_s,
            )

    async def sign_in_by_provider(self, email: str) -> SignedIn:
        """Begin a session for somebody whose address an identity provider confirms.

        It uses up an invitation to that address, and needs no password.

        Raises:
            Unauthenticated: nobody has this address or was invited with it, or they are disabled.
        """
        try:
            address = email_address(email.strip().lower())
        except InvalidValue:
            raise Unauthenticated("Nobody with this e-mail address was invited.") from None
        colleague = (await self._store.colleagues()).get(address)
        if colleague is None:
            colleague = await self._accept_for(address)
        if colleague is None or not colleague.is_enabled:
            raise Unauthenticated("Nobody with this e-mail address was invited.")
        return await self._begin(colleague)

    async def _accept_for(self, address: str) -> Colleague | None:
        invitation, now = await self._store.invitation_to(address), self._clock()
        if invitation is None or invitation.expires_at <= now:
            return None

        def accept(invitation: Invitation, _: Mapping[str, Colleague]) -> Colleague:
            return Colleague(email=address, role=invitation.role, password_hash=None, created_at=now)

        return await self._store.accept_invitation(invitation.hash, accept, now=now)

    async def _begin(self, colleague: Colleague) -> SignedIn:
        token, now = generate_token(), self._clock()
        session = Session(hash=hash_token(token), email=colleague.email, started_at=now, seen_at=now)
        if not await self._store.add_session(session, colleague):
            raise Unauthenticated(REFUSED)  # Disabled, or the password was changed, while this one was checked.
        return SignedIn(token, colleague, _new_mark(colleague))

    async def colleague_of(self, token: str) -> Colleague | None:
        """Return the colleague of a session, and store its use; None if it is over or the colleague is disabled."""
        found = await self._store.session(hash_token(token))
        if found is None:
            return None
        (session, colleague), now = found, self._clock()
        if session.is_over(now) or not colleague.is_enabled:
            return None
        if (now - session.seen_at).total_seconds() >= SEEN_STEP_S:
            await self._store.touch_session(session.hash, now=now)
        return colleague

    async def sign_out(self, token: str) -> None:
        """End this session."""
        await self._store.end_session(hash_token(token))

    async def sign_out_everywhere(self, colleague: Colleague) -> None:
        """End every session of a colleague."""
        await self._store.end_sessions(colleague.email)

    async def change_role(self, email: str, role: Role, *, by: Actor) -> Colleague:
        """Give a colleague another role; they have to sign in again, and open links to them end.

        Raises:
            NotFound: nobody has this address.
            Conflict: they are the only owner.
        """
        return await self._store.change_colleague(
            lambda colleagues: changed_colleague(colleagues, email, role=role), by=by, now=self._clock()
        )

    async def disable(self, email: str, *, by: Actor) -> Colleague:
        """Disable a colleague: they can no longer sign in, and links to and from them end. The log keeps their name.

        Raises:
            NotFound: nobody has this address.
            Conflict: they are the only owner.
        """
        now = self._clock()
        return await self._store.change_colleague(
            lambda colleagues: changed_colleague(colleagues, email, disabled_at=now), by=by, now=now
        )

    async def change_password(
        self, colleague: Colleague, *, old: str, new: str, by: Actor, address: str = ""
    ) -> SignedIn:
        """Give a colleague another password; every session ends, and a new one begins.

        Raises:
            RateLimited: too many wrong old passwords; this one was not checked.
            InvalidValue: the old password is wrong, or the new one too short.
        """
        chosen, throttles = password(new), own_throttle("old password", colleague.email)
        await self._take_try(throttles, email=colleague.email, address=address)
        if not await self._passwords.verify(normalized(old), colleague.password_hash):
            _note_failure("wrong old password", email=colleague.email, address=address)
            raise InvalidValue("the old password is wrong", field="old")
        await self._store.return_try(throttles)
        hashed = await self._passwords.hash(chosen)
        changed = await self._store.change_colleague(
            lambda colleagues: replace(colleagues[colleague.email], password_hash=hashed), by=by, now=self._clock()
        )
        return await self._begin(changed)


def _new_mark(colleague: Colleague) -> str:
    nonce = generate_token()
    return f"{nonce}.{_signature(nonce, colleague)}" if colleague.password_hash is not None else ""


def _is_mark(mark: str, colleague: Colleague) -> bool:
    """Whether a browser got this mark when the colleague signed in with the password that they still have."""
    nonce, _, signature = mark.partition(".")
    if colleague.password_hash is None:
        return False
    return hmac.compare_digest(signature.encode("utf-8", "replace"), _signature(nonce, colleague).encode())


def _signature(nonce: str, colleague: Colleague) -> str:
    """Return a signature that only this server can make: its key is the hash of the password, and changes with it."""
    said = f"{nonce}\n{colleague.email}".encode("utf-8", "replace")
    return hmac.new((colleague.password_hash or "").encode(), said, "sha256").hexdigest()


def _note_failure(why: str, *, email: str, address: str) -> None:
    """Log a failed sign-in, so that guessing can be seen. A text that is not an e-mail address may be a password."""
    try:
        account = shown(email_address(email))
    except InvalidValue:
        account = "no e-mail address"
    _log.warning(
        "sign-in failed: %s", why, extra={"account": account, "address": network_of(address) and address[:100]}
    )
