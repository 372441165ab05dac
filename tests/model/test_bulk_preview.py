"""What moving a user to another package would take from them is told before they are moved."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from kana.model.account import Account
from kana.model.bulk_change import Move
from kana.model.bulk_preview import Excess, MovePreview, PreviewTotals, Prospect, inquire, unknown
from kana.model.catalog import Catalog
from kana.model.terms import ChangeTime, ChangeUsage
from tests.support.world import (
    NOON,
    ONE_DAY,
    a_catalog,
    a_feature,
    a_package,
    a_subscription,
    a_top_up,
    allows,
    an_account,
    holds,
)

CATALOG: Catalog = a_catalog(
    a_feature(),
    a_feature("seat"),
    a_feature("token"),
    a_feature("chat", binary=True),
    a_package("basic", allows(100), allows(10, None, feature="seat"), allows(9, feature="token"), holds("chat")),
    a_package("small", allows(5), allows(3, None, feature="seat"), allows(5, feature="token", overage=True)),
    a_package("large", allows(None), allows(10, None, feature="seat")),
    a_package("chatting", holds("chat"), is_addon=True),
    a_package("basic-extra", holds("chat"), is_addon=True, base_package_ids=("basic",)),
)
NOW = NOON + 3 * ONE_DAY
BASIC = a_subscription(1, "basic")


def preview(account: Account, package_id: str = "small", *, used: int = 7, **changes: Any) -> MovePreview:
    """What a user would be told who has used so much of everything that the answer asks about."""
    move = Move(package_id=package_id, user_ids=("ada",), **changes)
    asked = inquire(move, account, CATALOG, now=NOW)
    return asked.preview({counter: used for counter in asked.counters() if counter.source_id == 1})


def test_what_is_lost_and_what_is_over() -> None:
    """Carried over, what was used is compared with the new limits; overage is no excess, and a BINARY feature none."""
    assert preview(an_account(BASIC), usage=ChangeUsage.CARRY) == MovePreview(
        user_id="ada",
        prospect=Prospect.WOULD_CHANGE,
        package_id="basic",
        loses=["chat"],
        over=[Excess("message", 7, 5), Excess("seat", 7, 3)],
    )


def test_what_starts_at_zero_is_over_nothing() -> None:
    """With RESET; with no limit; and at the period's end, but for what never resets."""
    assert preview(an_account(BASIC), usage=ChangeUsage.RESET).over == []
    assert preview(an_account(BASIC), "large", used=12, usage=ChangeUsage.CARRY).over == [Excess("seat", 12, 10)]
    move = Move(package_id="small", user_ids=("ada",), when=ChangeTime.PERIOD_END, usage=ChangeUsage.CARRY)
    asked = inquire(move, an_account(BASIC), CATALOG, now=NOW)
    starts = {counter.feature_id: counter.period_start for counter in asked.counters()}
    assert starts == {"message": NOON + timedelta(31), "seat": NOON, "token": NOON + timedelta(31)}


def test_what_another_source_gives_is_not_lost() -> None:
    """An add-on that stays, and units that were given, count; an add-on that ends with the old package does not."""
    stays, ends = a_subscription(2, "chatting"), a_subscription(2, "basic-extra")
    later: dict[str, Any] = {"when": ChangeTime.PERIOD_END}
    assert preview(an_account(BASIC, stays), **later).loses == []
    assert preview(an_account(BASIC, ends), **later).loses == ["chat"]
    given = an_account(BASIC, given=(a_top_up(9, 2),))
    assert preview(given, usage=ChangeUsage.CARRY, used=8).over == [Excess("message", 8, 7), Excess("seat", 8, 3)]


def test_what_is_not_held_now_cannot_be_lost() -> None:
    """A package that was to follow, and does not, has nothing to take yet."""
    large = a_subscription(1, "large", ends_at=NOW + ONE_DAY)
    next_one = a_subscription(3, "basic", start=NOW + ONE_DAY, scheduled=True)
    assert preview(an_account(large, next_one)).loses == []


def test_who_would_not_be_moved_loses_nothing() -> None:
    """The reason is that of the move itself."""
    refused = preview(an_account())
    assert (refused.prospect, refused.package_id) == (Prospect.WOULD_BE_REFUSED, None)
    assert refused.reason == "User 'ada' has no base package to change; use subscribe"
    skipped = preview(an_account(BASIC), "basic")
    assert (skipped.prospect, skipped.loses, skipped.over) == (Prospect.WOULD_BE_SKIPPED, [], [])
    assert unknown("eve").reason == "The user does not exist."


def test_totals_add_up() -> None:
    """How many would become what, lose something, and be over a limit."""
    page = [
        preview(an_account(BASIC), usage=ChangeUsage.CARRY),
        preview(an_account(BASIC), "large"),
        preview(an_account()),
        preview(an_account(BASIC), "basic"),
    ]
    whole = PreviewTotals(users=4, changed=2, refused=1, skipped=1, losing=2, over=1)
    assert PreviewTotals().with_page(page) == whole
    assert PreviewTotals().with_page(page[:1]).with_page(page[1:]) == whole
    assert whole.cut() == PreviewTotals(users=4, changed=2, refused=1, skipped=1, losing=2, over=1, is_whole=False)
