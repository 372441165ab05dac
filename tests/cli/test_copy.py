"""`kana copy`: from one database to another, audited on both sides."""

from __future__ import annotations

import asyncio
import json

from tests.support.client import AdminClient
from tests.support.postgres import Postgres
from tests.support.server import KanaServer


async def furnish(server: KanaServer) -> None:
    """One user who has used something, and a key that says so."""
    async with AdminClient(server.address, server.private_key) as admin:
        await admin.furnish("basic", limit=3)
        await admin.enrol("ada")
        await admin.record("ada", delta=2, key="once")
        await admin.record("ada", delta=2)


async def again(server: KanaServer) -> tuple[bool, int]:
    """What the key from before answers, and what is used."""
    async with AdminClient(server.address, server.private_key) as admin:
        answer = await admin.record("ada", delta=2, key="once")
        return answer["duplicate"], answer["consumption"]["used"]


def test_a_file_grows_into_postgresql_and_nobody_notices(postgres_server: Postgres) -> None:
    """Stopped, copied and started with the other URL: keys, limits and idempotency keys are what they were."""
    url = postgres_server.create_database()
    with KanaServer() as old:
        asyncio.run(furnish(old))
        served = old.kana("copy", old.database_url, url)
        old.terminate()
        done = old.kana("copy", old.database_url, url)
        twice = old.kana("copy", old.database_url, url)
        with_json = old.kana("copy", url, f"sqlite:///{old.folder / 'back.db'}", "--json")

        new = KanaServer(database_url=url)
        new.keys = old.keys
        try:
            new.start()
            assert asyncio.run(again(new)) == (True, 2)
            assert new.kana("audit").returncode == 0
        finally:
            new.close()

    assert (served.returncode, "is already served by process" in served.stderr) == (1, True)
    assert done.returncode == 0, done.stderr
    assert "2 entries" in done.stdout
    assert done.stdout.endswith("2 entries, 1 counter in both: every counter equals the sum of its entries.\n")
    assert (twice.returncode, "already has a workspace" in twice.stderr) == (1, True)
    assert json.loads(with_json.stdout)["audits"] == {
        "from": {"entries": 2, "counters": 1, "drifts": 0},
        "to": {"entries": 2, "counters": 1, "drifts": 0},
    }


def test_a_file_that_is_not_there_is_not_copied(postgres_server: Postgres) -> None:
    """Nothing is made where there was nothing."""
    server = KanaServer()
    try:
        missing = server.kana("copy", f"sqlite:///{server.folder / 'none.db'}", postgres_server.create_database())
        assert (missing.returncode, "There is no database at" in missing.stderr) == (1, True)
        assert list(server.folder.iterdir()) == []
    finally:
        server.close()
