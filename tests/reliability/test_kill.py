"""A server that is killed loses nothing that it acknowledged, and counts nothing twice."""

from __future__ import annotations

import asyncio
import random
import shutil
from pathlib import Path

import apsw

from tests.reliability.ledger import faults, read_lines
from tests.reliability.load import Load, furnish
from tests.support.server import KanaServer

KILLS = 60
REFUSED = "usage.refused"


async def test_sixty_kills_under_load_lose_nothing_and_count_nothing_twice(kana: KanaServer, tmp_path: Path) -> None:
    """Each acknowledged entry stands in the ledger once; what was unknown is asked again with its key and counts once.

    What is taken from several packages is taken from all of them or none. And the checker that says so sees a line
    that is missing, a line that stands twice, and a part that is.
    """
    await furnish(kana)
    moments = random.Random(60)
    load = Load(kana, seed=60)
    for _ in range(KILLS):
        async with load.running():
            await asyncio.sleep(moments.uniform(0.15, 0.4))
            kana.kill()
        kana.start()
    await load.settle()

    answered = [call for call in load.journal.acknowledged if call.key is not None][::50]
    repeated = await load.repeat(answered)
    audit = kana.kana("audit")

    assert repeated == [{**(call.answer or {}), "duplicate": True} for call in answered]
    assert audit.returncode == 0, audit.stdout
    assert load.retried + load.journal.unanswered > 0, "no kill met a call: the harness saw nothing"
    assert {line.outcome == "RECORDED" for line in read_lines(kana.database)} == {True, False}
    assert _split(kana.database) > 0, "nothing was taken from several packages at once"
    assert faults(kana.database, load.journal) == []

    assert kana.terminate() == 0
    line = next(line for line in read_lines(kana.database) if line.outcome == "RECORDED" and line.key is not None)
    spoilt = Path(shutil.copy(kana.database, tmp_path / "lost.db"))
    _spoil(spoilt, "delete from entries where id = ?", line.id)
    assert _kinds(faults(spoilt, load.journal)) >= {"lost", "a counter differs from its lines"}
    spoilt = Path(shutil.copy(kana.database, tmp_path / "double.db"))
    _spoil(
        spoilt,
        """insert into entries select bucket, user_key, (select max(id) + 1 from entries), environment, feature_id,
        action, delta, outcome, reason, change, subscription_id, reset_period, period_start, used, budget,
        overage_enabled, zeroblob(32), timestamp, metadata, recorded_at, postings, reverses,
        decision_id, line from entries where id = ?""",
        line.id,
    )
    assert _kinds(faults(spoilt, load.journal)) >= {"double"}
    spoilt = Path(shutil.copy(kana.database, tmp_path / "part.db"))
    _spoil(
        spoilt, "update entries set postings = json_remove(postings, '$[1]') where postings is not null and id > ?", 0
    )
    assert _kinds(faults(spoilt, load.journal)) >= {"a counter differs from its lines"}
    spoilt = Path(shutil.copy(kana.database, tmp_path / "silent.db"))
    _spoil(spoilt, "delete from notifications where id = (select max(id) from notifications where type = ?)", REFUSED)
    assert _kinds(faults(spoilt, load.journal)) == {"notification missing"}
    spoilt = Path(shutil.copy(kana.database, tmp_path / "loud.db"))
    _spoil(spoilt, "update notifications set type = ? where type = 'user.created'", REFUSED)
    assert _kinds(faults(spoilt, load.journal)) == {"notification without a reason"}


def _split(path: Path) -> int:
    connection = apsw.Connection(str(path))
    found = connection.execute("select count(*) from entries where postings is not null").get
    connection.close()
    return int(found)


def _spoil(path: Path, statement: str, line: int | str) -> None:
    connection = apsw.Connection(str(path))
    connection.execute(statement, (line,))
    connection.close()


def _kinds(found: list[str]) -> set[str]:
    return {fault.split(":")[0] for fault in found}
