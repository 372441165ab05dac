"""An import: users as a table from outside lists them, and what becomes of each when they are merged into ours."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import TypedDict

from kana.model.environment import Actor, Environment, bucket_of
from kana.model.user import User
from kana.model.value import value_object
from kana.model.word import Word


class RowOutcome(Word):
    """What becomes of one row of an import."""

    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"
    WRONG = "wrong"


class Details(TypedDict, total=False):
    """What a row says of a user. What it leaves out stays as it is."""

    name: str | None
    email: str | None
    billing_id: str | None
    metadata: object


@value_object(kw_only=True)
class Row:
    """One row that can be read. ``number`` is its place in the table, as people count: the heads are row 1."""

    number: int
    id: str
    details: Details


@value_object()
class WrongRow:
    """One row that is no user, and why."""

    number: int
    id: str
    why: str


@value_object(kw_only=True)
class UserImport:
    """An import on its way into the users. ``moved_at`` is when it last got on; ``source`` is what its file is called.

    While it is not ``is_decided`` nothing of it is seen, and afterwards all of it will be.
    """

    id: int
    environment: Environment
    source: str
    by: Actor
    begun_at: datetime
    moved_at: datetime
    is_decided: bool = False


def merged(row: Row, old: User | None, *, environment: Environment, key: int, now: datetime) -> User:
    """Return the user as the row says, new or changed; the one that is there where nothing differs.

    Raises:
        InvalidValue: a field is not allowed; the message names it.
    """
    if old is not None:
        return replace(old, **row.details)
    details: Mapping[str, object] = {"metadata": {}, **row.details}
    bucket = bucket_of(environment, row.id)
    return User(environment=environment, bucket=bucket, key=key, id=row.id, created_at=now, **details)  # type: ignore[arg-type]


def row_outcome(old: User | None, new: User) -> RowOutcome:
    """Return what a merge does to a user."""
    if old is None:
        return RowOutcome.CREATED
    return RowOutcome.UNCHANGED if old == new else RowOutcome.UPDATED
