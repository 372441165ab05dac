"""Whatever PostgreSQL or the network says, the caller hears one of our errors, which says what to do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest
from asyncpg import exceptions

from kana.errors import DatabaseRefused, Internal, StorageFull, Unavailable
from kana.store.postgres import PostgresStore
from kana.store.postgres.faults import is_connection_gone, is_worth_another_try, refuse_for_good, translate
from tests.support.postgres import Postgres, PostgresServer
from tests.support.stores import furnish_workspace
from tests.support.world import TEST, World, a_package, a_usage, allows

SAID: list[tuple[BaseException, type[Exception], str]] = [
    (exceptions.TooManyConnectionsError("sorry, too many clients"), Unavailable, "has no connection left"),
    (exceptions.DiskFullError("could not extend file"), StorageFull, "disk is full"),
    (exceptions.OutOfMemoryError("out of memory"), Unavailable, "out of memory"),
    (exceptions.QueryCanceledError("canceling statement"), Unavailable, "took too long"),
    (exceptions.LockNotAvailableError("lock timeout"), Unavailable, "locked by another process"),
    (exceptions.ReadOnlySQLTransactionError("cannot execute INSERT"), Unavailable, "read-only, as a standby is"),
    (exceptions.AdminShutdownError("terminating connection"), Unavailable, "shutting down"),
    (exceptions.CrashShutdownError("terminating connection"), Unavailable, "recovering from a crash"),
    (exceptions.CannotConnectNowError("the database system is starting up"), Unavailable, "is starting"),
    (exceptions.InvalidPasswordError("password authentication failed"), Unavailable, "refused the password"),
    (exceptions.InvalidAuthorizationSpecificationError("no entry"), Unavailable, "refused the user"),
    (exceptions.InvalidCatalogNameError("does not exist"), Unavailable, "does not exist"),
    (exceptions.InsufficientPrivilegeError("permission denied"), Unavailable, "lacks a privilege"),
    (exceptions.UndefinedTableError("relation"), Unavailable, "lost its tables"),
    (exceptions.SerializationError("could not serialize"), Unavailable, "could not serialize"),
    (exceptions.DeadlockDetectedError("deadlock detected"), Unavailable, "deadlock detected"),
    (exceptions.ConnectionDoesNotExistError("connection was closed"), Unavailable, "connection was closed"),
    (exceptions.TargetServerAttributeNotMatched("None of the hosts"), Unavailable, "read-only, as a standby is"),
    (exceptions.InterfaceError("connection is closed"), Unavailable, "connection is closed"),
    (ConnectionRefusedError(111, "Connect call failed"), Unavailable, "cannot be reached"),
    (TimeoutError(), Unavailable, "did not answer in time"),
    (exceptions.InterfaceError("the server expects 3 arguments"), Internal, "refused a statement"),
    (exceptions.PostgresSyntaxError("syntax error"), Internal, "refused a statement"),
    (exceptions.CheckViolationError("violates check"), Internal, "refused a statement"),
]


@pytest.mark.parametrize(("said", "expected", "words"), SAID, ids=[type(said).__name__ for said, *_ in SAID])
def test_each_fault_has_its_error(said: BaseException, expected: type[Exception], words: str) -> None:
    """The class says whether to retry, the message why; what can be retried says after how long."""
    error = translate(said)
    assert type(error) is expected
    assert words in error.message
    assert (error.retry_after_s is not None) is isinstance(error, Unavailable)


def test_only_what_another_transaction_undid_is_tried_again() -> None:
    """Deadlocks, serialization failures and two ids made alike; nothing that would fail again."""
    again = [type(said).__name__ for said, *_ in SAID if is_worth_another_try(said)]
    assert again == ["SerializationError", "DeadlockDetectedError"]
    assert is_worth_another_try(exceptions.UniqueViolationError("duplicate key"))


def test_a_statement_that_fails_leaves_its_connection() -> None:
    """A connection is given up when it or its server is, not for an error in what was asked."""
    kept = [type(said).__name__ for said, *_ in SAID if not is_connection_gone(said)]
    assert set(kept) == {
        "DiskFullError", "OutOfMemoryError", "QueryCanceledError", "LockNotAvailableError",
        "InsufficientPrivilegeError", "UndefinedTableError", "SerializationError", "DeadlockDetectedError",
        "InterfaceError", "PostgresSyntaxError", "CheckViolationError",
    }  # fmt: skip


def test_a_start_waits_only_for_what_may_come() -> None:
    """A wrong password stays wrong; a server that starts will answer."""
    refused = [type(said).__name__ for said, *_ in SAID if isinstance(refuse_for_good(said), DatabaseRefused)]
    assert refused == [
        "InvalidPasswordError", "InvalidAuthorizationSpecificationError", "InvalidCatalogNameError",
        "InsufficientPrivilegeError",
    ]  # fmt: skip


@pytest.fixture
async def world(postgres_server: Postgres) -> AsyncIterator[tuple[World, str]]:
    """A world, and the URL of its database."""
    url = postgres_server.create_database()
    store = await PostgresStore.open(url)
    await furnish_workspace(store)
    world = World(store)
    await world.furnish(a_package("basic", allows(None)))
    for user in ("ada", "bob"):
        await world.subscribed_user(user)
    yield world, url
    await store.close()


async def test_a_lock_held_by_somebody_is_waited_for_and_then_said(world: tuple[World, str]) -> None:
    """Who holds an account for long holds up its records, for so long; then the caller is told, and all goes on."""
    kana, url = world
    other = await asyncpg.connect(url, server_settings={"search_path": "kana"})
    transaction = other.transaction()
    await transaction.start()
    await other.execute("select from user_ids where id = 'ada' for update")

    with pytest.raises(Unavailable, match="locked by another process"):
        await kana.usage.record(a_usage(key="held"))
    assert (await kana.usage.check(TEST, "ada", "message")).access, "reading waits for nobody"
    await transaction.rollback()
    await other.close()

    assert (await kana.usage.record(a_usage(key="held"))).duplicate is False


async def test_a_transaction_undone_by_another_is_done_again(world: tuple[World, str]) -> None:
    """A deadlock costs time and nothing else: the caller does not hear of it, and the usage counts once."""
    kana, url = world
    connection = await asyncpg.connect(url, server_settings={"search_path": "kana"})
    await connection.execute(
        """
        create sequence tried;
        create function fail() returns trigger language plpgsql as $$
            begin
                if nextval('kana.tried') <= 2 then
                    raise exception 'deadlock detected' using errcode = '40P01';
                end if;
                return new;
            end $$;
        create trigger fail before insert on entries for each row execute function fail();
        """
    )
    receipt = await kana.usage.record(a_usage())
    tries = await connection.fetchval("select last_value from tried")
    await connection.close()
    audit = await kana.store.audits.audit()

    assert (tries, receipt.entry.recorded, audit.entries, audit.drifts) == (3, True, 1, ())


async def test_a_standby_is_never_decided_on(own_postgres: PostgresServer) -> None:
    """A server that takes no writes is as good as none: UNAVAILABLE, and used again when it does."""
    url = own_postgres.create_database("work")
    store = await PostgresStore.open(url)
    await furnish_workspace(store)
    await asyncio.to_thread(own_postgres.execute, "alter database work set default_transaction_read_only = on")
    await asyncio.to_thread(own_postgres.restart)

    with pytest.raises(Unavailable, match="read-only, as a standby is"):
        await store.probe()
    await asyncio.to_thread(own_postgres.execute, "alter database work reset default_transaction_read_only")
    await store.probe()
    await store.close()


async def test_a_server_without_connections_left_is_said(own_postgres: PostgresServer) -> None:
    """Other programs took all connections: UNAVAILABLE names it, and Kana goes on when there are some again."""
    url = own_postgres.create_database("work")
    await asyncio.to_thread(own_postgres.execute, "create role app login; grant all on database work to app")
    await asyncio.to_thread(own_postgres.execute, "alter role app connection limit 3")
    app = url.replace("postgres@", "app@")
    store = await PostgresStore.open(app)
    await furnish_workspace(store)
    others = [await asyncpg.connect(app) for _ in range(2)]
    store._database._pool.doubt()  # nothing lies idle
    others.append(await asyncpg.connect(app))

    with pytest.raises(Unavailable, match="has no connection left"):
        await store.probe()
    for other in others:
        await other.close()
    await asyncio.sleep(0.1)
    await store.probe()
    await store.close()
