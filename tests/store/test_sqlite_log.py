"""The log of a server is made to its size before it is needed, where that can be done without harm."""

from __future__ import annotations

import shutil
from pathlib import Path

import apsw
import pytest

from kana.store.sqlite import files
from kana.store.sqlite.checkpoints import LOG_BYTES
from kana.store.sqlite.connection import connect
from kana.store.sqlite.database import Database
from kana.store.sqlite.files import make_log


async def test_a_server_begins_with_a_log_of_its_size(tmp_path: Path) -> None:
    """Nothing in it is taken for what was written; it is its owner's alone and gone when the server has ended."""
    path = tmp_path / "kana.db"
    for number in range(3):
        database = Database(str(path), exclusive=True)
        log = tmp_path / "kana.db-wal"
        assert (log.stat().st_size, log.stat().st_mode & 0o777) == (LOG_BYTES, 0o600)
        await database.write(lambda connection: connection.execute("create table if not exists notes (n)"))
        await database.write(lambda connection, n=number: connection.execute("insert into notes values (?)", (n,)))  # type: ignore[misc]
        assert log.stat().st_size == LOG_BYTES
        assert database.read(lambda connection: connection.execute("select count(*) from notes").get) == number + 1
        await database.close()
        assert {each.name for each in list_files(tmp_path)} == {"kana.db", "kana.db.lock"}


async def test_what_a_killed_server_left_in_such_a_log_is_found(tmp_path: Path) -> None:
    """Behind the last commit there are zeros or what an earlier round left, and neither counts."""
    database = Database(str(tmp_path / "kana.db"), exclusive=True)
    await database.write(lambda connection: connection.execute("create table notes (n)"))
    await database.write(lambda connection: connection.execute("insert into notes values (7)"))
    killed = tmp_path / "killed"
    killed.mkdir()
    for name in ("kana.db", "kana.db-wal"):
        shutil.copy(tmp_path / name, killed)
    await database.close()
    found = Database(str(killed / "kana.db"), exclusive=True)
    assert found.read(lambda connection: connection.execute("select n from notes").get) == 7
    await found.close()


def test_a_log_that_is_there_is_left_alone(tmp_path: Path) -> None:
    """A command beside may be writing it."""
    path = str(tmp_path / "kana.db")
    other = connect(path)
    other.execute("create table notes (n)")
    before = (tmp_path / "kana.db-wal").read_bytes()
    make_log(path, size=LOG_BYTES)
    assert (tmp_path / "kana.db-wal").read_bytes() == before
    other.close()


@pytest.mark.parametrize("obstacle", ["little room", "no hard links"])
def test_where_it_cannot_be_made_all_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, obstacle: str) -> None:
    """No half of it is left behind. The control makes it."""
    path = str(tmp_path / "kana.db")
    connect(path).close()
    with monkeypatch.context() as patch:
        if obstacle == "little room":
            patch.setattr(files, "room", lambda _: LOG_BYTES * 63)
        else:
            patch.setattr(Path, "hardlink_to", _refuse)
        make_log(path, size=LOG_BYTES)
        assert [each.name for each in tmp_path.iterdir()] == ["kana.db"]
    make_log(path, size=LOG_BYTES)
    assert (tmp_path / "kana.db-wal").stat().st_size == LOG_BYTES
    connection = apsw.Connection(path)
    assert connection.execute("pragma integrity_check").get == "ok"
    connection.close()


def _refuse(*_: object) -> None:
    raise OSError


def list_files(folder: Path) -> list[Path]:
    """All that is in a folder."""
    return list(folder.iterdir())
