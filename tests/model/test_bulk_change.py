"""Who may be moved by a job, what becomes of each of them, and the way back."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from itertools import count
from typing import Any

import pytest

from kana.errors import IdempotencyKeyReused, InvalidValue, PackageNotFound
from kana.model.account import Account
from kana.model.bulk_change import (
    USERS_MAX,
    BulkChange,
    BulkOutcome,
    BulkState,
    Move,
    Moved,
    Trace,
    moved,
    progress,
    taken_back,
)
from kana.model.catalog import Catalog
from kana.model.counting import Brought, Origin
from kana.model.package import PackageStatus
from kana.model.subscription import SubscriptionStatus
from kana.model.terms import ChangeTime, ChangeUsage
from tests.support.world import (
    DAY,
    MONTH,
    NOON,
    ONE_DAY,
    TEST,
    TESTER,
    a_catalog,
    a_feature,
    a_package,
    a_subscription,
    allows,
    an_account,
)

CATALOG: Catalog = a_catalog(
    a_feature(),
    a_package("basic", allows(10, MONTH)),
    a_package("pro", allows(100, MONTH)),
    a_package("daily", allows(5, DAY)),
    a_package("draft", status=PackageStatus.DRAFT),
    a_package("extra", allows(5), is_addon=True),
    a_package("basic-extra", is_addon=True, base_package_ids=("basic",)),
)
NOW = NOON + 3 * ONE_DAY
LATER = NOW + ONE_DAY
END = datetime(2026, 4, 10, 12, tzinfo=UTC)
BASIC = a_subscription(1, "basic")
CANCELLED = SubscriptionStatus.CANCELLED
PERIOD_END = ChangeTime.PERIOD_END


def a_change(**changes: Any) -> BulkChange:
    """A job that was just begun."""
    move = changes.pop("move", Move(package_id="pro", from_package_id="basic"))
    values: dict[str, Any] = {"id": 5, "environment": TEST, "by": TESTER, "begun_at": NOON, "moved_at": NOON}
    return BulkChange(move=move, digest=move.digest, **{**values, **changes})


def of(account: Account, **changes: Any) -> Moved:
    """What becomes of a user who is moved to pro."""
    move = Move(**{"package_id": "pro", "user_ids": ("ada",), **changes})
    return moved(move, account, CATALOG, now=NOW, next_id=count(100).__next__)


def back(trace: Trace, account: Account, now: datetime = LATER) -> Moved:
    """What becomes of them on the way back."""
    return taken_back(trace, account, CATALOG, now=now, next_id=count(200).__next__)


def after(account: Account, result: Moved) -> tuple[Trace, Account]:
    """The trace that a move left, and the account that it made."""
    assert (result.outcome, result.reason) == (BulkOutcome.CHANGED, None)
    newest = {each.id: each for each in (*account.subscriptions, *result.subscriptions)}
    return result.trace or Trace(0, 0, None), replace(account, subscriptions=tuple(newest.values()))


@pytest.mark.parametrize(
    ("move", "message"),
    [
        ({}, "userIds, fromPackageId or search must say who is moved"),
        ({"user_ids": ("a",), "search": "a"}, "userIds cannot be given with fromPackageId or search"),
        ({"user_ids": ("a",), "from_package_id": "basic"}, "userIds cannot be given with fromPackageId or search"),
        ({"user_ids": ()}, "userIds must name 1 to 10000 users, got 0"),
        ({"user_ids": ("a",) * (USERS_MAX + 1)}, "userIds must name 1 to 10000 users, got 10001"),
        ({"user_ids": ("a", "\n")}, "userIds must not contain control characters"),
        ({"search": "\0"}, "search must not contain NUL"),
        ({"search": "a" * 256}, "search must be at most 255 characters, got 256"),
        ({"search": "a", "package_id": "extra"}, "packageId must name a base package, and 'extra' is an add-on"),
        ({"search": "a", "package_id": "draft"}, "packageId must name a published package, and 'draft' is DRAFT"),
        ({"from_package_id": "extra"}, "fromPackageId must name a base package, and 'extra' is an add-on"),
        ({"from_package_id": "pro"}, "packageId must be another package than fromPackageId, got 'pro' for both"),
    ],
)
def test_a_move_that_is_possible_for_nobody(move: dict[str, Any], message: str) -> None:
    """It is refused as a whole, before anybody is looked at; the message names the field and what is allowed."""
    with pytest.raises(InvalidValue) as raised:
        Move(**{"package_id": "pro", **move}).check(CATALOG)
    assert raised.value.message.startswith(message)
    assert raised.value.field == message.partition(" ")[0].strip(",")


@pytest.mark.parametrize("move", [{"package_id": "none", "search": "a"}, {"from_package_id": "none"}])
def test_a_move_names_packages_that_exist(move: dict[str, Any]) -> None:
    """Both of them."""
    with pytest.raises(PackageNotFound):
        Move(**{"package_id": "pro", **move}).check(CATALOG)


@pytest.mark.parametrize(
    "who", [{"user_ids": ("ada",) * USERS_MAX}, {"search": "a"}, {"from_package_id": "basic", "search": "a"}]
)
def test_each_way_of_naming_users_is_enough(who: dict[str, Any]) -> None:
    """A list, a search, a package, or both of the latter."""
    Move(package_id="pro", **who).check(CATALOG)


def test_a_user_is_moved_as_alone() -> None:
    """By the rule of changing a base package; what is needed for the way back is kept."""
    assert of(an_account(BASIC)) == Moved(
        BulkOutcome.CHANGED,
        None,
        [replace(BASIC, status=CANCELLED, ends_at=NOW), a_subscription(100, "pro", start=NOW)],
        Trace(1, 100, None),
    )
    ending = replace(BASIC, ends_at=END)
    result = of(an_account(ending), when=PERIOD_END, from_package_id="basic", user_ids=None)
    assert result.subscriptions == [ending, a_subscription(100, "pro", start=END, scheduled=True)]
    assert result.trace == Trace(1, 100, END)


def test_who_need_not_or_can_no_longer_be_moved_is_skipped() -> None:
    """They have the package, or not the one that they were to be moved from any more."""
    pro = a_subscription(1, "pro")
    for account, changes, reason in (
        (an_account(pro), {}, "The user already has 'pro'."),
        (an_account(pro), {"package_id": "daily", "from_package_id": "basic"}, "The user does not have 'basic' now."),
        (an_account(), {"from_package_id": "basic"}, "The user does not have 'basic' now."),
    ):
        assert of(account, **changes) == Moved(BulkOutcome.SKIPPED, reason)


def test_what_a_rule_forbids_is_refused_with_its_reason() -> None:
    """The rule's own words; nothing changes."""
    for account, reason in (
        (an_account(), "User 'ada' has no base package to change; use subscribe"),
        (an_account(BASIC, a_subscription(2, "basic-extra")), "Add-on 'basic-extra' of user 'ada' does not go"),
    ):
        result = of(account)
        assert (result.outcome, result.subscriptions, result.trace) == (BulkOutcome.REFUSED, (), None)
        assert result.reason is not None
        assert result.reason.startswith(reason)


