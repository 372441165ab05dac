"""Deletions of users that are not finished, for everybody who reads what they will change."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import groupby
from operator import itemgetter

from kana.model.deletion import Deletion, IdSpan
from kana.model.environment import Environment, bucket_of
from kana.model.period import from_milliseconds
from kana.model.text import NUMBER_MAX
from kana.store.session import Row, Session
from kana.store.values import optional_milliseconds, optional_moment


async def load_deletions(session: Session, environment: Environment) -> list[Deletion]:
    """Return the deletions that are not finished: what is read now is to be shown as they will leave it."""
    rows = await session.rows("list_deletions", environment.value)
    return [await load_deletion(session, row) for row in rows]


async def load_spans(
    session: Session, environment: Environment, bucket: int, key: int, *, present: Sequence[str] = ()
) -> tuple[IdSpan, ...]:
    """Return when the user had which of their ids, from what is kept of everybody who had one of them.

    ``present`` are the ids that they have now.
    """
    former = [row[0] for row in await session.rows("list_former_ids", bucket, key)]
    ids = list(dict.fromkeys([*former, *present]))
    buckets = session.array([bucket_of(environment, user_id) for user_id in ids])
    bindings = (environment.value, buckets, session.array(ids))
    held = {user_id for (user_id,) in await session.rows("find_held_ids", *bindings)}
    holders = {
        user_id: list(rows)
        for user_id, rows in groupby(await session.rows("load_holders", *bindings), key=itemgetter(0))
    }
    spans = [
        IdSpan(user_id, optional_moment(since), optional_moment(until))
        for user_id, rows in holders.items()
        for since, until, whose in _after_another(rows, is_held=user_id in held)
        if whose == (bucket, key)
    ]
    return (*spans, *(IdSpan(user_id, _given_back(holders.get(user_id)), None) for user_id in present))


def _given_back(rows: Sequence[Row] | None) -> datetime | None:
    """Return when the last one of those who had an id before gave it back."""
    return from_milliseconds(rows[-1][1]) if rows else None


def _after_another(rows: Sequence[Row], *, is_held: bool) -> Iterator[tuple[int | None, int | None, tuple[int, int]]]:
    """Yield each holder of an id with when they got it and gave it back; the last one's has no end if nobody has it."""
    since = None
    for number, (_, until, bucket, key) in enumerate(rows, 1):
        yield since, until if is_held or number < len(rows) else None, (bucket, key)
        since = until


def bounds_of(span: IdSpan) -> tuple[int, int]:
    """Return the bindings for a moment to be after the first and not after the second."""
    since, until = optional_milliseconds(span.since), optional_milliseconds(span.until)
    return (-NUMBER_MAX if since is None else since, NUMBER_MAX if until is None else until)


async def load_deletion(session: Session, row: Row) -> Deletion:
    """Read a row of ``list_deletions``, and what belongs to it."""
    bucket, key, environment = row[0], row[1], Environment(row[2])
    merged = await session.rows("list_merged_users", bucket, key)
    return Deletion(
        environment=environment,
        bucket=bucket,
        key=key,
        surrogate=row[3],
        deleted_at=from_milliseconds(row[4]),
        texts=tuple(json.loads(row[5])),
        spans=await load_spans(session, environment, bucket, key),
        merged=tuple((each[0], each[1]) for each in merged),
    )
