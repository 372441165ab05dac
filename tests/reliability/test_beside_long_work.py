"""Long work of colleagues and services is nobody else's wait: imports, Segment, and a year of usage on a page."""

from __future__ import annotations

import asyncio
import itertools
import json
import time
from collections.abc import Iterator

import apsw
import httpx
import pytest

from kana.model.period import to_milliseconds
from tests.dashboard.desk import Visitor
from tests.reliability.beside import FACTOR_MAX, USER, Beside, furnish
from tests.support.client import AdminClient, Connection
from tests.support.forge import Forge
from tests.support.server import KanaServer
from tests.support.world import NOON

pytestmark = pytest.mark.quiet
"""Times are compared, so nothing else may run meanwhile: ``make test-deep``."""

PASSWORD = "four quiet words here"
ROWS = 5_000
EVENTS = 2_500
"""How many one batch of Segment has at most."""

YEAR = ("2025-03-11", "2026-03-10")
YEAR_USERS, YEAR_DAYS = 100_000, 5

RULE = """mutation($name: String!) {
  createMappingRule(input: {name: $name, eventName: $name, featureId: "message"}) { id }
}"""
RULES = "{ mappingRules { isReplayed } }"

_numbers = itertools.count()


class Editor:
    """A colleague who imports users, each time the same ones, called otherwise than before; and who looks at pages."""

    def __init__(self, server: KanaServer) -> None:
        self._visitor = Visitor(server.address)
        made = server.kana("colleagues", "invite", "editor@example.com", "--role", "editor", "--json")
        token = json.loads(made.stdout)["link"].partition("token=")[2]
        assert self._visitor.post("/invite", token=token, password=PASSWORD).status_code == 303
        self._checked: list[str] = []

    def close(self) -> None:
        """Close the connections."""
        self._visitor.http.close()

    async def open(self, path: str) -> str:
        """Open a page."""
        return await asyncio.to_thread(self._visitor.get, path)

    async def prepare(self, _: KanaServer) -> None:
        """Have a file checked, ready to be merged."""
        if not self._checked:
            self._checked.append(await asyncio.to_thread(self._check))

    async def read(self, _: KanaServer) -> None:
        """Upload a file, and wait until it is checked."""
        await asyncio.to_thread(self._check)

    async def merge(self, server: KanaServer) -> None:
        """Have a file that was checked merged."""
        await self.prepare(server)
        await asyncio.to_thread(self._merge, self._checked.pop())

    def _check(self) -> str:
        word = f"name {next(_numbers)}"
        table = "id,name\n" + "".join(f"import-{number},{word}\n" for number in range(ROWS))
        files = {"file": ("users.csv", table.encode(), "text/csv")}
        answer = self._visitor.http.post("/test/users/import", data={"csrf": self._visitor.csrf}, files=files)
        return self._settled(answer)

    def _merge(self, progress: str) -> None:
        self._settled(self._visitor.post(progress.replace("progress", "carry-out")))

    def _settled(self, answer: httpx.Response) -> str:
        assert answer.status_code == 303, answer.text
        path = answer.headers["location"]
        while "hx-trigger" in (page := self._visitor.get(path)):
            time.sleep(0.1)
        assert "alert-danger" not in page
        return path


async def send_batch(server: KanaServer, name: str, **more: object) -> None:
    """Send the largest batch: tracks of the stream's user that no rule matches, unless ``more`` says what they are."""
    track = {"type": "track", "userId": USER, "event": name, **more}
    number = next(_numbers)
    batch = [{**track, "messageId": f"{number}-{place}"} for place in range(EVENTS)]
    connection = Connection(server.address)
    headers = {"authorization": server.private_key, "content-type": "application/json"}
    try:
        body = json.dumps({"batch": batch}, separators=(",", ":")).encode()
        assert (await connection.request("POST", "/v1/batch", body=body, headers=headers)).status == 200
    finally:
        await connection.close()


async def receive(server: KanaServer) -> None:
    """Send the largest batch, of usage."""
    await send_batch(server, "Sent", properties={"featureId": "message"})


class Replay:
    """Thousands of events that were kept, and a rule that comes and takes them up."""

    def __init__(self) -> None:
        self._kept: list[str] = []

    async def prepare(self, server: KanaServer) -> None:
        """Send events that no rule matches."""
        if not self._kept:
            name = f"Kept {next(_numbers)}"
            await send_batch(server, name)
            self._kept.append(name)

    async def replay(self, server: KanaServer) -> None:
        """Add a rule for them, and wait until all are recorded."""
        await self.prepare(server)
        async with AdminClient(server.address, server.private_key) as admin:
            await admin.graphql(RULE, name=self._kept.pop())
            while not all(rule["isReplayed"] for rule in (await admin.graphql(RULES))["mappingRules"]):  # noqa: ASYNC110 - it is another process's
                await asyncio.sleep(0.05)


