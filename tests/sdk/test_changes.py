"""Jobs that move many users, through both clients, against a real server."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from kana.errors import BulkChangeNotFound, IdempotencyKeyReused, InvalidValue, KanaError, PackageNotFound
from kana.sdk import (
    AsyncKanaAdmin,
    ChangeOutcome,
    ChangeProspect,
    ChangesBack,
    ChangesState,
    Grant,
    KanaAdmin,
    OutcomeUnknown,
    Retry,
    SubscriptionChanges,
)
from tests.sdk.people import meter, value
from tests.sdk.proxy import LosingProxy
from tests.support.server import KanaServer


@pytest.fixture
def small(kana: KanaAdmin, user: str) -> str:
    """A package with less than the user has, of which they have used more."""
    package_id = f"small-of-{user}"
    kana.packages.create(id=package_id, features=[Grant(id=meter(user), limit=1, reset_period="MONTH")])
    kana.packages.publish(id=package_id)
    kana.features.record_usage(user_id=user, feature_id=meter(user), delta=3)
    return package_id


async def done(either: Any, number: str) -> SubscriptionChanges:
    """The job once nothing is left to do."""
    async with asyncio.timeout(30):
        while True:
            found: SubscriptionChanges = await value(either.subscription_changes.retrieve(id=number))
            if found.is_finished:
                return found
            await asyncio.sleep(0.01)


async def test_a_job_from_its_preview_to_the_way_back(either: Any, user: str, small: str) -> None:
    """Each answer says what would become, and what has become, of each user."""
    changes = either.subscription_changes
    moved: dict[str, Any] = {"package_id": small, "user_ids": [user, "nobody"], "usage": "CARRY"}
    preview = await value(changes.preview(**moved))
    assert (preview.totals.users, preview.totals.would_change, preview.totals.is_whole) == (2, 1, True)
    [first, second] = preview.users
    assert (first.user_id, first.outcome, first.package_id) == (
        user, ChangeProspect.WOULD_CHANGE, f"package-of-{user}",
    )  # fmt: skip
    assert [(each.feature_id, each.used, each.limit) for each in first.over] == [(meter(user), 3, 1)]
    assert (second.outcome, second.reason) == (ChangeProspect.WOULD_BE_REFUSED, "The user does not exist.")
    page = await value(changes.preview(**moved, first=1, after=user))
    assert (page.totals, [each.user_id for each in page.users]) == (None, ["nobody"])

    started = await value(changes.start(**moved, idempotency_key=f"job-of-{user}"))
    assert (await value(changes.start(**moved, idempotency_key=f"job-of-{user}"))).id == started.id
    there = await done(either, started.id)
    assert (there.state, there.progress.changed, there.progress.refused) == (ChangesState.DONE, 1, 1)
    results = await value(changes.results(id=started.id))
    assert [(each.user_id, each.outcome) for each in results] == [
        (user, ChangeOutcome.CHANGED), ("nobody", ChangeOutcome.REFUSED),
    ]  # fmt: skip
    assert await value(changes.results(id=started.id, first=5, after="1", outcome="CHANGED")) == []

    await value(changes.take_back(id=started.id))
    back = await done(either, started.id)
    assert (back.state, back.progress.back) == (
        ChangesState.TAKEN_BACK, ChangesBack(left=0, changed=1, refused=0, skipped=0),
    )  # fmt: skip
    [held] = [each for each in await value(either.subscriptions.list(user_id=user)) if each.status == "ACTIVE"]
    assert held.package.id == f"package-of-{user}"


async def test_users_are_named_by_a_package_or_a_search(either: Any, user: str, small: str) -> None:
    """As on the page of users."""
    preview = either.subscription_changes.preview
    by_package = await value(preview(package_id=small, from_package_id=f"package-of-{user}"))
    by_search = await value(preview(package_id=small, search=user))
    assert [each.user_id for each in by_package.users] == [user]
    assert user in [each.user_id for each in by_search.users]


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda changes: changes.preview(package_id="none", search="a"), PackageNotFound),
        (lambda changes: changes.start(package_id="none", search="a"), PackageNotFound),
        (lambda changes: changes.start(package_id="none"), InvalidValue),
        (lambda changes: changes.retrieve(id="1"), BulkChangeNotFound),
        (lambda changes: changes.results(id="x"), BulkChangeNotFound),
        (lambda changes: changes.take_back(id="1"), BulkChangeNotFound),
    ],
)
async def test_mistakes_are_the_errors_of_the_server(
    either: Any, call: Callable[[Any], Any], error: type[KanaError]
) -> None:
    """By their classes."""
    with pytest.raises(error):
        await value(call(either.subscription_changes))


async def test_a_key_is_for_one_job(either: Any, user: str, small: str) -> None:
    """With other content it is an error."""
    start = either.subscription_changes.start
    await value(start(package_id=small, user_ids=[user], idempotency_key=f"one-of-{user}"))
    with pytest.raises(IdempotencyKeyReused):
        await value(start(package_id=small, user_ids=["nobody"], idempotency_key=f"one-of-{user}"))


@pytest.mark.parametrize("client", [KanaAdmin, AsyncKanaAdmin])
async def test_a_lost_answer_begins_one_job(
    server: KanaServer, kana: KanaAdmin, user: str, small: str, client: Any
) -> None:
    """However often answers are lost, the call is repeated with its key and one job is begun."""
    with LosingProxy(server.address) as proxy:
        caller = client(api_key=server.private_key, endpoint=proxy.address, retry=Retry(pause_s=0.001))
        key, begun = None, set[str]()
        while proxy.lost < 5 or not begun:
            try:
                start = caller.subscription_changes.start
                job = await value(start(package_id=small, user_ids=[user], idempotency_key=key or f"lost-of-{user}"))
                begun.add(job.id)
            except OutcomeUnknown as error:
                key = error.idempotency_key
        await value(caller.close() if client is KanaAdmin else caller.aclose())
    assert len(begun) == 1
    assert kana.subscription_changes.retrieve(id=begun.pop()).progress.users == 1
