"""Pages about users, of 100,000 users with a million entries: from request to page, without a socket."""

from __future__ import annotations

import asyncio
import random
import re
import statistics
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import httpx

from benchmarks.figures import Part, Ratio
from benchmarks.seeding import ENVIRONMENT, grow, seed
from kana.app import create_app, create_engine, open_store
from kana.engine.ports.store import Store
from kana.model.colleague import Role
from kana.model.environment import Actor
from kana.model.user_import import Row
from kana.settings import Settings

USERS, ENTRIES = 100_000, 1_000_000
REQUESTS = 100
P95_MAX_MS = 100.0
_PASSWORD = "four quiet words here"
_PAGES: Mapping[str, tuple[str, ...]] = {
    "the first page of users, in each order": tuple(
        f"/test/subscribers?sort={sort}" for sort in ("id", "name", "email", "age")
    ),
    "a page in the middle, in each order": tuple(
        f"/test/subscribers?sort={sort}&after=g50001" for sort in ("id", "name", "email", "age")
    ),
    "a search that finds a few": ("/test/subscribers?q=g123", "/test/subscribers?q=Name 00777&sort=email"),
    "a search that finds everybody": ("/test/subscribers?q=g", "/test/subscribers?q=name&sort=age"),
    "a search that finds nobody": ("/test/subscribers?q=nobody", "/test/subscribers?q=zz&package=pro"),
    "those who hold a package": ("/test/subscribers?package=pro", "/test/subscribers?package=pro&sort=email"),
    "a user's page": ("/test/user?id=g{}",),
}


def measure(*, rounds: int) -> Part:
    """Return milliseconds a page at the 95th percentile, and seconds to import so many users."""
    part = Part(f"Dashboard on SQLite: {USERS:,} users, {ENTRIES:,} entries")
    with tempfile.TemporaryDirectory(prefix="kana-dashboard-") as folder:
        path = Path(folder, "kana.db")
        seed(f"sqlite:///{path}", users=0)
        grow(path, first=0, users=USERS, entries=ENTRIES)
        asyncio.run(_measure(part, path, rounds))
    slowest = max(series.median for series in part.series if series.unit == "ms")
    part.ratios.append(Ratio(name="slowest page of users at p95, in ms", value=slowest, at_most=P95_MAX_MS))
    return part


async def _measure(part: Part, path: Path, rounds: int) -> None:
    store = await open_store(Settings(database_url=f"sqlite:///{path}"))
    part.add(f"a merge of {USERS:,} users, all changed", "s", [await _merge(store)])
    app = create_app(Settings(), store)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://127.0.0.1") as browser:
        await _sign_in(browser, store)
        for name, pages in _PAGES.items():
            taken = [await _p95(browser, pages, random.Random(turn)) for turn in range(rounds)]
            part.add(f"{name}: p95 of {REQUESTS}", "ms", taken)
    await store.close()


async def _merge(store: Store) -> float:
    """Give every user a name and an e-mail address, as an import does."""

    def rows() -> Iterator[Row]:
        for number in range(USERS):
            name, email = f"Name {number * 7919 % USERS:05}", f"{number * 31 % USERS}@example.com"
            yield Row(number=number, id=f"g{number}", details={"name": name, "email": email})

    engine = create_engine(store)
    started = time.perf_counter()
    by = Actor(kind="cli", name="benchmark")
    await engine.imports.merge(ENVIRONMENT, rows(), on_rows=lambda _: None, by=by)
    return time.perf_counter() - started


async def _sign_in(browser: httpx.AsyncClient, store: Store) -> None:
    actor = Actor(kind="cli", name="benchmark")
    token = await create_engine(store).colleagues.invite("owner@example.com", Role.OWNER, by=actor)
    found = re.search(r'name="csrf" value="(\w+)"', (await browser.get("/login")).text)
    assert found is not None
    form = {"csrf": found[1], "token": token, "password": _PASSWORD}
    assert (await browser.post("/invite", data=form)).status_code == 303


async def _p95(browser: httpx.AsyncClient, pages: tuple[str, ...], draw: random.Random) -> float:
    taken = []
    for number in range(REQUESTS):
        page = pages[number % len(pages)].format(draw.randrange(USERS))
        started = time.perf_counter()
        answer = await browser.get(page)
        taken.append((time.perf_counter() - started) * 1e3)
        assert answer.status_code == 200, answer.text
    return statistics.quantiles(taken, n=20)[-1]
