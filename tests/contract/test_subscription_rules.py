"""When a subscription stands and gives access, statements find as the model says: each rule stands in SQL once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import combinations, product

import pytest

from kana.engine.ports.store import Store
from kana.engine.ports.usage import Totals
from kana.model.environment import BUCKETS
from kana.model.period import to_milliseconds
from kana.model.subscription import Subscription, SubscriptionStatus
from kana.store import statements
from kana.store.postgres.statements import SQL as POSTGRES
from kana.store.session import Session
from kana.store.sqlite.statements import SQL as SQLITE
from kana.store.statements import Fragment, Fragments, expanded, for_sqlite, read_fragments
from tests.support.world import NOON, TEST, World, a_package, allows, notify_nobody

MOMENTS = [NOON + timedelta(milliseconds=number) for number in range(-2, 3)]

Rule = Callable[[Subscription, datetime, datetime], bool]

RULES: dict[str, tuple[str, Rule]] = {
    "may_stand": ("s", lambda held, moment, _: replace(held, ends_at=None).stands(moment)),
    "stands": ("s, $1", lambda held, moment, _: held.stands(moment)),
    "gives_access": ("s, $1", lambda held, moment, _: held.gives_access(moment)),
    "lasts": ("s, $1", lambda held, moment, _: replace(held, status=SubscriptionStatus.ACTIVE).stands(moment)),
    "has_begun": ("s, $1", lambda held, moment, _: held.has_begun(moment)),
    "ever_gave_access": ("s", lambda held, *_: held.ever_gave_access),
    "gave_access_between": (
        "s, $1, $2",
        lambda held, first, after: any(held.gave_access(each) for each in MOMENTS if first <= each < after),
    ),
}
"""Each rule: what a statement hands to its fragment, and what the model says of the same."""


@pytest.fixture
async def every(world: World) -> list[Subscription]:
    """A user's subscriptions of every status, with every order of start, end and the moments that are asked about."""
    await world.furnish(a_package("basic", allows(1)))
    user = await world.accounts.create_user(TEST, id="ada")
    found = [
        Subscription(
            id=number * BUCKETS + user.bucket,
            bucket=user.bucket,
            user_key=user.key,
            package_id="basic",
            status=status,
            start=start,
            ends_at=ends_at,
            scheduled=scheduled,
        )
        for number, (status, start, ends_at, scheduled) in enumerate(
            product(SubscriptionStatus, MOMENTS[1:4], [None, *MOMENTS], [False, True]), start=1
        )
    ]
    await world.store.users.change_subscriptions(TEST, "ada", lambda *_: found, notify=notify_nobody)
    return found


async def differing(
    store: Store, every: list[Subscription], rule: str, fragments: Fragments, patched: pytest.MonkeyPatch
) -> list[tuple[Subscription, datetime, datetime]]:
    """The subscriptions of which a fragment says other than the model, at which moments."""
    arguments, says = RULES[rule]
    sql = expanded(
        f"select s.id, $1::bigint + $2::bigint from subscriptions as s where {{{rule}({arguments})}}", fragments
    )
    patched.setitem(POSTGRES, "subscriptions_by_rule", sql)
    patched.setitem(SQLITE, "subscriptions_by_rule", for_sqlite(sql))
    wrong = []
    for first, after in combinations([*MOMENTS, MOMENTS[-1] + timedelta(seconds=1)], 2):
        bindings = (to_milliseconds(first), to_milliseconds(after))

        async def ask(session: Session, bindings: tuple[int, int] = bindings) -> set[int]:
            return {row[0] for row in await session.rows("subscriptions_by_rule", *bindings)}

        found = await store.users._transactions.read(ask)  # type: ignore[attr-defined]
        wrong += [(held, first, after) for held in every if (held.id in found) != says(held, first, after)]
    return wrong


def test_every_rule_is_held_to_the_model() -> None:
    """There is no fragment in the file of subscriptions but these, and those that are their columns."""
    fragments = {name for kind, name, *_ in statements._parts("kana.store", "subscriptions.sql") if kind == "fragment"}
    assert fragments == {*RULES, "subscription", "counting", "counts_as"}


@pytest.mark.parametrize("rule", RULES)
async def test_sql_finds_what_the_model_says(
    store: Store, every: list[Subscription], rule: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of every status, start and end, at every moment around them."""
    assert await differing(store, every, rule, read_fragments(), monkeypatch) == []


@pytest.mark.parametrize(
    ("rule", "fragment", "sql"),
    [
        ("stands", "lasts", "(s.ends_at is null or s.ends_at >= moment)"),
        ("gives_access", "gives_access", "(s.status <> 'CANCELLED' and {lasts(s, moment)})"),
        ("gives_access", "has_begun", "s.started_at <= moment"),
        ("gave_access_between", "ever_gave_access", "s.status in ('ACTIVE', 'TRIALING', 'CANCELLED')"),
    ],
)
async def test_a_rule_that_differs_is_seen(
    store: Store, every: list[Subscription], rule: str, fragment: str, sql: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control: a bound too late, a status too many, a start that is waited for, one that ended as it began."""
    known = read_fragments()
    fragments = {**known, fragment: Fragment(known[fragment].parameters, sql)}
    assert await differing(store, every, rule, fragments, monkeypatch) != []


async def test_statements_go_by_the_rules(store: Store, every: list[Subscription]) -> None:
    """A count of subscribers has those that stand, an account those that may stand, in the order of their ids."""
    for moment in MOMENTS:
        standing = sum(held.stands(moment) for held in every)
        assert await store.catalogs.count_subscribers(TEST, now=moment) == {"basic": standing}
    snapshot = await store.ledger.snapshot(TEST, ["ada"], lambda *_: Totals(), now=NOON)
    may_stand = [held for held in every if RULES["may_stand"][1](held, NOON, NOON)]
    assert list(snapshot.accounts["ada"].subscriptions) == may_stand
