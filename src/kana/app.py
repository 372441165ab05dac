"""The composition root: settings, a store, the engine, the application. Only it names a store and a clock."""

from __future__ import annotations

import gc
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime

from prometheus_client import CollectorRegistry

from kana.api import admin, client, config, health, insights, ofrep, segment, v1
from kana.api.access import Door
from kana.api.http import Router, public_document
from kana.api.ingest import events_endpoint
from kana.api.metrics import Metrics
from kana.api.proxies import Proxies
from kana.api.streams import Streams
from kana.dashboard import Argon2Passwords, create_dashboard
from kana.engine.engine import Engine
from kana.engine.ports.clock import Clock, Meter
from kana.engine.ports.store import Store
from kana.engine.ports.usage import Audit
from kana.engine.ports.webhooks import Sender
from kana.errors import KanaError
from kana.model.environment import Environment
from kana.model.period import to_precision
from kana.model.segment import Message, SegmentEvent
from kana.sending import HttpSender
from kana.settings import Settings
from kana.store.moving import Rows, Tables, move
from kana.store.sealing import Seal
from kana.store.sqlite import SqliteStore
from kana.store.sqlite.files import readable_by_others
from kana.store.sqlite.moving import SqliteTables

WAIT_S = 60.0
"""How long a server waits for PostgreSQL when it starts."""


def system_clock() -> datetime:
    """Return the time now: aware, UTC, cut to the millisecond. The only place that reads the system clock."""
    return to_precision(datetime.now(UTC))


