"""Reads a database as any program may, without Kana's code, and holds it against what callers were told."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import apsw
import asyncpg

_LINES = """
select e.id, u.id, e.feature_id, e.delta, e.outcome, e.change, e.subscription_id, e.period_start, e.used,
    e.budget, e.overage_enabled, e.key
from entries as e join users as u using (bucket, user_key) order by e.id
"""
_DRIFTS = """
with moved as (
    select feature_id, subscription_id, period_start, change from entries
    where outcome = 'RECORDED' and postings is null
    union all
    select feature_id, json_extract(p.value, '$[0]'), json_extract(p.value, '$[2]'), json_extract(p.value, '$[3]')
    from entries, json_each(postings) as p
)
select subscription_id, feature_id, period_start, used, (
    select coalesce(sum(change), 0) from moved as m
    where m.subscription_id = c.subscription_id and m.feature_id = c.feature_id and m.period_start = c.period_start
) as summed
from counters as c where used <> summed
union all
select subscription_id, feature_id, 'of parts', change, summed from (
    select e.subscription_id, e.feature_id, e.change, sum(json_extract(p.value, '$[3]')) as summed
    from entries as e, json_each(e.postings) as p group by e.id
) where change <> summed
"""
_LIMITED = """
select user_key, feature_id, outcome, change, reset_period, period_start, used, budget from entries
where budget is not null and (line is null or json_extract(line, '$[1]') is null)
order by id
"""
_NOTIFIED = """
select user_key, json_extract(about, '$.featureId'), coalesce(json_extract(about, '$.percent') || '', 'refused')
from notifications where type like 'usage.%'
"""


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the ledger as it stands in the file."""

    id: int
    user_id: str
    feature_id: str
    delta: int
    outcome: str
    change: int
    subscription_id: int | None
    period_start: int | None
    used: int | None
    budget: int | None
    overage_enabled: int | None
    key: bytes | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """One call and what its caller was told; ``answer`` is None where no answer came and none was asked for again."""

    user_id: str
    delta: int
    key: str | None
    answer: dict[str, Any] | None


@dataclass(slots=True)
class Journal:
    """All calls of a test, in the order in which they ended."""

    calls: list[Told] = field(default_factory=list)

    @property
    def acknowledged(self) -> list[Told]:
        """The calls that were answered."""
        return [call for call in self.calls if call.answer is not None]

    @property
    def unanswered(self) -> int:
        """How many calls were made without a key and never answered: each may stand in the ledger or not."""
        return len(self.calls) - len(self.acknowledged)


def read_lines(path: Path) -> list[Line]:
    """Return the ledger, in the order in which it was decided."""
    connection = apsw.Connection(str(path))
    try:
        return [Line(*row) for row in connection.execute(_LINES)]
    finally:
        connection.close()


async def read_lines_of(url: str) -> list[Line]:
    """Return the same of the database that a server was given."""
    if url.startswith("sqlite:///"):
        return read_lines(Path(url.removeprefix("sqlite:///")))
    connection = await asyncpg.connect(url, server_settings={"search_path": "kana"})
    try:
        return [Line(*row) for row in await connection.fetch(_LINES)]
    finally:
        await connection.close()


def faults(path: Path, journal: Journal) -> list[str]:
    """Return everything that is wrong with a database, given what callers were told; empty where nothing is."""
    lines = read_lines(path)
    return [*damage(path), *told_faults(lines, journal)]


def damage(path: Path) -> list[str]:
    """Return what contradicts itself within a database, whatever callers were told; empty where nothing does."""
    return [*_file_faults(path), *line_faults(read_lines(path))]


def _file_faults(path: Path) -> Iterator[str]:
    connection = apsw.Connection(str(path))
    try:
        if (said := connection.execute("pragma integrity_check").get) != "ok":
            yield f"the file is damaged: {said}"
        yield from (f"a counter differs from its lines: {row}" for row in connection.execute(_DRIFTS))
        yield from _notification_faults(connection)
    finally:
        connection.close()


def _notification_faults(connection: apsw.Connection) -> Iterator[str]:
    """Each limit that the lines reach, and each first refusal, is notified once, and nothing else is."""
    expected: set[tuple[Any, ...]] = set()
    for user, feature, outcome, change, reset, start, used, budget in connection.execute(_LIMITED):
        if outcome == "RECORDED":
            reached = [p for p in (80, 100) if used * 100 >= p * budget > (used - change) * 100]
            expected |= {(user, feature, reset, start, str(p)) for p in reached}
        elif outcome == "LIMIT_EXCEEDED":
            expected.add((user, feature, reset, start, "refused"))
    written = Counter((user, feature, what) for user, feature, what in connection.execute(_NOTIFIED))
    wanted = Counter((user, feature, what) for user, feature, _, _, what in expected)
    yield from (f"notification missing: {each}" for each in wanted - written)
    yield from (f"notification without a reason: {each}" for each in written - wanted)


SUM = "sum"
"""How the names of users begin who hold packages that add to each other: what they used counts over all of them."""


def line_faults(lines: list[Line]) -> Iterator[str]:
    """Each line's total is the sum of the lines before it, and no hard limit was ever passed by a grant."""
    totals: Counter[tuple[int | str | None, str, int | None]] = Counter()
    for line in lines:
        counter: tuple[int | str | None, str, int | None] = (line.subscription_id, line.feature_id, line.period_start)
        if line.user_id.startswith(SUM):
            counter = (line.user_id, line.feature_id, None)
        totals[counter] += line.change
        if line.subscription_id is None or line.used is None:
            continue
        if line.used != totals[counter]:
            yield f"line {line.id} says {line.used} used where the lines add up to {totals[counter]}"
        over = line.budget is not None and line.used > line.budget and not line.overage_enabled
        if line.outcome == "RECORDED" and line.delta > 0 and over:
            yield f"line {line.id} was granted above the limit: {line.used} of {line.budget}"


def told_faults(lines: list[Line], journal: Journal) -> Iterator[str]:
    """What callers were told and does not stand in the ledger, or stands there otherwise or twice."""
    yield from _lost(lines, journal)
    yield from _double(lines, journal)


def _lost(lines: list[Line], journal: Journal) -> Iterator[str]:
    by_id = {line.id: line for line in lines}
    for call in journal.acknowledged:
        assert call.answer is not None
        line = by_id.get(int(call.answer["id"]))
        if line is None:
            yield f"lost: {call}"
        elif (line.user_id, line.delta, line.outcome == "RECORDED") != (
            call.user_id,
            call.delta,
            call.answer["recorded"],
        ):
            yield f"changed: {call} is {line}"


def _double(lines: list[Line], journal: Journal) -> Iterator[str]:
    """A call stands in the ledger once; only calls without a key and without an answer leave it open whether."""
    answered = {int(call.answer["id"]) for call in journal.acknowledged if call.answer is not None}
    repeated = [id_ for id_, count in Counter(line.id for line in lines).items() if count > 1]
    yield from (f"double: line {id_}" for id_ in repeated)
    unexplained = [line for line in lines if line.id not in answered]
    keyed = [line for line in unexplained if line.key is not None]
    yield from (f"double: {line} is a second line of an answered call" for line in keyed)
    if len(unexplained) - len(keyed) > journal.unanswered:
        yield f"double: {len(unexplained) - len(keyed)} lines nobody was told of, {journal.unanswered} calls unanswered"