@pytest.mark.parametrize("usage", ChangeUsage)
def test_the_way_back_carries_what_was_used_since(usage: ChangeUsage) -> None:
    """It leads to the package from before, which counts on where the new one is."""
    trace, account = after(an_account(BASIC), of(an_account(BASIC), usage=usage))
    pro = account.subscriptions[-1]
    result = back(trace, account)
    assert (result.outcome, result.trace) == (BulkOutcome.CHANGED, None)
    assert list(result.subscriptions) == [
        replace(pro, status=CANCELLED, ends_at=LATER),
        a_subscription(200, "basic", start=LATER, origin=Origin(pro.counts_as, pro.counted_from)),
    ]


def test_the_way_back_keeps_an_end_that_was_there_before() -> None:
    """Who had cancelled is not subscribed for ever because they were moved there and back; nor are their add-ons."""
    ending, extra = replace(BASIC, ends_at=END), a_subscription(2, "extra", ends_at=END, ends_with_base=True)
    account = an_account(ending, extra)
    trace, account = after(account, of(account))
    assert account.subscriptions[1].ends_at is None
    changed = back(trace, account).subscriptions
    assert [(each.package_id, each.ends_at) for each in changed] == [("pro", LATER), ("extra", END), ("basic", END)]
    over = back(trace, account, END)
    assert over == Moved(BulkOutcome.SKIPPED, f"What the user had before was to end at {END.isoformat()}.")


