"""Translates errors of PostgreSQL and the network into Kana's."""

from __future__ import annotations

import asyncpg

from kana.errors import DatabaseRefused, Internal, KanaError, StorageFull, Unavailable

Failure = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError, TimeoutError)
"""The errors that a call to the driver may raise and that are not bugs in Kana."""

_AGAIN = frozenset({"40001", "40P01", "23505"})  # serialization failure, deadlock, two equal ids

_REFUSED = {
    "28P01": "PostgreSQL refused the password; see KANA_DATABASE_URL",
    "28000": "PostgreSQL refused the user; see KANA_DATABASE_URL and pg_hba.conf",
    "3D000": "the database of KANA_DATABASE_URL does not exist; create it first",
    "42501": "the database user lacks a privilege; Kana needs to create and to use its own schema",
}
_UNAVAILABLE = {
    **_REFUSED,
    "53300": "PostgreSQL has no connection left",
    "53200": "PostgreSQL is out of memory",
    "57014": "PostgreSQL took too long and was stopped",
    "55P03": "the rows to change are locked by another process",
    "25006": "PostgreSQL is read-only, as a standby is; looking for the primary",
    "57P01": "PostgreSQL is shutting down",
    "57P02": "PostgreSQL is recovering from a crash",
    "57P03": "PostgreSQL is starting",
    "57P05": "PostgreSQL ended an idle connection",
    "42P01": "the database lost its tables; restore them, then restart",
    "3F000": "the database lost its schema; restore it, then restart",
}
_CONNECTION_GONE = ("08", "57P", "25006", "25P03", "28", "3D", "53300")


def state_of(error: BaseException) -> str:
    """Return the SQLSTATE from the server; "" for an error of the network or the driver."""
    return (getattr(error, "sqlstate", None) or "") if isinstance(error, asyncpg.PostgresError) else ""


def is_worth_another_try(error: BaseException) -> bool:
    """Whether the transaction was rolled back for a reason that may not occur again."""
    return state_of(error) in _AGAIN


def is_connection_gone(error: BaseException) -> bool:
    """Whether the connection is lost, so that the result of a running commit is unknown."""
    state = state_of(error)
    if state:
        return state.startswith(_CONNECTION_GONE)
    if isinstance(error, asyncpg.InterfaceError):  # The driver also raises it for misuse, which is a bug in Kana.
        return "closed" in str(error)
    return isinstance(error, Failure)


def translate(error: BaseException) -> KanaError:
    """Return Kana's error for one of the driver's, if nothing was written."""
    state = state_of(error)
    if state in ("53100", "58030"):
        return StorageFull("PostgreSQL's disk is full or failing; nothing was recorded", retry_after_s=5)
    if state in _UNAVAILABLE:
        return Unavailable(f"{_UNAVAILABLE[state]}; nothing was recorded, retry", retry_after_s=1)
    if isinstance(error, asyncpg.TargetServerAttributeNotMatched):
        return Unavailable(f"{_UNAVAILABLE['25006']}; nothing was recorded, retry", retry_after_s=1)
    if isinstance(error, TimeoutError):
        return Unavailable("PostgreSQL did not answer in time; nothing was recorded, retry", retry_after_s=1)
    if is_connection_gone(error) or state.startswith(("53", "57", "58")) or state in _AGAIN:
        return Unavailable(f"PostgreSQL cannot be reached: {_reason(error)}; nothing was recorded", retry_after_s=1)
    return Internal(f"PostgreSQL refused a statement: {error}")


def refuse_for_good(error: BaseException) -> DatabaseRefused | None:
    """Return why the database cannot be opened if waiting does not help; None if it may."""
    reason = _REFUSED.get(state_of(error))
    if reason is None and isinstance(error, asyncpg.ClientConfigurationError):
        reason = f"KANA_DATABASE_URL cannot be used: {error}"
    return None if reason is None else DatabaseRefused(reason)


def _reason(error: BaseException) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
