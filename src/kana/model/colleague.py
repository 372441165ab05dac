"""Colleagues, who sign in to the dashboard: their roles, sessions and invitations."""

from __future__ import annotations

import re
import secrets
import unicodedata
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from hashlib import sha256

from kana.errors import Conflict, InvalidValue, NotFound
from kana.model.text import TEXT_LENGTH_MAX, identifier, shown
from kana.model.value import value_object
from kana.model.word import Word

SESSION_IDLE = timedelta(minutes=30)
"""A session ends when it has not been used for this long."""

SESSION_AGE = timedelta(hours=12)
"""A session ends after this long, used or not."""

INVITATION_AGE = timedelta(days=3)
"""How long an invitation link works."""

PASSWORD_LENGTH_MIN = 10
PASSWORD_LENGTH_MAX = 256

_EMAIL = re.compile(r"[^\s@<>\"]+@[^\s@<>\"]+")


class Role(Word):
    """What a colleague may do: viewers look, editors change packages and users, owners also keys and colleagues."""

    VIEWER = "viewer"
    EDITOR = "editor"
    OWNER = "owner"

    def covers(self, needed: Role) -> bool:
        """Whether this role may do what ``needed`` may."""
        order = list(Role)
        return order.index(self) >= order.index(needed)


@value_object(kw_only=True)
class Colleague:
    """Somebody who may sign in, identified by an e-mail address in lower case.

    ``password_hash=None`` is for those who use single sign-on only.
    """

    email: str
    role: Role
    password_hash: str | None
    created_at: datetime
    disabled_at: datetime | None = None

    def __post_init__(self) -> None:
        email_address(self.email)

    @property
    def is_enabled(self) -> bool:
        """Whether the colleague may sign in."""
        return self.disabled_at is None

    @property
    def may_invite(self) -> bool:
        """Whether the colleague may invite others."""
        return self.is_enabled and self.role is Role.OWNER


@value_object(kw_only=True)
class Session:
    """A browser that is signed in. Only the hash of its id is stored."""

    hash: bytes
    email: str
    started_at: datetime
    seen_at: datetime

    def is_over(self, now: datetime) -> bool:
        """Whether it has been idle for too long, or is too old."""
        return now - self.seen_at >= SESSION_IDLE or now - self.started_at >= SESSION_AGE


@value_object(kw_only=True)
class Invitation:
    """A link with which somebody chooses a password, once. ``email=None`` is for the first owner, who enters their own.

    For somebody who has an account it sets a new password and the role. ``invited_by`` is the address of the colleague
    who made it, or empty if it was made outside the dashboard; the link works only while they may invite.
    """

    hash: bytes
    email: str | None
    role: Role
    expires_at: datetime
    invited_by: str = ""

    def ends_with(self, colleague: Colleague) -> bool:
        """Whether this change of a colleague ends it: it is for them, or they made it and may no longer invite.

        A link for the first owner ends as soon as there is any colleague.
        """
        is_theirs = self.invited_by == colleague.email and not colleague.may_invite
        return self.email in (None, colleague.email) or is_theirs

    def __post_init__(self) -> None:
        if self.email is not None:
            email_address(self.email)


def email_address(text: str) -> str:
    """Return ``text`` if it can be an e-mail address in lower case: one @ with something on both sides.

    Raises:
        InvalidValue: it cannot.
    """
    if len(text) > TEXT_LENGTH_MAX or not _EMAIL.fullmatch(text) or text != text.lower():
        raise InvalidValue(f"email must be an e-mail address in lower case, got {shown(text)}", field="email")
    return identifier(text, field="email")


def password(text: str) -> str:
    """Return a new password in the form that is hashed, if it is long enough.

    Raises:
        InvalidValue: it is too short or too long; the message does not repeat it.
    """
    if not PASSWORD_LENGTH_MIN <= len(text) <= PASSWORD_LENGTH_MAX:
        raise InvalidValue(
            f"password must be {PASSWORD_LENGTH_MIN} to {PASSWORD_LENGTH_MAX} characters, got {len(text)}",
            field="password",
        )
    return normalized(text)


def normalized(text: str) -> str:
    """Return a password as it is hashed, the same for keyboards that compose letters differently."""
    return unicodedata.normalize("NFKC", text)


def generate_token() -> str:
    """Return the id of a session or an invitation: 256 random bits as text for a URL."""
    return secrets.token_urlsafe(32)


def hash_token(token: str) -> bytes:
    """Return the hash of such an id, which is what is stored."""
    return sha256(token.encode("utf-8", "replace")).digest()


def changed_colleague(
    colleagues: Mapping[str, Colleague], email: str, *, role: Role | None = None, disabled_at: datetime | None = None
) -> Colleague:
    """Return a colleague with another role, or disabled.

    Raises:
        NotFound: nobody has this address.
        Conflict: nobody would be left who can invite others.
    """
    colleague = colleagues.get(email)
    if colleague is None:
        raise NotFound(f"nobody has the e-mail address {shown(email)}")
    changed = replace(colleague, role=role or colleague.role, disabled_at=disabled_at or colleague.disabled_at)
    after = {**colleagues, email: changed}
    if _has_owner(colleagues) and not _has_owner(after):
        raise Conflict(f"the only owner is {email}; invite another one first")
    return changed


def _has_owner(colleagues: Mapping[str, Colleague]) -> bool:
    return any(colleague.may_invite for colleague in colleagues.values())
