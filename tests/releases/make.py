"""Make what is kept of a release: a database with a year of usage, and what the release itself answers about it.

Run in a checkout of the release, beside this file: ``python -m tests.releases.make FOLDER/0.1.0``. It writes
``0.1.0.sql.gz``, the database as SQL, and ``0.1.0.json.gz``, the questions and that release's answers. Both are then
kept here for ever, and ``test_releases.py`` holds every later version to them. It also writes ``openapi.json``, which
clients of that release were made of: a later one must not break them (tests/support/breaking.py).
"""

from __future__ import annotations

import gzip
import json
import random
import sqlite3
import sys
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from kana.store.statements import read_migrations
from tests.api.admin import calls
from tests.api.segment import calls as segment
from tests.support.breaking import release
from tests.support.serving import Served
from tests.support.stores import SqlitePlace
from tests.support.world import SetClock

START = datetime(2025, 1, 31, 9, 30, tzinfo=UTC)
DAYS = 400
USERS = ("ada", "bob", "cleo", "dan", "eve/ü", "frank", "greta", "hal")
FEATURES = ("message", "token", "seat", "support")
ASK_INSIGHTS = """query($from: DateTime!, $to: DateTime!) {
    usageInsights(from: $from, to: $to, by: MONTH) { at featureId packageId units entries refusals }
    adoption(from: $from, to: $to) { featureId entitled used }
    topUsers(featureId: "message", from: $from, to: $to) { userId units entries refusals }
    refusals(from: $from, to: $to) { userId featureId reason count lastAt }
    nearLimit { userId featureId packageId used limit overageEnabled resetsAt }
}"""
ASK_LISTS = f"""{{
    features {{ {calls.FEATURE} }}
    packages(status: "ALL") {{ {calls.PACKAGE} }}
    users {{ {calls.USER} }}
    subscriptions {{ {calls.SUBSCRIPTION} }}
    adminLog(first: 1000) {{ at action subjectKind subjectId }}
    mappingRules {{ id name eventName featureId }}
    segmentEvents {{ messageId type status reason featureId delta }}
}}"""


