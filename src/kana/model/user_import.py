"""An import of users: the rows of a table from outside, and what merging them into the users does."""

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
    """What an import does with one row."""

    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"
    WRONG = "wrong"


class Details(TypedDict, total=False):
    """What a row says about a user. What it leaves out stays as it is."""

    name: str | None
    email: str | None
    billing_id: str | None
    time_zone: str | None
    metadata: object


@value_object(kw_only=True)
class Row:
    """One row that can be read. ``number`` is its position as people count: the column names are row 1."""

    number: int
    id: str
    details: Details


@value_object()
class WrongRow:
    """One row that cannot be read as a user, and why."""

    number: int
    id: str
    why: str


@value_object(kw_only=True)
class UserImport:
    """An import that is in progress. ``moved_at`` is when it last made progress; ``source`` is the name of its file.

    Until ``is_decided`` nothing of it is visible; afterwards all of it will be.
    """

    id: int
    environment: Environment
    source: str
    by: Actor
    begun_at: datetime
    moved_at: datetime
    is_decided: bool = False


def merged(row: Row, old: User | None, *, environment: Environment, key: int, now: datetime) -> User:
    """Return the user that the row describes, new or changed; equal to ``old`` if nothing differs.

    Raises:
        InvalidValue: a field is not allowed; the message names it.
    """
    if old is not None:
        return replace(old, **row.details)
    details: Mapping[str, object] = {"metadata": {}, **row.details}
    bucket = bucket_of(environment, row.id)
    return User(environment=environment, bucket=bucket, key=key, id=row.id, created_at=now, **details)  # type: ignore[arg-type]


def row_outcome(old: User | None, new: User) -> RowOutcome:
    """Return what merging does to a user."""
    if old is None:
        return RowOutcome.CREATED
    return RowOutcome.UNCHANGED if old == new else RowOutcome.UPDATED
