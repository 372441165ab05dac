"""Every release's database opens with this version, and what it answered then it answers now. See ``make.py``."""

from __future__ import annotations

import asyncio
import gzip
import json
from datetime import datetime
from pathlib import Path
from typing import Any

import apsw
import pytest

from kana.store.moving import move
from kana.store.postgres import PostgresStore
from kana.store.postgres import migrate as postgres_migrate
from kana.store.sqlite.moving import SqliteTables
from kana.store.statements import read_migrations
from tests.support.postgres import Postgres
from tests.support.serving import Served
from tests.support.stores import Place, PostgresPlace, SqlitePlace
from tests.support.world import SetClock

RELEASES = sorted(path.name.removesuffix(".sql.gz") for path in Path(__file__).parent.glob("*.sql.gz"))


def told_by(release: str) -> dict[str, Any]:
    """What the release said of its database."""
    told: dict[str, Any] = json.loads(gzip.decompress(Path(__file__).with_name(f"{release}.json.gz").read_bytes()))
    return told


def restore(release: str, path: Path) -> Path:
    """The release's file as it was."""
    connection = apsw.Connection(str(path))
    connection.execute(gzip.decompress(Path(__file__).with_name(f"{release}.sql.gz").read_bytes()).decode())
    connection.close()
    return path


async def fill(url: str, file: Path, *, version: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the release's tables on PostgreSQL, and copy its file there: what the release itself would hold."""
    with monkeypatch.context() as then:
        then.setattr(postgres_migrate, "read_migrations", lambda package: read_migrations(package)[:version])
        store = await PostgresStore.open(url)
        await move(SqliteTables(str(file)), store.tables)
        await store.close()


@pytest.fixture(params=RELEASES)
def release(request: pytest.FixtureRequest) -> str:
    """Each release that was kept."""
    name: str = request.param
    return name


@pytest.fixture(params=["sqlite", "postgres"])
def place(request: pytest.FixtureRequest, release: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    """The release's database, untouched since."""
    file = restore(release, tmp_path / "kana.db")
    if request.param == "sqlite":
        return SqlitePlace(file)
    server: Postgres = request.getfixturevalue("postgres_server")
    url = server.create_database()
    asyncio.run(fill(url, file, version=told_by(release)["versions"]["postgres"], monkeypatch=monkeypatch))
    return PostgresPlace(url)


def test_the_first_release_is_kept() -> None:
    """Nobody who began with the first release is left behind."""
    assert RELEASES[0] == "0.1.0"


def test_a_release_s_database_gives_the_same_answers(release: str, place: Place) -> None:
    """It migrates, its totals are those of its ledger, and lists, checks, usage and keys answer as before."""
    told = told_by(release)
    now = datetime.fromisoformat(told["now"])

    with Served(place, clock=SetClock(now)) as served:
        answers = [served.ask(query, variables) for query, variables, _ in told["answers"]]
        audit = served.run(served.store.audits.audit())

    for answer, (query, variables, before) in zip(answers, told["answers"], strict=True):
        assert as_then(answer, now) == as_then(before, now), (query, variables)
    assert (audit.drifts, audit.tally_drifts) == ((), ())
    assert audit.entries > 900


def as_then(answer: dict[str, Any], now: datetime) -> dict[str, Any]:
    """An answer without the log's lines of this moment: the test made keys to ask with."""
    if "adminLog" not in answer:
        return answer
    lines = [line for line in answer["adminLog"] if datetime.fromisoformat(line["at"]) < now]
    return {**answer, "adminLog": lines}
