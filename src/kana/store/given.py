"""Rows of what was given to one user."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from kana.engine.ports.users import Signed
from kana.model.account import Account
from kana.model.environment import Environment
from kana.model.given import Given, Override, TopUp
from kana.model.period import from_milliseconds, to_milliseconds
from kana.store.log import change_rows
from kana.store.session import Row
from kana.store.values import NO_RESET, RESETS, optional_milliseconds, optional_moment

KINDS: dict[type[Given], str] = {TopUp: "TOP_UP", Override: "OVERRIDE"}
"""The word of each kind in the table."""


@lru_cache(maxsize=16_384)  # What was given rarely changes, and is read again and again.
def given_from(bucket: int, user_key: int, *row: str | int | None) -> Given:
    """Read the columns of the fragment ``given``."""
    return _given_from(bucket, user_key, row)


def _given_from(bucket: int, user_key: int, row: Row) -> Given:
    number, kind, feature_id, units, overage, reset, denied, started_at, ends_at, reason, by, created_at, key = row
    start, end = from_milliseconds(started_at), optional_moment(ends_at)
    if kind == "TOP_UP":
        return TopUp(
            id=number,
            bucket=bucket,
            user_key=user_key,
            feature_id=feature_id,
            amount=units,
            start=start,
            ends_at=end,
            reason=reason,
            by=by,
            created_at=from_milliseconds(created_at),
            key=None if key is None else bytes.fromhex(key),
        )
    return Override(
        id=number,
        bucket=bucket,
        user_key=user_key,
        feature_id=feature_id,
        limit=units,
        overage_enabled=bool(overage),
        reset_period=RESETS[reset],
        denied=bool(denied),
        start=start,
        ends_at=end,
        reason=reason,
        by=by,
    )


def given_row(environment: Environment, given: Given) -> Row:
    """Write a row of ``put_given``."""
    return (
        given.bucket,
        given.user_key,
        given.id,
        environment,
        KINDS[type(given)],
        given.feature_id,
        given.amount if isinstance(given, TopUp) else given.limit,
        *((0, NO_RESET, 0) if isinstance(given, TopUp) else _terms_row(given)),
        to_milliseconds(given.start),
        optional_milliseconds(given.ends_at),
        given.reason,
        given.by,
        to_milliseconds(given.created_at),
        given.key.hex() if isinstance(given, TopUp) and given.key is not None else None,
    )


def _terms_row(override: Override) -> Row:
    return int(override.overage_enabled), override.reset_period or NO_RESET, int(override.denied)


def given_log_rows(environment: Environment, old: Account, changed: Sequence[Given], signed: Signed) -> list[Row]:
    """Write a line for each top-up and override that began or was ended, under the id of the user."""
    known = {given.id: _told(given) for given in old.given}
    changes = (((each.noun, old.user.id), known.get(each.id), _told(each)) for each in changed)
    return change_rows(changes, environment=environment, signed=signed)


def _told(given: Given) -> dict[str, object]:
    units = ("amount",) if isinstance(given, TopUp) else ("limit", "overage_enabled", "reset_period", "denied")
    return {name: getattr(given, name) for name in ("feature_id", *units, "start", "ends_at", "reason")}