def test_a_change_that_is_still_to_come_is_taken_back() -> None:
    """The old one goes on as before: without an end, or with the one that it had."""
    trace, account = after(an_account(BASIC), of(an_account(BASIC), when=PERIOD_END))
    pro = account.subscriptions[-1]
    gone = replace(pro, status=CANCELLED, ends_at=LATER)
    assert list(back(trace, account).subscriptions) == [BASIC, gone]
    ending = an_account(replace(BASIC, ends_at=END))
    trace, account = after(ending, of(ending, when=PERIOD_END))
    assert list(back(trace, account).subscriptions) == [gone]
    begun = back(*after(an_account(BASIC), of(an_account(BASIC), when=PERIOD_END)), now=END)
    assert begun.subscriptions[-1].package_id == "basic"


def test_who_was_changed_by_somebody_else_is_not_moved_back() -> None:
    """The subscription that the job made has ended, or is going to end."""
    trace, account = after(an_account(BASIC), of(an_account(BASIC)))
    pro = account.subscriptions[-1]
    ended = replace(account, subscriptions=(BASIC, replace(pro, status=CANCELLED, ends_at=LATER)))
    assert back(trace, ended).reason == "The subscription that the user was moved to has ended since."
    ending = replace(account, subscriptions=(BASIC, replace(pro, ends_at=END)))
    assert back(trace, ending) == Moved(
        BulkOutcome.SKIPPED, f"The subscription that the user was moved to is now going to end at {END.isoformat()}."
    )


def test_a_way_back_that_a_rule_forbids_is_refused() -> None:
    """As when nobody can subscribe to the package any more."""
    trace, account = after(an_account(BASIC), of(an_account(BASIC)))
    archived = CATALOG.archived("basic", now=NOW)
    result = taken_back(trace, account, archived, now=LATER, next_id=count(200).__next__)
    assert (result.outcome, result.reason) == (BulkOutcome.REFUSED, "Package Id not found for app")


def test_the_way_back_takes_along_what_was_counted_by_other_periods() -> None:
    """What was used since then counts in the current period of the package that they had."""
    trace, account = after(an_account(BASIC), of(an_account(BASIC), package_id="daily"))
    *_, basic = back(trace, account).subscriptions
    assert basic.origin == Origin(trace.new_id, NOW)
    assert basic.brought == ()  # A day later the new day has just begun.
    *_, basic = back(trace, account, LATER + ONE_DAY / 2).subscriptions
    assert basic.brought == (Brought("message", DAY, LATER),)


def test_a_key_is_for_one_job() -> None:
    """With other content it is refused, and the message names what differs."""
    first = a_change()
    first.check_same(a_change(id=6))
    other = Move(package_id="daily", when=PERIOD_END, usage=ChangeUsage.CARRY, search="a")
    with pytest.raises(
        IdempotencyKeyReused, match=": packageId, when, usage, fromPackageId, userIds or search differ; nothing"
    ):
        first.check_same(a_change(move=other))
    assert Move(package_id="pro", user_ids=("a", "b")).digest != Move(package_id="pro", user_ids=("ab",)).digest


def test_progress_names_every_outcome() -> None:
    """On the way back those who were moved wait, until they have an outcome."""
    counts: dict[tuple[BulkOutcome, BulkOutcome | None], int] = {
        (BulkOutcome.WAITING, None): 1,
        (BulkOutcome.CHANGED, None): 2,
        (BulkOutcome.CHANGED, BulkOutcome.CHANGED): 4,
        (BulkOutcome.CHANGED, BulkOutcome.SKIPPED): 8,
        (BulkOutcome.REFUSED, None): 16,
    }
    found = progress(counts, BulkState.TAKING_BACK)
    assert found.users == 31
    assert list(found.there.items()) == list(zip(BulkOutcome, [1, 14, 16, 0], strict=True))
    assert list(found.back.values()) == [2, 4, 0, 8]
    assert list(progress(counts, BulkState.RUNNING).back.values()) == [0, 4, 0, 8]