def spare_collector() -> None:
    """Make Python's garbage collector run rarely, and never on objects that live as long as the process.

    A batch creates tens of thousands of values that are freed by reference counting; a collection every 700
    objects takes a quarter of the time to decide. Call it once, when all lasting objects exist.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


def take_short_turns() -> None:
    """Make Python switch threads fifty times as often as by default, every tenth of a millisecond.

    The serving thread needs the interpreter several times for each request; during long work on another thread it
    waits for a whole turn each time. And the event loop releases the interpreter for a moment after each call and
    takes it back before the committing thread wakes, which then has to wait again. While one long list was written,
    a record took up to 1,100 ms with Python's default of 5 ms, 310 with half a millisecond, and 9 with this.
    """
    sys.setswitchinterval(0.0001)


async def open_store(
    settings: Settings,
    *,
    exclusive: bool = False,
    on_lost: Callable[[str], None] = lambda _: None,
    on_wait: Callable[[str], None] = lambda _: None,
) -> Store:
    """Open the database that the settings name, and update its tables to this release.

    ``exclusive`` is for a server: a second one on the same SQLite file is refused, and if PostgreSQL is down
    it waits up to a minute and calls ``on_wait`` with the reason. ``on_lost`` is called once if the storage
    fails permanently.

    Raises:
        DatabaseRefused: it cannot be opened, is not Kana's, is newer, or already has a server.
        Unavailable: PostgreSQL did not come up.
    """
    seal = Seal(settings.secret_keys)
    if settings.sqlite_path is not None:
        return SqliteStore(str(settings.sqlite_path), exclusive=exclusive, on_lost=on_lost, seal=seal)
    from kana.store.postgres import PostgresStore  # Importing its driver takes too long for a start on a file.

    wait_s = WAIT_S if exclusive else 0.0
    return await PostgresStore.open(settings.database_url, wait_s=wait_s, on_wait=on_wait, seal=seal)


async def secure(store: Store, settings: Settings) -> list[str]:
    """Seal secrets that are not sealed yet, if there is a key; return warnings about what is less safe than possible.

    Raises:
        DatabaseRefused: a secret is sealed with a key that the settings do not have.
    """
    await store.keys.seal_signing_secrets()
    return list(_warnings(settings))


def _warnings(settings: Settings) -> Iterator[str]:
    if settings.sqlite_path is not None and (open_to := readable_by_others(str(settings.sqlite_path))) is not None:
        yield open_to
    if not settings.secret_keys:
        yield (
            "KANA_SECRET_KEY is not set, so the secrets that user tokens and webhooks are signed with are not sealed in"
            " the database and its backups"
        )


async def copy_database(
    source: Settings, target: Settings, *, on_rows: Callable[[Rows], None] = lambda _: None
) -> tuple[Audit, Audit]:
    """Copy everything in one database into another, which is empty; return the audits of both.

    The target gets all of it or nothing. What is recorded in the source meanwhile is not copied;
    a SQLite file cannot be served during the copy.

    Raises:
        Conflict: the target already has a workspace.
        DatabaseRefused: one of them cannot be opened, is not Kana's, is newer, or has a server.
    """
    stores = [await open_store(settings, exclusive=settings.sqlite_path is not None) for settings in (source, target)]
    try:
        await move(_tables(stores[0], source), _tables(stores[1], target), on_rows=on_rows)
        return await stores[0].audits.audit(), await stores[1].audits.audit()
    finally:
        for store in stores:
            await store.close()


def _tables(store: Store, settings: Settings) -> Tables:
    if isinstance(store, SqliteStore):
        return SqliteTables(str(settings.sqlite_path))
    from kana.store.postgres import PostgresStore

    assert isinstance(store, PostgresStore)
    return store.tables


def create_engine(
    store: Store,
    *,
    clock: Clock = system_clock,
    meter: Meter | None = None,
    read_again: Callable[[SegmentEvent], Message] | None = None,
    sender: Sender | None = None,
) -> Engine:
    """Return the engine on an open store. Without a meter nothing is measured."""
    return Engine.over(
        store,
        clock=clock,
        meter=meter or Metrics(CollectorRegistry()),
        passwords=Argon2Passwords(),
        sender=sender or HttpSender(),
        read_again=read_again,
    )


def create_app(
    settings: Settings, store: Store, *, clock: Clock = system_clock, registry: CollectorRegistry | None = None
) -> Router:
    """Return the application on an open store, which it closes at the end."""
    metrics = Metrics(registry or CollectorRegistry())
    engine = create_engine(
        store,
        clock=clock,
        meter=metrics,
        read_again=segment.read_again,
        sender=HttpSender(private_allowed=settings.webhooks_allow_private),
    )
    door = Door(engine.access, clock=clock)

    @asynccontextmanager
    async def lifespan() -> AsyncIterator[None]:
        with suppress(KanaError):  # A new database has no workspace yet, and one that cannot be reached is read later.
            for environment in Environment:
                await engine.catalog.settle(environment)
                await engine.catalog.read(environment)
        async with (
            engine.replayer.running(),
            engine.imports.running(),
            engine.deletions.running(),
            engine.bulk_changes.running(),
            engine.notifications.running(),
            engine.deliverer.running(),
            engine.access.uses.running(),
        ):
            yield
        await engine.recorder.drain()
        await store.close()

    dashboard = create_dashboard(engine, settings, definitions=admin.read_definitions(), openapi=v1.document())
    flags, streams = ofrep.endpoint(engine, door), Streams()
    return Router(
        {
            "/graphql": admin.endpoint(engine, door, observe=metrics.request),
            "/client/graphql": client.endpoint(engine, door, observe=metrics.request),
            "/v1/events": events_endpoint(engine, door),
            "/api/v1/events": events_endpoint(engine, door, quiet=True),
            **config.routes(engine.config, engine.access, door),
            **insights.routes(engine.insights, door),
            **segment.routes(engine.segment, door),
            ofrep.PATH: flags,
            "/v1/stream": v1.stream(engine, door, streams),
            "/v1/openapi.json": public_document(v1.document_json(), b"application/json"),
            "/healthz": health.healthz(),
            "/readyz": health.readyz(store.probe),
            "/metrics": health.metrics_page(metrics.registry, token=settings.metrics_token),
        },
        prefixes={
            "/v1/": v1.endpoint(engine, door, observe=metrics.request),
            f"{ofrep.PATH}/": flags,
        },
        fallback=dashboard,
        methods_of=dashboard.methods_of,
        lifespan=lifespan,
        log_requests=settings.log_requests,
        proxies=Proxies(settings.proxies),
        streams=streams,
    )