def main(target: Path) -> None:
    """Write both files."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "kana.db"
        with Served(SqlitePlace(path), clock=SetClock(START)) as served:
            replays = live(served)
            answers = [(query, variables, served.ask(query, variables)) for query, variables in questions()]
            answers += [(calls.RECORD, given, served.ask(calls.RECORD, given)) for given in replays]
            now = served.clock.now
        dump = "\n".join(statements(path))
    write(target.with_suffix(f"{target.suffix}.sql.gz"), dump)
    versions = {name: len(read_migrations(f"kana.store.{name}")) for name in ("sqlite", "postgres")}
    told = {"now": now.isoformat(), "versions": versions, "answers": answers}
    write(target.with_suffix(f"{target.suffix}.json.gz"), json.dumps(told))
    release()


def write(path: Path, text: str) -> None:
    """Compress without a time in it, so that the same content is the same file."""
    path.write_bytes(gzip.compress(text.encode(), mtime=0))


def statements(path: Path) -> Iterator[str]:
    """The database as SQL, with the two numbers of its header that tell whose it is and how old."""
    connection = sqlite3.connect(path)
    yield from connection.iterdump()
    for pragma in ("application_id", "user_version"):
        [(number,)] = connection.execute(f"pragma {pragma}")
        yield f"pragma {pragma} = {number};"
    connection.close()


def live(served: Served) -> list[dict[str, Any]]:
    """Fill a catalogue, let users come and go, and use it for a year; return usages to send again."""
    chance = random.Random(2025)
    make_catalog(served)
    replays: list[dict[str, Any]] = []
    for day in range(0, DAYS, 2):
        served.clock.now = START + timedelta(days=day, minutes=chance.randrange(1200))
        change_something(served, chance, day)
        used = [use_something(served, chance, day) for _ in range(5)]
        replays += [{"input": given} for given in used if given is not None]
    served.clock.now = START + timedelta(days=DAYS)
    return chance.sample(replays, 40)


def make_catalog(served: Served) -> None:
    """Packages of every kind: limits by day, month, year and for ever, overage, add-ons, a draft, an archived one."""
    for feature in FEATURES:
        kind = "BINARY" if feature == "support" else "CONSUMABLE"
        given = {"id": feature, "name": feature.title(), "type": kind, "metadata": {"of": [feature, 1, None]}}
        served.ask(calls.CREATE_FEATURE, {"input": given})
    held: dict[str, tuple[list[Any], ...]] = {
        "basic": (["message", 100, "MONTH", False], ["token", 1_000_000, "DAY", False], ["support", None, None, None]),
        "pro": (["message", 1_000, "MONTH", True], ["token", 2**31 - 1, "YEAR", False], ["seat", 5, "MONTH", False]),
        "open": (["message", None, None, None], ["seat", 50, "YEAR", True]),
        "more": (["message", 500, "MONTH", False], ["seat", 10, "DAY", False]),
        "old": (["message", 10, "DAY", False],),
        "draft": (["message", 1, "DAY", False],),
    }
    for package, features in held.items():
        holds = [a_held(*each) for each in features]
        made = {"id": package, "isAddon": package == "more", "features": holds}
        served.ask(calls.CREATE_PACKAGE, {"input": made})
        if package != "draft":
            served.ask(calls.PUBLISH, {"id": package})


def a_held(feature: str, limit: int | None, reset: str | None, overage: bool | None) -> dict[str, Any]:
    """A feature as ``createPackage`` takes it."""
    if reset is None:
        return {"id": feature}
    return {"id": feature, "entitlement": {"limit": limit, "resetPeriod": reset, "overageEnabled": overage}}


def change_something(served: Served, chance: random.Random, day: int) -> None:
    """Users come one after the other; later they move, cancel, come back, and are renamed."""
    number = day // 2
    once = {20: archive, 25: hear_from_segment, 30: rename}
    if number < len(USERS):
        come(served, number)
    elif number in once:
        once[number](served)
    elif number % 9 == 0:
        cancel(served, chance.choice(USERS[:6]), at_period_end=bool(number % 2))
    elif number % 9 == 4:
        come_back(served, chance)
    elif number % 9 == 6:
        served.post(calls.CHANGE, {"userId": "bob", "packageId": chance.choice(("basic", "pro", "open"))})


def come(served: Served, number: int) -> None:
    """A user more."""
    user = USERS[number]
    given = {"id": user, "name": f"{user} of Acme", "email": f"{number}@example.com", "metadata": {"n": number}}
    served.ask(calls.CREATE_USER, {"input": given})
    packages = [("basic",), ("pro",), ("open",), ("basic", "more"), ("old",)][number % 5]
    served.ask(calls.SUBSCRIBE, {"userId": user, "packageIds": packages})


def archive(served: Served) -> None:
    """Who has the old package keeps it."""
    served.ask(calls.ARCHIVE, {"id": "old"})


def hear_from_segment(served: Served) -> None:
    """A user, a usage by a rule, and one that waits for its user."""
    segment.webhook(served, type="identify", messageId="m1", userId="ivy", traits={"email": "ivy@example.com"})
    segment.webhook(served, type="track", messageId="m2", userId="ada", event="Message Sent", properties={"n": 1})
    segment.webhook(served, type="track", messageId="m3", userId="nobody", event="message", properties={"delta": 2})
    served.ask(segment.CREATE_RULE, {"input": {"name": "Sent", "eventName": "Message Sent", "featureId": "seat"}})
    segment.replay(served)


def rename(served: Served) -> None:
    """A user goes by another id, and by the first one again."""
    served.ask(calls.UPDATE_USER, {"id": "hal", "input": {"id": "hal-9000", "metadata": {"n": 9}}})
    served.ask(calls.UPDATE_USER, {"id": "hal-9000", "input": {"id": "hal"}})


def cancel(served: Served, user: str, *, at_period_end: bool) -> None:
    """End the oldest subscription of a user that stands; one without a period end stays."""
    if state := [each for each in subscriptions(served, user) if each["status"] == "ACTIVE"]:
        served.post(calls.CANCEL, {"id": state[0]["id"], "atPeriodEnd": at_period_end})


def come_back(served: Served, chance: random.Random) -> None:
    """Who has no subscription takes one."""
    for user in USERS:
        if not [each for each in subscriptions(served, user) if each["status"] == "ACTIVE"]:
            served.ask(calls.SUBSCRIBE, {"userId": user, "packageIds": [chance.choice(("basic", "pro"))]})


def subscriptions(served: Served, user: str) -> list[dict[str, Any]]:
    """All of a user's, the oldest first."""
    asked = f"query($userId: String) {{ subscriptions(userId: $userId) {{ {calls.SUBSCRIPTION} }} }}"
    found: list[dict[str, Any]] = served.ask(asked, {"userId": user})["subscriptions"]
    return found


def use_something(served: Served, chance: random.Random, day: int) -> dict[str, Any] | None:
    """Record once: adding, setting, giving back, late, with and without a key; return what was sent with one."""
    user, feature = chance.choice(USERS[: max(1, min(day // 2, len(USERS)))]), chance.choice(FEATURES)
    given: dict[str, Any] = {"userId": user, "featureId": feature, "delta": chance.choice((1, 1, 3, 20, 90, -1))}
    if chance.random() < 0.1:
        given |= {"action": "SET", "delta": chance.randrange(50)}
    if chance.random() < 0.2:
        given["metadata"] = {"note": "für später", "n": day}
    if chance.random() < 0.2:
        late = served.clock.now - timedelta(minutes=chance.randrange(60, 3000))
        given["timestamp"] = late.isoformat().replace("+00:00", "Z")
    if chance.random() < 0.5:
        given["idempotencyKey"] = f"{day}-{chance.randrange(10**9)}"
    answered = served.post(calls.RECORD, {"input": given}).json()
    return given if "idempotencyKey" in given and "errors" not in answered else None


def questions() -> Iterator[tuple[str, dict[str, Any]]]:
    """What is asked of the year when it is over."""
    yield ASK_LISTS, {}
    yield ASK_INSIGHTS, {"from": "2025-02-01T00:00:00Z", "to": "2026-03-01T00:00:00Z"}
    for user in USERS:
        for feature in FEATURES:
            yield calls.CHECK, {"userId": user, "featureId": feature, "delta": 5}
            yield calls.SHOW, {"userId": user, "featureId": feature, "past": 24}


if __name__ == "__main__":
    main(Path(sys.argv[1]))
