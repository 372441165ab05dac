"""Three processes on one PostgreSQL whose clocks are seconds apart: nothing ends before it starts, nothing is lost.

``python -m tests.reliability.test_postgres_clocks SECONDS ARGUMENT...`` is `kana` on a machine whose clock is off by
so much, and with ``careless`` before the arguments one that does not hold an account's time.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

import kana.app
from kana.app import system_clock
from kana.cli import main
from kana.model.account import Account
from tests.support.client import AdminClient, Refused
from tests.support.postgres import Postgres
from tests.support.server import KanaServer

SKEWS_S = (0.0, 2.0, -3.0)
USERS = [f"u{number}" for number in range(6)]
PACKAGES = ("basic", "pro", "max")
TURNS = 6
NEVER = datetime.max.replace(tzinfo=UTC)
CARELESS = "careless"

CHANGE = "mutation($id: String!, $package: String!) { changeSubscription(userId: $id, packageId: $package) { id } }"
SHOWN = """query($id: String!) {
  subscriptions(userId: $id) { startedAt endsAt }
  showUsage(userId: $id, featureId: "message", past: 1000) {
    current { consumption { used } } past { consumption { used } }
  }
}"""


class Three:
    """Three servers on one database, each with a clock of its own, and what they granted to whom."""

    def __init__(self, url: str, *extra: str) -> None:
        self.servers = [self._server(url, f"{skew}", *extra) for skew in SKEWS_S]
        self.granted = dict.fromkeys(USERS, 0)
        self.overlaps = 0

    @staticmethod
    def _server(url: str, *arguments: str) -> KanaServer:
        program = (sys.executable, "-m", "tests.reliability.test_postgres_clocks", *arguments)
        root = Path(__file__).resolve().parents[2]
        return KanaServer(database_url=url, program=program, settings={"PYTHONPATH": str(root)})

    def start(self) -> None:
        """Make the workspace, and start all at once."""
        self.servers[0].init()
        for server in self.servers:
            server.keys = self.servers[0].keys
            server.launch()
        for server in self.servers:
            server.wait_until_ready()

    def close(self) -> None:
        """End all."""
        for server in self.servers:
            server.close()

    async def race(self) -> list[dict[str, Any]]:
        """Change and use subscriptions in all three at once, turn by turn; return what each user is then shown."""
        async with AsyncExitStack() as stack:
            clients = [
                [await stack.enter_async_context(AdminClient(server.address, server.private_key)) for _ in USERS]
                for server in self.servers
            ]
            [admin, *_] = clients[0]
            await admin.furnish("basic", resetPeriod="DAY")
            for package_id in PACKAGES[1:]:
                await admin.package(package_id)
            for user_id in USERS:
                await admin.enrol(user_id, "basic")
            for turn in range(TURNS):
                await asyncio.gather(
                    *(
                        self._turn(client, user_id, place=place, turn=turn)
                        for place, of_server in enumerate(clients)
                        for client, user_id in zip(of_server, USERS, strict=True)
                    )
                )
            for place in sorted(range(len(SKEWS_S)), key=SKEWS_S.__getitem__, reverse=True):
                # However the turns went: what is ahead first, and what is behind after it.
                for client, user_id in zip(clients[place], USERS, strict=True):
                    await self._change(client, user_id, PACKAGES[place])
            return [await admin.graphql(SHOWN, id=user_id) for user_id in USERS]

    async def _turn(self, client: AdminClient, user_id: str, *, place: int, turn: int) -> None:
        """Use something, and change the subscription, one before the other or after it."""
        if turn % 3:
            await self._use(client, user_id, place=place, turn=turn)
        await self._change(client, user_id, PACKAGES[place])
        if not turn % 3:
            await self._use(client, user_id, place=place, turn=turn)

    async def _change(self, client: AdminClient, user_id: str, package_id: str) -> None:
        try:
            await client.graphql(CHANGE, id=user_id, package=package_id)
        except Refused as error:
            if error.name != "SubscriptionError":  # Another has moved them there already.
                raise
            self.overlaps += "multiple tiers" in error.message

    async def _use(self, client: AdminClient, user_id: str, *, place: int, turn: int) -> None:
        now = system_clock() + timedelta(seconds=SKEWS_S[place])
        recorded = await client.record(user_id, timestamp=None if turn % 2 else now.isoformat())
        self.granted[user_id] += recorded["recorded"]


def run_backwards(subscriptions: list[dict[str, Any]]) -> int:
    """How many end before they start, or have not ended when the next one starts."""
    times = sorted((_time(each["startedAt"]), _time(each["endsAt"])) for each in subscriptions)
    return sum(end < start for start, end in times) + sum(start < end for (_, end), (start, _) in pairwise(times))


def _time(text: str | None) -> datetime:
    return NEVER if text is None else datetime.fromisoformat(text)


def used(shown: dict[str, Any]) -> int:
    """What ``showUsage`` shows of all periods together."""
    usage = shown["showUsage"]
    return sum(period["consumption"]["used"] for period in (usage["current"], *usage["past"]))


@pytest.fixture
def three(postgres_server: Postgres, request: pytest.FixtureRequest) -> Iterator[Three]:
    """Three servers that run."""
    three = Three(postgres_server.create_database(), *getattr(request, "param", ()))
    try:
        three.start()
        yield three
    finally:
        three.close()


async def test_what_three_processes_do_at_once_never_runs_backwards(three: Three) -> None:
    """No subscription ends before it starts, and all usage that was granted is shown."""
    shown = await three.race()

    assert [run_backwards(each["subscriptions"]) for each in shown] == [0] * len(USERS)
    assert three.overlaps == 0
    assert {user_id: used(each) for user_id, each in zip(USERS, shown, strict=True)} == three.granted
    assert sum(three.granted.values()) == len(USERS) * len(SKEWS_S) * TURNS
    assert three.servers[0].kana("audit").returncode == 0


@pytest.mark.parametrize("three", [(CARELESS,)], indirect=True)
async def test_without_an_accounts_own_time_they_do(three: Three) -> None:
    """The control: by their clocks alone subscriptions end before they start, or would overlap, and that is seen."""
    shown = await three.race()
    assert sum(run_backwards(each["subscriptions"]) for each in shown) + three.overlaps > 0


def _kana(skew_s: float, arguments: list[str]) -> None:
    """Run the command on a clock that is off."""
    kana.app.system_clock = lambda: system_clock() + timedelta(seconds=skew_s)
    if arguments[0] == CARELESS:
        Account.time = lambda _, clock: clock  # type: ignore[method-assign, assignment]
        arguments = arguments[1:]
    main(arguments, prog_name="kana")


if __name__ == "__main__":
    _kana(float(sys.argv[1]), sys.argv[2:])
