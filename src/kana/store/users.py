"""Rows of users, and looking up where a user's data is stored, for every noun that reads it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime

from kana.engine.ports.users import Signed
from kana.errors import Conflict, UserNotFound
from kana.model.environment import Actor, Environment, bucket_of
from kana.model.period import from_milliseconds, to_milliseconds
from kana.model.text import shown
from kana.model.user import User, UserRef
from kana.store.log import log_row, verb
from kana.store.session import Row, Session
from kana.store.values import to_json


async def load_user_ref(session: Session, environment: Environment, user_id: str) -> UserRef:
    """Return where a user's data is stored.

    Raises:
        UserNotFound: no user has this id.
    """
    return await _user_ref(session, "load_user_ref", environment, user_id)


async def lock_user_ref(session: Session, environment: Environment, user_id: str) -> UserRef:
    """Return the same and lock it, so that nobody else decides on the user before the transaction ends.

    Raises:
        UserNotFound: no user has this id.
    """
    return await _user_ref(session, "lock_user_ref", environment, user_id)


async def _user_ref(session: Session, statement: str, environment: Environment, user_id: str) -> UserRef:
    found = await session.row(statement, bucket_of(environment, user_id), environment.value, user_id)
    if found is None:
        raise UserNotFound(f"User not found: {shown(user_id)}")
    return UserRef(environment, found[0], found[1], user_id, led_to_from(found[2]))


def led_to_from(text: str | None) -> tuple[tuple[int, int], ...]:
    """Read the users to whom an id led before they were merged; mostly there are none."""
    return () if text is None else tuple((bucket, key) for bucket, key in json.loads(text))


async def load_user(session: Session, ref: UserRef) -> User:
    """Return the user whose data is stored there.

    Raises:
        UserNotFound: they were renamed in between, in a transaction that sees each commit.
    """
    row = await session.row("load_user_by_key", ref.bucket, ref.key, ref.environment.value)
    if row is None:
        raise UserNotFound(f"User not found: {shown(ref.id)}")
    return user_from(row)


async def load_users(session: Session, statement: str, *bindings: object) -> list[User]:
    """Return the users that a statement finds."""
    return [user_from(row) for row in await session.rows(statement, *bindings)]


async def load_users_by_id(
    session: Session, environment: Environment, ids: Sequence[str], *, locked: bool = False
) -> Mapping[str, User]:
    """Return those of the users who exist by the ids that lead to them; ``locked`` to the end of the transaction."""
    buckets = session.array(sorted({bucket_of(environment, each) for each in ids}))
    refs = await session.rows("load_user_refs_by_id", environment.value, buckets, session.array(ids))
    homes, keys = (session.array(sorted({ref[number] for ref in refs})) for number in (0, 1))
    statement = "lock_users_by_keys" if locked else "load_users_by_keys"
    users = {user.key: user for user in await load_users(session, statement, environment.value, homes, keys)}
    return {ref[2]: users[ref[1]] for ref in refs if ref[1] in users}


async def take_id(session: Session, user: User) -> None:
    """Take an id for a user.

    Raises:
        Conflict: another user has it, or had it and is still being deleted.
    """
    row = user_id_row(user)
    if await session.execute("add_user_id", *row):
        return
    if await session.value("is_leaving", *row[:3]) is not None:
        raise Conflict(f"User {shown(user.id)} is still being deleted; their id can be used again in a moment")
    raise Conflict(f"User {shown(user.id)} already exists; a user's id is unique")


async def leave_id(
    session: Session, user: User, *, now: datetime, user_id: str | None = None, is_leaving: bool = False
) -> None:
    """Give back a user's id, and keep that they had it; ``is_leaving`` keeps others from taking it for now.

    ``user_id`` is another id that leads to them.
    """
    user_id = user.id if user_id is None else user_id
    key = (bucket_of(user.environment, user_id), user.environment.value, user_id)
    await session.execute("delete_user_id", *key)
    await session.execute("add_former_id", *key, to_milliseconds(now), user.bucket, user.key, int(is_leaving))


def user_from(row: Row) -> User:
    """Read a row that begins with the fragment ``user``."""
    return User(
        bucket=row[0],
        key=row[1],
        environment=Environment(row[2]),
        id=row[3],
        billing_id=row[4],
        name=row[5],
        email=row[6],
        metadata=json.loads(row[7]),
        created_at=from_milliseconds(row[8]),
        token_version=row[9],
        time_zone=row[10],
    )


def user_row(user: User) -> Row:
    """Write a row of ``put_user``, which does not change the version of their tokens."""
    return (
        user.bucket,
        user.key,
        user.environment,
        user.id,
        user.billing_id,
        user.name,
        user.email,
        to_json(user.metadata),
        to_milliseconds(user.created_at),
        user.time_zone,
    )


def user_id_row(user: User) -> Row:
    """Write a row of ``add_user_id``."""
    return (bucket_of(user.environment, user.id), user.environment.value, user.id, user.bucket, user.key)


def user_log_row(old: User | None, new: User, signed: Signed) -> Row:
    """Write the line for a user who was created or changed, under the id that they have now."""
    before = None if old is None else _told_user(old)
    after, subject = _told_user(new), ("user", new.id)
    return log_row(
        verb(before, after),
        subject,
        environment=new.environment,
        before=before,
        after=after,
        by=signed.by,
        now=signed.clock(),
    )


def _told_user(user: User) -> dict[str, object]:
    told = ("id", "name", "email", "billing_id", "metadata")
    zone = {} if user.time_zone is None else {"time_zone": user.time_zone}
    return {name: getattr(user, name) for name in told} | zone


def deleted_log_row(surrogate: str, environment: Environment, *, by: Actor, now: datetime) -> Row:
    """Write the line for a deleted user, which says nothing of who they were."""
    subject = ("user", surrogate)
    return log_row("deleted", subject, environment=environment, before=None, after=None, by=by, now=now)


def merged_log_row(source: User, target: User, *, by: Actor, now: datetime) -> Row:
    """Write the line for a user who was merged into another, under the id of the other."""
    subject = ("user", target.id)
    before, after = {"id": source.id}, {"id": target.id}
    return log_row("merged", subject, environment=target.environment, before=before, after=after, by=by, now=now)


def tokens_log_row(user: User, *, by: Actor, now: datetime) -> Row:
    """Write the line for revoked tokens of a user."""
    subject = ("user tokens", user.id)
    return log_row("revoked", subject, environment=user.environment, before=None, after=None, by=by, now=now)
