"""Databases to measure on: one consumable feature in one package, and as many users as asked for."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import apsw

from kana.app import create_engine, open_store, system_clock
from kana.model.allowance import Allowance
from kana.model.entitlement import Consumption, Outcome
from kana.model.environment import Actor, Environment, bucket_of
from kana.model.feature import FeatureType
from kana.model.grant import CounterKey
from kana.model.key import KeyKind
from kana.model.package import PackageFeature
from kana.model.period import ResetPeriod
from kana.model.subscription import Subscription, SubscriptionStatus
from kana.model.usage import Action, Entry
from kana.model.user import User
from kana.settings import Settings
from kana.store.entries import counter_row, entry_row
from kana.store.session import Row
from kana.store.sqlite.statements import SQL
from kana.store.statements import read_migrations
from kana.store.subscriptions import subscription_row
from kana.store.users import user_row

ENVIRONMENT = Environment.TEST
LIMIT = 1_000_000_000
GROWN = "g"
"""What the ids of users begin with that ``grow`` adds; those of ``seed`` begin with u."""
_ACTOR = Actor(kind="cli", name="benchmark")


def seed(url: str, *, users: int, features: int = 1) -> str:
    """Fill an empty database through the engine; return the private key. For up to a few thousand users."""
    return asyncio.run(_seed(url, users=users, features=features))


async def _seed(url: str, *, users: int, features: int) -> str:
    store = await open_store(Settings(database_url=url))
    engine = create_engine(store)
    made = await engine.access.initialise("benchmark", by=_ACTOR)
    assert made is not None, "the database is not empty"
    names = ["calls", *(f"feature-{number}" for number in range(1, features))]
    for name in names:
        await engine.catalog.create_feature(ENVIRONMENT, id=name, type=FeatureType.CONSUMABLE, by=_ACTOR)
    allowance = Allowance(limit=LIMIT, reset_period=ResetPeriod.MONTH)
    held = [PackageFeature(feature_id=name, allowance=allowance) for name in names]
    await engine.catalog.create_package(ENVIRONMENT, id="pro", features=held, by=_ACTOR)
    await engine.catalog.publish_package(ENVIRONMENT, "pro", by=_ACTOR)
    for number in range(users):
        await engine.accounts.create_user(ENVIRONMENT, id=f"u{number}")
        await engine.accounts.subscribe(ENVIRONMENT, f"u{number}", ["pro"])
    await engine.recorder.drain()
    await store.close()
    return made.keys[ENVIRONMENT][KeyKind.PRIVATE]


def grow(path: Path, *, first: int, users: int, entries: int) -> None:
    """Add users ``first`` to ``users`` to a seeded SQLite file, and entries spread over all of them.

    Written straight into the tables in the order of their keys, as ten million entries through the engine
    would take an hour; `kana audit` finds no drift in the result.
    """
    connection = apsw.Connection(str(path))
    connection.execute("pragma synchronous = off")
    connection.execute("pragma cache_size = -1000000")
    people = sorted(_people(users))
    connection.execute("begin immediate")
    new = [person for person in people if person[2] >= first]
    connection.executemany(SQL["put_user"], (user_row(_user(person)) for person in new))
    connection.executemany(SQL["add_user_id"], (_user_id_row(person) for person in new))
    connection.executemany(
        SQL["put_subscription"], (subscription_row(ENVIRONMENT, _subscription(person)) for person in new)
    )
    each, more = divmod(entries, len(people)) if people else (0, 0)
    counts = [each + (number < more) for number in range(len(people))]
    connection.executemany(SQL["add_entry"], _entry_rows(people, counts))
    connection.executemany(SQL["put_total"], _total_rows(people, counts))
    fill_tallies(connection)
    connection.execute("commit")
    connection.execute("pragma wal_checkpoint(truncate)")
    connection.close()


def fill_tallies(connection: apsw.Connection) -> None:
    """Add up days and hours anew from the entries, as the migration does that brings them."""
    [script] = [script for script in read_migrations("kana.store.sqlite") if "create table usage_days" in script]
    for statement in script.split(";"):
        for table in ("usage_days", "usage_hours"):
            if f"insert into {table}" in statement:
                connection.execute(f"delete from {table}")
                connection.execute(statement)


_Person = tuple[int, int, int]
"""A user's bucket, key and number."""

_EPOCH = system_clock() - timedelta(days=10)


def _people(users: int) -> Iterator[_Person]:
    for number in range(users):
        yield bucket_of(ENVIRONMENT, f"{GROWN}{number}"), number + 1, number


def _user(person: _Person) -> User:
    bucket, key, number = person
    return User(environment=ENVIRONMENT, bucket=bucket, key=key, id=f"{GROWN}{number}", metadata={}, created_at=_EPOCH)


def _user_id_row(person: _Person) -> tuple[Any, ...]:
    bucket, key, number = person
    return (bucket, ENVIRONMENT.value, f"{GROWN}{number}", bucket, key)


def _subscription(person: _Person) -> Subscription:
    bucket, key, number = person
    return Subscription(
        id=(number + 1) * 1024 + bucket,
        bucket=bucket,
        user_key=key,
        package_id="pro",
        status=SubscriptionStatus.ACTIVE,
        start=_EPOCH,
    )


def _counter(person: _Person) -> CounterKey:
    subscription = _subscription(person)
    return CounterKey(subscription.bucket, subscription.id, "calls", ResetPeriod.MONTH, _EPOCH)


def _entry_rows(people: list[_Person], counts: list[int]) -> Iterator[Row]:
    draw = random.Random(1)
    for person, count in zip(people, counts, strict=True):
        counter = _counter(person)
        for number in range(count):
            moment = _EPOCH + timedelta(seconds=draw.randrange(1, 800_000))
            yield entry_row(
                Entry(
                    id=number + 1,
                    environment=ENVIRONMENT,
                    bucket=person[0],
                    user_key=person[1],
                    feature_id="calls",
                    action=Action.ADD,
                    delta=1,
                    outcome=Outcome.RECORDED,
                    reason=None,
                    change=1,
                    counter=counter,
                    consumption=Consumption(number + 1, LIMIT, overage_enabled=False),
                    key=draw.randbytes(16),
                    timestamp=None,
                    metadata=None,
                    occurred_at=moment,
                    recorded_at=moment,
                )
            )


def _total_rows(people: list[_Person], counts: list[int]) -> Iterator[Row]:
    for person, count in zip(people, counts, strict=True):
        if count:
            yield (*counter_row(_counter(person)), count)
