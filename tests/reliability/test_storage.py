"""A disk that is full, fails, is busy or goes away: wrong answers are worse than none, and reads go on."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import apsw
import pytest

from tests.reliability.ledger import faults, read_lines
from tests.reliability.load import Load, furnish
from tests.reliability.machine import small_disk, traced
from tests.support.client import AdminClient, Refused
from tests.support.forge import Forge
from tests.support.server import KanaServer

STORAGE_LOST = 70


@asynccontextmanager
async def a_client(server: KanaServer) -> AsyncIterator[AdminClient]:
    """A caller with a connection of its own."""
    async with AdminClient(server.address, server.private_key) as client:
        yield client


async def test_a_full_disk_refuses_writes_and_nothing_else(forge: Forge, tmp_path: Path) -> None:
    """Reads go on, writes answer UNAVAILABLE, nothing is half done, and room on the disk is all it takes to go on."""
    with small_disk(tmp_path, megabytes=4) as folder, KanaServer(folder, forge=forge) as server:
        await furnish(server)
        process = server.pid
        ballast = folder / "ballast"
        _fill(ballast, leave_bytes=200_000)
        load = Load(server)
        async with load.running():
            await _until(lambda: len(load.refusals) > 0)
            while len(load.refusals) < 50:
                _fill(ballast, leave_bytes=0)  # The room that the server gives back too.
                await asyncio.sleep(0.005)
            async with a_client(server) as client:
                assert (await client.check("ada"))["access"] is True
                answer = await client.get("/readyz")
                assert (answer.status, answer.json()["reason"]) == (503, "the disk is full; nothing was recorded")
        assert {(refused.code, refused.name) for refused in load.refusals} == {("UNAVAILABLE", "StorageFullError")}
        assert load.journal.acknowledged, "the disk was full before the first call"
        assert faults(server.database, load.journal) == []

        before = len(load.journal.acknowledged)
        ballast.unlink()
        async with a_client(server) as client:  # Nobody writes to a server that is not ready: it finds out by itself.
            assert (await client.get("/readyz")).status == 200
        async with load.running():
            await _until(lambda: len(load.journal.acknowledged) >= before + 50)
        await load.settle()
        assert server.pid == process
        assert server.kana("audit").returncode == 0
        assert faults(server.database, load.journal) == []


async def test_on_a_small_disk_the_log_stays_short(forge: Forge, tmp_path: Path) -> None:
    """It must not be what fills the disk: it is many times what it holds, and copying it takes room too."""
    with small_disk(tmp_path, megabytes=4) as folder, KanaServer(folder, forge=forge) as server:
        await furnish(server)
        async with a_client(server) as client:
            for number in range(1000):
                await client.record("ada", key=f"call-{number}")
        assert (folder / "kana.db-wal").stat().st_size < 1_000_000
        assert len(read_lines(server.database)) == 1000


@pytest.mark.parametrize("nth", [1, 2, 7, 40])
async def test_after_a_failed_sync_nothing_is_acknowledged(kana: KanaServer, tmp_path: Path, nth: int) -> None:
    """The n-th sync fails once: no answer after it says "recorded", the server exits 70, and a new one lost nothing."""
    await furnish(kana)
    load = Load(kana)
    options = ("-e", "trace=fdatasync", "-e", f"inject=fdatasync:error=EIO:when={nth}")
    with traced(kana.pid, tmp_path / "trace", *options):
        async with load.running():
            code = await asyncio.to_thread(kana.wait)
    assert code == STORAGE_LOST
    assert "must not acknowledge" in kana.output
    assert "disk I/O error" in kana.output
    # The failed sync was the last: nothing is written or synced after it, at the end neither.
    syncs = re.findall(r"fdatasync.* = (-?\d+)", (tmp_path / "trace").read_text())
    assert syncs == ["0"] * (nth - 1) + ["-1"]
    assert {refused.code for refused in load.refusals} <= {"OUTCOME_UNKNOWN", "UNAVAILABLE"}

    kana.start()
    await load.settle()
    assert kana.kana("audit").returncode == 0
    assert faults(kana.database, load.journal) == []


@pytest.mark.parametrize("nth", [1, 2, 5, 23])
@pytest.mark.parametrize("error", ["EIO", "ENOSPC"])
async def test_a_failed_write_is_never_acknowledged(kana: KanaServer, tmp_path: Path, error: str, nth: int) -> None:
    """The n-th write fails once: where the disk was full the work goes on, where it is broken it ends."""
    await furnish(kana)
    load = Load(kana)
    options = ("-e", "trace=pwrite64", "-e", f"inject=pwrite64:error={error}:when={nth}")
    with traced(kana.pid, tmp_path / "trace", *options):
        async with load.running():
            if error == "EIO":
                assert await asyncio.to_thread(kana.wait) == STORAGE_LOST
            else:
                await _until(lambda: len(load.refusals) > 0)
                before = len(load.journal.acknowledged)
                await _until(lambda: len(load.journal.acknowledged) > before + 50)
    codes = {"EIO": {"OUTCOME_UNKNOWN", "UNAVAILABLE"}, "ENOSPC": {"UNAVAILABLE"}}[error]
    assert {refused.code for refused in load.refusals} <= codes

    if error == "EIO":
        kana.start()
    await load.settle()
    assert kana.kana("audit").returncode == 0
    assert faults(kana.database, load.journal) == []


async def test_a_database_that_another_process_writes_is_waited_for_and_then_given_up(kana: KanaServer) -> None:
    """While another process holds the write lock, a write ends as UNAVAILABLE with nothing done, and reads go on."""
    await furnish(kana)
    other = apsw.Connection(str(kana.database))
    other.execute("begin immediate")
    async with a_client(kana) as writer, a_client(kana) as reader:
        write = asyncio.create_task(writer.record("ada", key="while-locked"))
        reads = 0
        while not write.done():
            assert (await reader.check("ada"))["consumption"]["used"] == 0
            reads += 1
        with pytest.raises(Refused, match="busy with another process") as refused:
            await write
        assert refused.value.code == "UNAVAILABLE"
        assert reads > 50
        assert read_lines(kana.database) == []

        other.execute("rollback")
        assert await writer.record("ada", key="while-locked") == {
            "recorded": True, "reason": None, "duplicate": False, "id": str(read_lines(kana.database)[0].id),
            "consumption": {"used": 1, "budget": 1_000_000, "overageEnabled": False},
        }  # fmt: skip
    other.close()


@pytest.mark.parametrize("outcome", ["removed", "replaced"])
async def test_a_file_that_goes_away_while_open_ends_the_server(kana: KanaServer, outcome: str) -> None:
    """What is written to a file without a name is lost with the process, so nothing more is acknowledged."""
    await furnish(kana)
    async with a_client(kana) as client:
        await client.record("ada")
        if outcome == "removed":
            kana.database.unlink()
        else:
            other = kana.database.with_name("other.db")
            other.write_bytes(kana.database.read_bytes())
            other.rename(kana.database)
        with pytest.raises(Refused, match="replaced or removed") as refused:
            await client.record("ada")
    assert refused.value.code == "UNAVAILABLE"
    assert await asyncio.to_thread(kana.wait) == STORAGE_LOST


async def test_readiness_says_when_the_file_is_gone(kana: KanaServer) -> None:
    """A load balancer that asks learns it even when nobody writes; the control: before, the server is ready."""
    async with a_client(kana) as client:
        assert (await client.get("/readyz")).status == 200
        kana.database.unlink()
        answer = await client.get("/readyz")
    assert answer.status == 503
    assert answer.json()["reason"].startswith(f"the database file {kana.database} was replaced or removed")
    assert await asyncio.to_thread(kana.wait) == STORAGE_LOST


def _fill(ballast: Path, *, leave_bytes: int) -> None:
    with ballast.open("ab") as file:
        try:
            while True:
                file.write(bytes(65_536))
                file.flush()
        except OSError:
            pass
    with ballast.open("r+b") as file:
        file.truncate(ballast.stat().st_size - leave_bytes)


async def _until(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110 - what is waited for is in the answers of a server
        await asyncio.sleep(0.005)
