"""Where a row becomes a person, a session or an invitation, and back; beside ``rows.py``, for every store."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

from kana.model.environment import Actor
from kana.model.period import from_milliseconds, to_milliseconds
from kana.model.person import SESSION_AGE, SESSION_IDLE, TRIES_WINDOW, Invitation, Person, Role, Session
from kana.store.log import log_row
from kana.store.session import Row


def people_from(found: Iterable[Row]) -> Mapping[str, Person]:
    """Read the rows of ``load_people``."""
    people = [person_from(row) for row in found]
    return {person.email: person for person in people}


def person_from(row: Row) -> Person:
    """Read a row of ``load_people``."""
    return Person(
        email=row[0],
        role=Role(row[1]),
        password_hash=row[2],
        created_at=from_milliseconds(row[3]),
        disabled_at=None if row[4] is None else from_milliseconds(row[4]),
    )


def person_row(person: Person) -> Row:
    """Write a row of ``put_person``."""
    return (
        person.email,
        person.role.value,
        person.password_hash,
        to_milliseconds(person.created_at),
        None if person.disabled_at is None else to_milliseconds(person.disabled_at),
    )


def invitation_from(row: Row) -> Invitation:
    """Read a row of ``load_invitation``, ``load_invitation_to`` or ``take_invitation``."""
    return Invitation(hash=bytes(row[0]), email=row[1], role=Role(row[2]), expires_at=from_milliseconds(row[3]))


def invitation_row(invitation: Invitation) -> Row:
    """Write a row of ``add_invitation``."""
    return (invitation.hash, invitation.email, invitation.role.value, to_milliseconds(invitation.expires_at))


def session_from(row: Row) -> tuple[Session, Person]:
    """Read a row of ``load_session``."""
    session = Session(
        hash=bytes(row[0]), email=row[1], started_at=from_milliseconds(row[2]), seen_at=from_milliseconds(row[3])
    )
    return session, person_from(row[4:])


def session_row(session: Session) -> Row:
    """Write a row of ``add_session``."""
    return (session.hash, session.email, to_milliseconds(session.started_at), to_milliseconds(session.seen_at))


def stale_sessions_row(now: datetime) -> Row:
    """Write what ``delete_stale_sessions`` takes: last seen and begun before when."""
    return (to_milliseconds(now - SESSION_IDLE), to_milliseconds(now - SESSION_AGE))


def try_row(key: bytes, *, now: datetime) -> Row:
    """Write what ``count_try`` takes."""
    return (key, to_milliseconds(now), window_start(now))


def window_start(now: datetime) -> int:
    """Write when a window of tries began that is over now."""
    return to_milliseconds(now - TRIES_WINDOW)


def person_log_row(before: Person | None, after: Person, *, by: Actor, now: datetime) -> Row:
    """Write the line for a person made or changed; the password is nowhere in it."""
    return log_row(
        "created" if before is None else "updated",
        ("person", after.email),
        environment=None,
        before=_described(before),
        after=_described(after),
        by=by,
        now=now,
    )


def invitation_log_row(invitation: Invitation, *, by: Actor, now: datetime) -> Row:
    """Write the line for an invitation; its link is nowhere in it."""
    after = {"role": invitation.role.value}
    subject = ("invitation", invitation.email or "the first owner")
    return log_row("created", subject, environment=None, before=None, after=after, by=by, now=now)


def _described(person: Person | None) -> dict[str, object] | None:
    if person is None:
        return None
    return {"role": person.role.value, "disabled": not person.is_enabled, "password": person.password_hash is not None}