@pytest.fixture(scope="module")
def server(forge: Forge) -> Iterator[KanaServer]:
    """One server for all rows but the year's, furnished."""
    with KanaServer(forge=forge) as server:
        asyncio.run(furnish(server))
        yield server


@pytest.fixture(scope="module")
def editor(server: KanaServer) -> Iterator[Editor]:
    """Somebody who may import."""
    editor = Editor(server)
    yield editor
    editor.close()


async def test_nobody_waits_while_an_import_is_read(server: KanaServer, editor: Editor) -> None:
    """Its rows are read, checked and compared with those who are there."""
    async with Beside(server) as beside:
        seen = await beside.measure(editor.read)
    assert seen.times > 0
    assert seen.worst < FACTOR_MAX, seen


async def test_nobody_waits_while_an_import_is_merged(server: KanaServer, editor: Editor) -> None:
    """Everybody in it is changed."""
    async with Beside(server) as beside:
        seen = await beside.measure(editor.merge, prepare=editor.prepare)
    assert seen.times > 0
    assert seen.worst < FACTOR_MAX, seen


async def test_nobody_waits_for_a_batch_of_segment(server: KanaServer) -> None:
    """The largest that is taken, one after the other."""
    async with Beside(server) as beside:
        seen = await beside.measure(receive)
    assert seen.times > 0
    assert seen.worst < FACTOR_MAX, seen


async def test_nobody_waits_for_a_replay(server: KanaServer) -> None:
    """A new rule takes up thousands of events that were kept."""
    replay = Replay()
    async with Beside(server) as beside:
        seen = await beside.measure(replay.replay, prepare=replay.prepare)
    assert seen.times > 0
    assert seen.worst < FACTOR_MAX, seen


def _fill_year(server: KanaServer) -> None:
    """Write what the adoption page reads of a year: who subscribed, and on which days who used the feature."""
    begin, day = to_milliseconds(NOON) - 365 * 86_400_000, 86_400_000
    connection = apsw.Connection(str(server.database))
    connection.execute("pragma synchronous = off")
    connection.execute("begin immediate")
    numbers = f"with recursive n(i) as (select 1 union all select i + 1 from n where i < {YEAR_USERS}) "
    connection.execute(
        "insert into subscriptions (bucket, user_key, id, environment, package_id, status, started_at) "
        f"{numbers} select i % 1024, i, i, 'test', 'steady', 'ACTIVE', {begin} from n"
    )
    connection.execute(
        f"insert into usage_days {numbers} select i % 1024, i, 'message', "
        f"{begin - begin % day} + (i * 37 + value * 71) % 365 * {day}, 'steady', 'test', 1, 1, 0 "
        f"from n, json_each('{list(range(YEAR_DAYS))}')"
    )
    connection.execute("commit")
    connection.close()


@pytest.fixture
def year(forge: Forge) -> Iterator[KanaServer]:
    """A server with a year of usage behind it."""
    with KanaServer(forge=forge) as server:
        asyncio.run(furnish(server))
        _fill_year(server)
        yield server


async def test_nobody_waits_for_the_adoption_of_a_year(year: KanaServer) -> None:
    """Of 100,000 users who used the feature on five days each; the page tells all of them."""
    colleague = Editor(year)
    first, last = YEAR
    path = f"/test/insights/adoption?from={first}&to={last}"

    async def load(_: KanaServer) -> None:
        assert "100,000" in await colleague.open(path)

    async with Beside(year) as beside:
        seen = await beside.measure(load)
    colleague.close()
    assert seen.times > 0
    assert seen.worst < FACTOR_MAX, seen


async def test_a_writer_that_is_kept_is_noticed(server: KanaServer) -> None:
    """The control: a transaction that stays open is every record's wait, and no check's, and the factors say so."""

    def keep(_: KanaServer) -> None:
        connection = apsw.Connection(str(server.database))
        connection.set_busy_timeout(10_000)
        connection.execute("begin immediate")
        time.sleep(0.3)
        connection.execute("rollback")
        connection.close()
        time.sleep(0.3)

    async with Beside(server) as beside:
        seen = await beside.measure(lambda given: asyncio.to_thread(keep, given), tries=1)
    assert seen.factors["record"] > FACTOR_MAX, seen
    assert seen.factors["check"] < FACTOR_MAX, seen
