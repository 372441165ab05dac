"""Files of a running server that are taken away, replaced or served twice: what counts is the file, not its name."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import stat
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import apsw
import pytest

from tests.reliability.ledger import faults, read_lines
from tests.reliability.load import Load, furnish
from tests.support.client import AdminClient, Refused
from tests.support.forge import Forge
from tests.support.server import KanaServer, ServerEnded

STORAGE_LOST = 70


def _remove(path: Path) -> None:
    path.unlink()


def _rename(path: Path) -> None:
    path.rename(path.with_name("elsewhere"))


def _replace(path: Path) -> None:
    other = path.with_name("other")
    shutil.copy(path, other)
    other.rename(path)


def _empty(path: Path) -> None:
    os.truncate(path, 0)


TAKEN_AWAY = [(suffix, outcome) for suffix in ("", "-wal", "-shm") for outcome in (_remove, _rename, _replace)]


@pytest.mark.parametrize(("suffix", "outcome"), [*TAKEN_AWAY, ("-wal", _empty)])
async def test_nothing_is_acknowledged_once_a_file_is_taken_away(
    kana: KanaServer, suffix: str, outcome: Callable[[Path], None]
) -> None:
    """The server answers no more writes, is not ready, and ends with 70 and a sentence that names the file."""
    await furnish(kana)
    path = kana.database.with_name(f"kana.db{suffix}")
    async with AdminClient(kana.address, kana.private_key) as client:
        assert (await client.record("ada"))["recorded"] is True
        assert (await client.get("/readyz")).status == 200
        outcome(path)
        with pytest.raises(Refused) as refused:
            await client.record("ada")
        with suppress(ConnectionError):  # It may have ended by now.
            assert (await client.get("/readyz")).status == 503
    assert refused.value.code in ("UNAVAILABLE", "OUTCOME_UNKNOWN")
    assert await asyncio.to_thread(kana.wait) == STORAGE_LOST
    verb = "emptied" if outcome is _empty else "replaced or removed"
    what = {"": f"the database file {path}", "-wal": f"the database's log {path}", "-shm": f"the log's index {path}"}
    assert f"Error: {what[suffix]} was {verb} while open; the server stopped" in kana.output


@pytest.mark.parametrize("suffix", ["-wal", "-shm"])
async def test_a_log_that_is_removed_under_load_loses_nothing(kana: KanaServer, suffix: str) -> None:
    """What was acknowledged before is brought into the file through what is open; the next server has all of it."""
    await furnish(kana)
    load = Load(kana)
    async with load.running():
        while len(load.journal.acknowledged) < 100:  # noqa: ASYNC110 - what is waited for is in the answers
            await asyncio.sleep(0.005)
        kana.database.with_name(f"kana.db{suffix}").unlink()
        code = await asyncio.to_thread(kana.wait)
    assert code == STORAGE_LOST
    kana.start()
    await load.settle()
    assert kana.kana("audit").returncode == 0
    assert faults(kana.database, load.journal) == []


async def test_a_log_that_is_removed_while_nobody_writes_is_noticed(kana: KanaServer) -> None:
    """Without a single call the server ends, and nothing that it had acknowledged is lost."""
    await furnish(kana)
    async with AdminClient(kana.address, kana.private_key) as client:
        await client.record("ada", delta=7)
    kana.database.with_name("kana.db-wal").unlink()
    assert await asyncio.to_thread(kana.wait) == STORAGE_LOST
    kana.start()
    async with AdminClient(kana.address, kana.private_key) as client:
        assert (await client.check("ada"))["consumption"]["used"] == 7


async def test_a_log_without_a_name_is_lost_with_its_process(kana: KanaServer) -> None:
    """The control: what the server does in that moment matters. Killed in it, it has lost what it acknowledged."""
    await furnish(kana)
    async with AdminClient(kana.address, kana.private_key) as client:
        await client.record("ada", key="lost")
    kana.signal(signal.SIGSTOP)  # So that it notices nothing.
    kana.database.with_name("kana.db-wal").unlink()
    kana.kill()
    kana.start()
    assert read_lines(kana.database) == []


async def test_a_backup_put_in_place_under_a_server_stays_what_it_is(kana: KanaServer) -> None:
    """The log of the file that was replaced is not brought into the one that replaced it."""
    await furnish(kana)
    backup = kana.folder / "backup.db"
    connection = apsw.Connection(str(kana.database))
    connection.execute("vacuum into ?", (str(backup),))
    connection.close()
    async with AdminClient(kana.address, kana.private_key) as client:
        for _ in range(20):
            await client.record("ada")
        backup.rename(kana.database)
    assert await asyncio.to_thread(kana.wait) == STORAGE_LOST
    kana.start()
    assert read_lines(kana.database) == []
    assert kana.kana("audit").returncode == 0
    checked = apsw.Connection(str(kana.database))
    assert checked.execute("pragma integrity_check").get == "ok"
    checked.close()


async def test_a_copy_of_the_file_alone_is_half_a_database(kana: KanaServer, forge: Forge, tmp_path: Path) -> None:
    """As the documentation warns: what was answered last is in the log. `vacuum into`, the control, has all of it."""
    await furnish(kana)
    async with AdminClient(kana.address, kana.private_key) as client:
        await client.record("ada", delta=5)
        shutil.copy(kana.database, tmp_path / "half.db")
        connection = apsw.Connection(str(kana.database))
        connection.execute("vacuum into ?", (str(tmp_path / "whole.db"),))
        connection.close()
    counted = {}
    for name in ("half.db", "whole.db"):
        connection = apsw.Connection(str(tmp_path / name))
        counted[name] = connection.execute("select count(*) from users").get
        connection.close()
    assert counted == {"half.db": 0, "whole.db": 5}


@pytest.fixture(params=["symbolic link", "hard link", "link to the folder", "lock removed", "lock replaced"])
def other_way(request: pytest.FixtureRequest, kana: KanaServer, tmp_path: Path) -> Path:
    """Another way to the database of a server that runs."""
    if request.param == "symbolic link":
        (tmp_path / "kana.db").symlink_to(kana.database)
        return tmp_path / "kana.db"
    if request.param == "hard link":
        os.link(kana.database, kana.folder / "second.db")
        return kana.folder / "second.db"
    if request.param == "link to the folder":
        (tmp_path / "folder").symlink_to(kana.folder)
        return tmp_path / "folder" / "kana.db"
    lock = kana.database.with_name("kana.db.lock")
    lock.unlink()
    if request.param == "lock replaced":
        lock.write_text("1")
    return kana.database


@pytest.fixture
def second(other_way: Path, forge: Forge, tmp_path: Path) -> Iterator[KanaServer]:
    """Another server on the same database, not started."""
    server = KanaServer(tmp_path, database_url=f"sqlite:///{other_way}", forge=forge)
    yield server
    server.close()


async def test_a_second_server_is_refused_by_whatever_name(kana: KanaServer, second: KanaServer) -> None:
    """It is one file. The first goes on, and once it has ended, the control, the same command starts."""
    with pytest.raises(ServerEnded) as refused:
        second.start()
    assert refused.value.code == 1
    [sentence] = refused.value.said.splitlines()
    assert "is already served by" in sentence
    assert sentence.endswith("; SQLite allows one server, PostgreSQL many (KANA_DATABASE_URL=postgresql://…)")
    async with AdminClient(kana.address, kana.private_key) as client:
        assert (await client.get("/readyz")).status == 200
    assert kana.terminate() == 0
    second.start()
    assert second.terminate() == 0


async def test_commands_beside_a_server_leave_its_lock_alone(kana: KanaServer, forge: Forge) -> None:
    """They open and close the same file; a second server is refused after as before."""
    assert kana.kana("keys", "list").returncode == 0
    assert kana.kana("audit").returncode == 0
    second = KanaServer(kana.folder, forge=forge)
    with pytest.raises(ServerEnded, match="is already served by"):
        second.start()
    second.close()


def _modes(folder: Path) -> dict[str, int]:
    return {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.glob("kana.db*")}


@pytest.mark.parametrize("first", ["init", "serve"])
def test_what_is_kept_is_its_owners_alone(forge: Forge, tmp_path: Path, first: str) -> None:
    """Every file of a new database is 0600, under whatever umask, and no warning is said."""
    server = KanaServer(tmp_path, forge=forge)
    if first == "init":
        server.init()
        assert _modes(tmp_path) == {"kana.db": 0o600}
    server.start()
    assert _modes(tmp_path) == dict.fromkeys(("kana.db", "kana.db-wal", "kana.db-shm", "kana.db.lock"), 0o600)
    assert "can be read by other users" not in server.output
    server.close()


def test_a_database_that_others_can_read_is_warned_of(kana: KanaServer) -> None:
    """The sentence names the files and what to type; the mode is the owner's to change."""
    kana.terminate()
    kana.database.chmod(0o644)
    kana.start()
    files = " ".join(f"{kana.database}{suffix}" for suffix in ("", "-wal", "-shm"))
    assert (
        f"Warning: {kana.database} can be read by other users of this machine (mode 0644), and it contains secrets:"
        f" chmod 600 {files}.\n"
    ) in kana.output
