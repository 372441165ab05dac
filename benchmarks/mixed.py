"""Memory under a mixed load: documents never seen before, pages, imports, events, checks and records, side by side.

`python -m benchmarks mixed --minutes 60` watches for an hour. The load is a steady trickle and no test of speed: what
is asked is whether the process holds on to anything of what it has answered.
"""

from __future__ import annotations

import asyncio
import json
import random
import re
import statistics
import time
import uuid
from collections.abc import Awaitable, Callable

import httpx

from benchmarks.clicking import PASSWORD, invite
from benchmarks.figures import Part, Ratio
from benchmarks.process import megabytes
from benchmarks.services import kana

USERS = 1_000
SAMPLE_S = 10.0
IMPORTS_PER_SECOND = 0.0125
"""As many as one colleague may make in a day, in little more than an hour."""

SETTLED_S = 60
"""How long an import of some thousand rows may take."""

_PAGES = ("/test/subscribers", "/test/user?id=u{}", "/test/insights", "/test/packages", "/test/log", "/test/developer")
_RECORD = "mutation($i: CreateUsageEventInput!) { recordUsage(input: $i) { recorded } }"
_CHECK = 'query($u: String!) { canUseFeature(userId: $u, featureId: "calls") { access } }'


def measure(*, minutes: float) -> Part:
    """Return megabytes every ten seconds, and the last quarter against the second; the first one fills caches."""
    part = Part(f"Memory under a mixed load for {minutes:g} minutes")
    with kana(None, users=USERS) as (target, server):
        [token] = asyncio.run(invite(server.database_url, 1))
        load = _Load(target.address, target.key)
        taken = asyncio.run(load.run(token, minutes * 60, lambda: megabytes(server.pid)))
    quarter = max(1, len(taken) // 4)
    settled, last = statistics.median(taken[quarter : 2 * quarter]), statistics.median(taken[-quarter:])
    part.add("memory", "MB", taken)
    part.add("memory, second quarter", "MB", taken[quarter : 2 * quarter])
    part.add("memory, last quarter", "MB", taken[-quarter:])
    part.ratios.append(Ratio(name="memory of the last quarter against the second", value=last / settled, at_most=1.03))
    part.notes.append("Answered meanwhile: " + ", ".join(f"{count:,} {name}" for name, count in load.answered.items()))
    return part


class _Load:
    """Everything that is asked of the server, each at its own pace."""

    def __init__(self, address: str, key: str) -> None:
        self._api = httpx.AsyncClient(base_url=address, headers={"authorization": key}, timeout=60)
        self._browser = httpx.AsyncClient(base_url=address, timeout=60)
        self._key = key
        self._csrf = ""
        self._draw = random.Random(7)
        self._imports = 0
        self.answered: dict[str, int] = {}

    async def run(self, token: str, seconds: float, sample: Callable[[], float]) -> list[float]:
        """Ask for so long; return what was sampled meanwhile.

        Raises:
            RuntimeError: something was not answered as it should be.
        """
        await self._sign_in(token)
        taken: list[float] = []
        async with asyncio.timeout(seconds + 120), asyncio.TaskGroup() as group:
            until = time.monotonic() + seconds
            for each, per_second in (
                (self._record, 40.0), (self._check, 40.0), (self._new_document, 10.0), (self._wrong_document, 2.0),
                (self._page, 1.0), (self._events, 0.5), (self._segment, 0.5), (self._import, IMPORTS_PER_SECOND),
            ):  # fmt: skip
                group.create_task(self._repeat(each, per_second, until))
            while time.monotonic() < until:
                await asyncio.sleep(SAMPLE_S)
                taken.append(sample())
        await self._api.aclose()
        await self._browser.aclose()
        return taken

    async def _repeat(self, ask: Callable[[], Awaitable[httpx.Response]], per_second: float, until: float) -> None:
        name = ask.__name__.strip("_").replace("_", " ")
        while time.monotonic() < until:
            answer = await ask()
            if answer.status_code not in (200, 303):
                raise RuntimeError(f"{name}: {answer.status_code} {answer.text[:300]}")
            self.answered[name] = self.answered.get(name, 0) + 1
            await asyncio.sleep(1 / per_second)

    def _user(self) -> str:
        return f"u{self._draw.randrange(USERS)}"

    async def _graphql(self, query: str, **variables: object) -> httpx.Response:
        return await self._api.post("/graphql", json={"query": query, "variables": variables})

    async def _record(self) -> httpx.Response:
        usage = {"userId": self._user(), "featureId": "calls", "delta": 1, "idempotencyKey": uuid.uuid4().hex}
        return await self._graphql(_RECORD, i=usage)

    async def _check(self) -> httpx.Response:
        return await self._graphql(_CHECK, u=self._user())

    async def _new_document(self) -> httpx.Response:
        fields = " ".join(f'a{uuid.uuid4().hex[:8]}: feature(id: "calls") {{ id name type }}' for _ in range(20))
        return await self._graphql(f"{{ {fields} }}")

    async def _wrong_document(self) -> httpx.Response:
        answer = await self._graphql(f'{{ feature(id: "calls") {{ x{uuid.uuid4().hex[:8]} }} }}')
        return httpx.Response(200) if answer.status_code == 400 else answer

    async def _page(self) -> httpx.Response:
        return await self._browser.get(self._draw.choice(_PAGES).format(self._draw.randrange(USERS)))

    async def _events(self) -> httpx.Response:
        lines = "".join(
            json.dumps({"userId": self._user(), "featureId": "calls", "idempotencyKey": uuid.uuid4().hex}) + "\n"
            for _ in range(200)
        )
        return await self._api.post("/v1/events", content=lines, headers={"content-type": "application/x-ndjson"})

    async def _segment(self) -> httpx.Response:
        batch = [
            {"type": "track", "event": f"Event {self._draw.randrange(50)}", "userId": self._user(),
             "messageId": uuid.uuid4().hex, "properties": {"amount": 1, "note": "x" * 100}}
            for _ in range(50)
        ]  # fmt: skip
        return await self._api.post("/v1/batch", json={"batch": batch}, auth=httpx.BasicAuth(self._key, ""))

    async def _import(self) -> httpx.Response:
        self._imports += 1
        rows = "".join(f"u{number},Name {number} {self._imports}\n" for number in range(USERS))
        files = {"file": ("users.csv", ("id,name\n" + rows).encode(), "text/csv")}
        sent = await self._browser.post("/test/users/import", data={"csrf": self._csrf}, files=files)
        if sent.status_code != 303:
            return sent
        path = sent.headers["location"]
        await self._settled(path)
        done = await self._browser.post(path.replace("progress", "carry-out"), data={"csrf": self._csrf})
        await self._settled(path)
        return done

    async def _settled(self, path: str) -> None:
        for _ in range(SETTLED_S * 2):
            if "hx-trigger" not in (await self._browser.get(path)).text:
                return
            await asyncio.sleep(0.5)
        raise RuntimeError(f"{path} does not come to an end")

    async def _sign_in(self, token: str) -> None:
        self._csrf = self._csrf_in((await self._browser.get("/login")).text)
        form = {"csrf": self._csrf, "token": token, "password": PASSWORD}
        await self._browser.post("/invite", data=form)
        self._csrf = self._csrf_in((await self._browser.get("/test/packages")).text)

    @staticmethod
    def _csrf_in(page: str) -> str:
        found = re.search(r'name="csrf" value="(\w+)"', page)
        assert found is not None, page
        return found[1]
