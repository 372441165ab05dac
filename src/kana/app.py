"""The composition root: settings, a store, the engine, the application. Alone in naming a store and a clock."""

from __future__ import annotations

import gc
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime

from prometheus_client import CollectorRegistry

from kana.api import admin, client, config, health, insights, segment
from kana.api.access import Door
from kana.api.http import Router
from kana.api.ingest import events_endpoint
from kana.api.metrics import Metrics
from kana.api.proxies import Proxies
from kana.dashboard import Argon2Passwords, create_dashboard
from kana.engine.engine import Engine
from kana.engine.ports.clock import Clock, Meter
from kana.engine.ports.store import Store
from kana.engine.ports.usage import Audit
from kana.errors import KanaError
from kana.model.environment import Environment
from kana.model.period import to_precision
from kana.model.segment import Message, SegmentEvent
from kana.settings import Settings
from kana.store.moving import Rows, Tables, move
from kana.store.sealing import Seal
from kana.store.sqlite import SqliteStore
from kana.store.sqlite.files import readable_by_others
from kana.store.sqlite.moving import SqliteTables

WAIT_S = 60.0
"""How long a server that starts waits for its PostgreSQL."""


def system_clock() -> datetime:
    """Return the time now: aware, UTC, cut to the millisecond. The only place that asks the machine."""
    return to_precision(datetime.now(UTC))


def spare_collector() -> None:
    """Have Python look for cycles of garbage seldom, and never among what stands for as long as the process.

    A batch makes tens of thousands of values that die by themselves; looking through them every 700
    costs a quarter of the time to decide. Called once, when all that lasts has been made.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


def take_short_turns() -> None:
    """Have Python's threads change turns fifty times as often as it would by itself, every tenth of a millisecond.

    Who answers has to ask for the interpreter several times for each request; beside long work on another thread
    it waits for a whole turn each time. And the loop lets go of the interpreter for a moment after each call, and
    takes it again before the thread that commits wakes, which then begins to wait anew: beside one long list a record
    took up to 1,100 ms at Python's own 5 ms, 310 at half a millisecond, and 9 at this.
    """
    sys.setswitchinterval(0.0001)


async def open_store(
    settings: Settings,
    *,
    exclusive: bool = False,
    on_lost: Callable[[str], None] = lambda _: None,
    on_wait: Callable[[str], None] = lambda _: None,
) -> Store:
    """Open the database that the settings name, brought to this program's tables.

    ``exclusive`` is for a server: a second one on the same SQLite file is refused, and a PostgreSQL that
    is down is waited for, a minute at most; ``on_wait`` is told why. ``on_lost`` is told once when the
    storage fails for good.

    Raises:
        DatabaseRefused: it cannot be opened, is not ours, is newer, or has its server already.
        Unavailable: PostgreSQL did not come up.
    """
    seal = Seal(settings.secret_keys)
    if settings.sqlite_path is not None:
        return SqliteStore(str(settings.sqlite_path), exclusive=exclusive, on_lost=on_lost, seal=seal)
    from kana.store.postgres import PostgresStore  # Its driver costs a start on a file too much time.

    wait_s = WAIT_S if exclusive else 0.0
    return await PostgresStore.open(settings.database_url, wait_s=wait_s, on_wait=on_wait, seal=seal)


async def secure(store: Store, settings: Settings) -> list[str]:
    """Seal what the store keeps unsealed, if there is a key; return sentences on what is not as safe as it could be.

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
            "KANA_SECRET_KEY is not set, so the secrets that user tokens are signed with are kept unsealed in the"
            " database and its backups"
        )


async def copy_database(
    source: Settings, target: Settings, *, on_rows: Callable[[Rows], None] = lambda _: None
) -> tuple[Audit, Audit]:
    """Copy all that one database holds into another, which is empty; return the audits of both.

    The target gets all of it or nothing. What is recorded in the source meanwhile is not copied:
    of a SQLite file the server is refused for so long.

    Raises:
        Conflict: there is a workspace in the target already.
        DatabaseRefused: one of them cannot be opened, is not ours, is newer, or has a server.
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
) -> Engine:
    """Return the engine over an open store. Without a meter nobody sees what is measured."""
    return Engine.over(
        store,
        clock=clock,
        meter=meter or Metrics(CollectorRegistry()),
        passwords=Argon2Passwords(),
        read_again=read_again,
    )


def create_app(
    settings: Settings, store: Store, *, clock: Clock = system_clock, registry: CollectorRegistry | None = None
) -> Router:
    """Return the application over an open store, which it closes when it ends."""
    metrics = Metrics(registry or CollectorRegistry())
    engine = create_engine(store, clock=clock, meter=metrics, read_again=segment.read_again)
    door = Door(engine.access, clock=clock)

    @asynccontextmanager
    async def lifespan() -> AsyncIterator[None]:
        with suppress(KanaError):  # A database without a workspace has none yet, and one that is away is asked later.
            for environment in Environment:
                await engine.catalog.settle(environment)
                await engine.catalog.read(environment)
        async with engine.replayer.running(), engine.imports.running(), engine.access.uses.running():
            yield
        await engine.recorder.drain()
        await store.close()

    dashboard = create_dashboard(engine, settings, definitions=admin.read_definitions())
    return Router(
        {
            "/graphql": admin.endpoint(engine, door, observe=metrics.request),
            "/client/graphql": client.endpoint(engine, door, observe=metrics.request),
            "/v1/events": events_endpoint(engine, door),
            "/api/v1/events": events_endpoint(engine, door, quiet=True),
            **config.routes(engine.config, engine.access, door),
            **insights.routes(engine.insights, door),
            **segment.routes(engine.segment, door),
            "/healthz": health.healthz(),
            "/readyz": health.readyz(store.probe),
            "/metrics": health.metrics_page(metrics.registry, token=settings.metrics_token),
        },
        fallback=dashboard,
        methods_of=dashboard.methods_of,
        lifespan=lifespan,
        log_requests=settings.log_requests,
        proxies=Proxies(settings.proxies),
    )
