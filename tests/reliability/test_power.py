"""A power cut loses nothing that was acknowledged."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from kana.store.sqlite import SqliteStore
from kana.store.sqlite.checkpoints import CHECKPOINT_PAGES, TIGHT_PAGES
from tests.reliability.ledger import damage, read_lines
from tests.reliability.machine import Disk, traced
from tests.support.client import AdminClient
from tests.support.server import KanaServer
from tests.support.tree import ROOT
from tests.support.world import TESTER, World, a_package, allows

SYSTEM_CALLS = "trace=pwrite64,fdatasync,write,writev,sendto,sendmsg"


async def _lost_at_a_power_cut(
    disk: Disk, acknowledged: Path, *, synchronous: str, count: int, pages: int = TIGHT_PAGES
) -> int:
    """Cut the power after so many acknowledgements; return how many of them are not there afterwards."""
    with disk.plugged_in() as folder:
        database = folder / "kana.db"
        world = World(SqliteStore(str(database)))  # its clock stands at the same noon as the other process's
        await world.access.initialise("power", by=TESTER)
        await world.furnish(a_package("basic", allows(10_000_000)))
        await world.subscribed_user("ada")
        await world.store.close()
        command: list[str | Path] = [
            sys.executable,
            "-m",
            "tests.reliability.acknowledge",
            database,
            synchronous,
            acknowledged,
            str(count),
            str(pages),
        ]
        subprocess.run(command, cwd=ROOT, check=True)  # noqa: ASYNC221 - nobody else waits on this loop
    with disk.plugged_in() as folder:
        assert _times_begun_anew(folder / "kana.db-wal") > 0 or pages >= TIGHT_PAGES, "nothing was copied"
        assert damage(folder / "kana.db") == []
        kept = {line.id for line in read_lines(folder / "kana.db")}
    told = {int(line) for line in acknowledged.read_text().split()}  # noqa: ASYNC240
    assert len(told) == count
    return len(told - kept)


def _times_begun_anew(log: Path) -> int:
    """How often all that a log held was in the file, so that it could begin anew.

    Source: sqlite.org/fileformat2.html, "WAL File Format": the header's checkpoint sequence number.
    """
    return int.from_bytes(log.read_bytes()[12:16], "big")


@pytest.mark.parametrize("count", [150, 301, 452, 603, 754])
async def test_a_power_cut_loses_nothing_that_was_acknowledged(tmp_path: Path, count: int) -> None:
    """Recovered from what was on the disk at that moment, the ledger holds every acknowledged entry."""
    lost = await _lost_at_a_power_cut(Disk(tmp_path), tmp_path / "told", synchronous="FULL", count=count)
    assert lost == 0


@pytest.mark.parametrize("pages", [4, 16, 32])
@pytest.mark.parametrize("count", [333, 757])
async def test_a_power_cut_while_the_log_is_copied_loses_nothing(tmp_path: Path, count: int, pages: int) -> None:
    """The same where the log is brought into the file beside the writer all the time."""
    lost = await _lost_at_a_power_cut(Disk(tmp_path), tmp_path / "told", synchronous="FULL", count=count, pages=pages)
    assert lost == 0


@pytest.mark.parametrize("count", [300, 600])
async def test_the_power_cut_is_real(tmp_path: Path, count: int) -> None:
    """The control: with synchronous=NORMAL, which does not wait for the disk, acknowledged entries are lost.

    The log is too short to be copied, which would wait for the disk, at times until after the last acknowledgement.
    """
    disk, told = Disk(tmp_path), tmp_path / "told"
    assert await _lost_at_a_power_cut(disk, told, synchronous="NORMAL", count=count, pages=CHECKPOINT_PAGES) > 0


async def test_an_answer_follows_the_sync_that_follows_the_write(kana: KanaServer, tmp_path: Path) -> None:
    """For every recorded usage the kernel sees a write, then a sync that succeeds, then the answer.

    The control: a check, which records nothing, is answered without a sync.
    """
    async with AdminClient(kana.address, kana.private_key) as client:
        await client.furnish(limit=100)
        await client.enrol("ada")
        await client.record("ada")
        with traced(kana.pid, tmp_path / "recorded", "-e", SYSTEM_CALLS):
            for _ in range(20):
                await client.record("ada")
        with traced(kana.pid, tmp_path / "checked", "-e", SYSTEM_CALLS):
            for _ in range(20):
                await client.check("ada")

    assert re.fullmatch("(w+s+a){20}", _order(tmp_path / "recorded"))
    assert _order(tmp_path / "checked") == "a" * 20


def _order(trace: Path) -> str:
    """Return the calls in their order: w for a write to the file, s for a sync that is done, a for an answer."""
    letters = {r"pwrite64\(": "w", r"fdatasync\(\d+\) += 0|fdatasync resumed>\) += 0": "s", r'"HTTP/1\.1 200': "a"}
    lines = trace.read_text().splitlines()
    return "".join(letter for line in lines for pattern, letter in letters.items() if re.search(pattern, line))
