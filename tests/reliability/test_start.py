"""A server starts on what is its own, says in a sentence why it does not start on anything else, and starts again."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import apsw
import pytest

from kana.store.statements import read_migrations
from tests.reliability.machine import read_only
from tests.support.client import AdminClient
from tests.support.forge import Forge
from tests.support.server import KanaServer, ServerEnded

NEWEST = len(read_migrations("kana.store.sqlite"))


@pytest.fixture
def stopped(forge: Forge, tmp_path: Path) -> Iterator[KanaServer]:
    """A server that was not started yet, without a database."""
    server = KanaServer(tmp_path, forge=forge)
    yield server
    server.close()


def _refusal(server: KanaServer) -> str:
    """Start it in vain; return the one sentence that it says."""
    with pytest.raises(ServerEnded) as ended:
        server.start()
    assert ended.value.code == 1
    [sentence] = ended.value.said.splitlines()
    return sentence


def test_a_second_server_on_the_same_file_is_refused(kana: KanaServer, forge: Forge) -> None:
    """It names the process that has the file; the first one goes on, and when it has ended another may start."""
    second = KanaServer(kana.folder, forge=forge)
    assert _refusal(second) == (
        f"Error: the database {kana.database} is already served by process {kana.pid}; SQLite allows one server,"
        " PostgreSQL many (KANA_DATABASE_URL=postgresql://…)"
    )
    kana.kill()
    second.start()
    assert second.terminate() == 0
    second.close()


def test_a_database_that_is_newer_is_refused(stopped: KanaServer) -> None:
    """What a newer program keeps there, this one would not understand; nothing in it is changed."""
    stopped.init()
    _execute(stopped.database, "pragma user_version = 999")
    before = stopped.database.read_bytes()
    assert _refusal(stopped) == (
        f"Error: the database is at version 999 and this program knows up to {NEWEST}; use a newer kana-server"
    )
    assert stopped.database.read_bytes() == before


@pytest.mark.parametrize("content", ["tables", "version", "text"])
def test_a_file_that_is_not_ours_is_refused(stopped: KanaServer, content: str) -> None:
    """Another program's file is left as it is."""
    if content == "tables":
        _execute(stopped.database, "create table theirs (id integer)")
        expected = "Error: the file is another program's database; Kana needs its own file"
    elif content == "version":
        _execute(stopped.database, "pragma user_version = 1")
        expected = "Error: the file is another program's database; Kana needs its own file"
    else:
        stopped.database.write_text("not a database at all, " * 100)
        expected = f"Error: cannot open the database {stopped.database}: file is not a database"
    before = stopped.database.read_bytes()
    assert _refusal(stopped) == expected
    assert stopped.database.read_bytes() == before


def test_a_database_that_is_gone_is_not_made_anew_in_silence(kana: KanaServer) -> None:
    """Where a server kept one, an empty one would look like data lost; `kana init` says that one is wanted."""
    kana.kill()
    for file in kana.folder.glob("kana.db*"):
        if file.suffix != ".lock":
            file.unlink()
    sentence = _refusal(kana)
    assert sentence.startswith(f"Error: the database {kana.database} is missing, though a server used one here")
    assert not kana.database.exists()
    kana.init()
    kana.start()


def test_a_folder_that_is_not_there_is_named(stopped: KanaServer) -> None:
    """A misspelt path makes no folder."""
    stopped.database_url = f"sqlite:///{stopped.folder}/missing/kana.db"
    path = stopped.folder / "missing" / "kana.db"
    assert _refusal(stopped) == f"Error: cannot open the database {path}: No such file or directory"
    assert not path.parent.exists()


def test_a_folder_that_cannot_be_written_is_named(forge: Forge, tmp_path: Path) -> None:
    """On a read-only file system the sentence says so."""
    with read_only(tmp_path) as folder:
        server = KanaServer(tmp_path, database_url=f"sqlite:///{folder}/kana.db", forge=forge)
        assert _refusal(server) == f"Error: cannot open the database {folder / 'kana.db'}: Read-only file system"
        server.close()


def test_killed_while_it_makes_its_tables_it_starts_again(stopped: KanaServer) -> None:
    """Whenever in its first start it is killed, the next start has the tables and exactly one workspace.

    The moment is how much of all that a first start writes is written: so every stage is met, however slow it is.
    """
    stopped.start()
    stopped.kill()
    whole = _written(stopped)
    seen = Counter[str]()
    for twentieth in range(20):
        for file in stopped.folder.glob("kana.db*"):
            file.unlink()
        stopped.launch()
        while _written(stopped) * 20 < whole * twentieth:
            time.sleep(0)
        stopped.kill()
        seen[_state(stopped.database)] += 1
        stopped.start()
        stopped.kill()
        assert _state(stopped.database) == "workspace"
        assert stopped.kana("audit").returncode == 0
    assert len(seen) > 1, f"every kill came at the same stage: {seen}"


def test_several_that_start_at_once_make_one_workspace(stopped: KanaServer) -> None:
    """Of four `kana init` on no database one makes the workspace, and the others say that it is there."""
    for _ in range(10):
        for file in stopped.folder.glob("kana.db*"):
            file.unlink()
        with ThreadPoolExecutor(4) as pool:
            ended = list(pool.map(lambda _: stopped.kana("init", "--json"), range(4)))
        assert sorted(process.returncode for process in ended) == [0, 1, 1, 1]
        refused = [process for process in ended if process.returncode == 1]
        assert all("already has a workspace. Nothing was changed." in process.stderr for process in refused), refused
        assert _execute(stopped.database, "select count(*) from workspace") == 1
        assert _execute(stopped.database, "select count(*) from keys") == 4


async def test_a_copy_of_what_a_kill_leaves_is_a_database(kana: KanaServer, forge: Forge, tmp_path: Path) -> None:
    """What a crash leaves, log included, is all that another machine needs to go on with."""
    async with AdminClient(kana.address, kana.private_key) as client:
        await client.furnish(limit=10)
        await client.enrol("ada")
        await client.record("ada", delta=3)
    kana.kill()
    for file in kana.folder.glob("kana.db*"):
        shutil.copy(file, tmp_path)
    copy = KanaServer(tmp_path, forge=forge)
    copy.start()
    async with AdminClient(copy.address, kana.private_key) as client:
        assert (await client.check("ada"))["consumption"] == {"used": 3, "budget": 10, "overageEnabled": False}
    copy.close()


def test_starting_on_a_file_reads_nothing_that_it_does_not_need() -> None:
    """Ready within a second: most of a start is reading modules, so the large ones that can wait are not read."""
    modules = "import sys, kana.cli, kana.app, kana.api.server; print(*sys.modules)"
    read = subprocess.run([sys.executable, "-c", modules], check=True, capture_output=True, text=True).stdout.split()
    assert "structlog" in read
    assert {"asyncpg", "rich", "ruamel", "httpx"}.isdisjoint(read)


def _execute(path: Path, statement: str) -> object:
    connection = apsw.Connection(str(path))
    try:
        return connection.execute(statement).get
    finally:
        connection.close()


def _written(server: KanaServer) -> int:
    """How many bytes the database and its log have."""
    sizes = 0
    for name in ("kana.db", "kana.db-wal"):
        with suppress(FileNotFoundError):
            sizes += (server.folder / name).stat().st_size
    return sizes


def _state(path: Path) -> str:
    """How far a first start came."""
    if not path.exists() or not _execute(path, "pragma user_version"):
        return "nothing"
    return "workspace" if _execute(path, "select count(*) from workspace") else "tables"
