"""Whether colleagues who click through the dashboard slow the API: durable records with them and without."""

from __future__ import annotations

import asyncio
import random
import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from threading import Event, Thread

import httpx

from benchmarks.figures import Part, Ratio
from benchmarks.load import Target, requests_per_second
from benchmarks.seeding import grow, seed
from kana.app import create_engine, open_store
from kana.model.colleague import Role
from kana.model.environment import Actor
from kana.settings import Settings
from tests.support.server import KanaServer

RECORDED, USERS, ENTRIES = 1_000, 100_000, 1_000_000
COLLEAGUES, CONNECTIONS = 5, 64
PAUSE_S = 1.0
"""How long a colleague looks at a page before the next click."""

RATIO_MIN = 0.90
_SECONDS = 5
PASSWORD = "four quiet words here"
_PAGES = (
    "/test/subscribers",
    "/test/subscribers?q=g123",
    "/test/subscribers?package=pro",
    "/test/subscribers?sort=name&after=g50001",
    "/test/user?id=g{}",
    "/test/insights",
    "/test/packages",
    "/test/features",
    "/test/developer",
    "/test/log",
)


def measure(*, rounds: int) -> Part:
    """Return records a second by wrk with five colleagues clicking and without, in turn, and how the two compare."""
    part = Part(
        f"Clicking on SQLite: {USERS:,} users, {ENTRIES:,} entries, {COLLEAGUES} colleagues, a page a second each"
    )
    with ExitStack() as stack:
        server = KanaServer(settings={"KANA_LOG_LEVEL": "warning"})
        stack.callback(server.close)
        key = seed(server.database_url, users=RECORDED)
        grow(server.database, first=0, users=USERS, entries=ENTRIES)
        tokens = asyncio.run(invite(server.database_url, COLLEAGUES))
        server.start()
        target = Target(address=server.address, key=key)
        browsers = [stack.enter_context(_signed_in(server.address, token)) for token in tokens]
        alone, clicked, pages = [], [], 0
        for _ in range(rounds):
            alone.append(_rate(target))
            with _clicking(browsers) as opened:
                clicked.append(_rate(target))
            pages += len(opened)
        server.terminate()
    without = part.add("recordUsage, 64 connections, nobody clicks", "requests/s", alone)
    beside = part.add(f"recordUsage, 64 connections, {COLLEAGUES} colleagues click", "requests/s", clicked)
    part.ratios.append(
        Ratio(
            name="recordUsage with five colleagues clicking", value=beside.median / without.median, at_least=RATIO_MIN
        )
    )
    part.notes.append(f"The colleagues opened {pages} pages, from a process on the same processors.")
    return part


def _rate(target: Target) -> float:
    return requests_per_second(target, "record", connections=CONNECTIONS, users=RECORDED, seconds=_SECONDS)


async def invite(url: str, count: int) -> list[str]:
    """Return the tokens of links for so many owners."""
    store = await open_store(Settings(database_url=url))
    colleagues, actor = create_engine(store).colleagues, Actor(kind="cli", name="benchmark")
    tokens = [await colleagues.invite(f"owner-{each}@example.com", Role.OWNER, by=actor) for each in range(count)]
    await store.close()
    return tokens


@contextmanager
def _signed_in(address: str, token: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=address, timeout=30) as browser:
        found = re.search(r'name="csrf" value="(\w+)"', browser.get("/login").text)
        assert found is not None
        form = {"csrf": found[1], "token": token, "password": PASSWORD}
        assert browser.post("/invite", data=form).status_code == 303
        yield browser


@contextmanager
def _clicking(browsers: list[httpx.Client]) -> Iterator[list[str]]:
    """Have everybody click; yield the pages that were opened.

    Raises:
        RuntimeError: a page was not there, or nobody clicked.
    """
    ending, opened, failed = Event(), list[str](), list[str]()

    def click(browser: httpx.Client, draw: random.Random) -> None:
        while not ending.wait(PAUSE_S * draw.uniform(0.5, 1.5)):
            page = draw.choice(_PAGES).format(draw.randrange(USERS))
            (opened if browser.get(page).status_code == 200 else failed).append(page)

    threads = [Thread(target=click, args=(browser, random.Random(at))) for at, browser in enumerate(browsers)]
    for thread in threads:
        thread.start()
    try:
        yield opened
    finally:
        ending.set()
        for thread in threads:
            thread.join()
    if failed or not opened:
        raise RuntimeError(f"pages were not opened: {failed}")
