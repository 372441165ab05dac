"""What explain says of random histories is what records then do: the outcome, when it fits next, what unlocks it."""

from __future__ import annotations

import os
from datetime import datetime, timedelta

import pytest

from kana.model.account import Account
from kana.model.entitlement import Outcome
from kana.model.explanation import Explanation, inquire
from kana.model.package import PackageStatus
from kana.model.question import Question
from kana.model.usage import Usage
from tests.support.histories import History
from tests.support.world import MILLISECOND

COUNT = int(os.environ.get("KANA_TEST_HISTORIES", "400"))
STEPS = 40


def explained(history: History, usage: Usage, account: Account) -> Explanation:
    """What explain says of a usage."""
    question = Question(
        account=account,
        catalog=history.catalog,
        feature=history.catalog.feature(usage.feature_id),
        change=usage.delta,
        moment=usage.timestamp or history.now,
        now=history.now,
        is_late=usage.timestamp is not None,
    )
    inquiry = inquire(question)
    wanted = set(inquiry.counters())
    return inquiry.explain({key: used for key, used in history.totals.items() if key in wanted})


def outcome_at(history: History, usage: Usage, moment: datetime) -> Outcome | None:
    return history.decide(usage, history.account, moment)[0]


def check_unlocks(history: History, usage: Usage, explanation: Explanation) -> None:
    """Each package that is named admits the usage once the user has it, and no other one does."""
    named = {each.package.id for each in explanation.unlocks}
    admits = set()
    for package in history.catalog.packages.values():
        changed = history.with_package(package.id)
        if changed is not None:
            assert package.status is PackageStatus.PUBLISHED
            moment = history.account.time(history.now)
            if history.decide(usage, changed, moment)[0] is Outcome.RECORDED:
                admits.add(package.id)
    assert named == admits
    amounts = [each.price.amount for each in explanation.unlocks if each.price is not None]
    assert amounts == sorted(amounts)


def check_fits_at(history: History, usage: Usage, fits_at: datetime | None) -> None:
    """A record is admitted from then on, and at no moment before."""
    last = fits_at or history.now + timedelta(days=1000)
    early = [history.now + history.random.random() * (last - history.now) for _ in range(3)]
    for moment in (*early, last - MILLISECOND):
        assert outcome_at(history, usage, moment) is not Outcome.RECORDED
    if fits_at is not None:
        assert outcome_at(history, usage, fits_at) is Outcome.RECORDED


@pytest.mark.parametrize("part", range(8))
def test_explain_says_what_records_do(part: int) -> None:
    """For every decision of all histories; and what it says would help, helps."""
    seen: dict[str, int] = {}
    for seed in range(part, COUNT, 8):
        history = History(seed)
        for usage, account in history.steps(STEPS):
            outcome = outcome_at(history, usage, history.now)
            if outcome is None:
                continue
            explanation = explained(history, usage, account)
            assert explanation.decision.outcome is outcome
            seen[outcome] = seen.get(outcome, 0) + 1
            if usage.timestamp is not None or explanation.decision.access:
                assert not explanation.unlocks
                continue
            check_unlocks(history, usage, explanation)
            check_fits_at(history, usage, explanation.fits_at)
            seen["unlocks"] = seen.get("unlocks", 0) + len(explanation.unlocks)
            seen["fits"] = seen.get("fits", 0) + (explanation.fits_at is not None)
    assert set(seen) >= {"RECORDED", "LIMIT_EXCEEDED", "NO_SUBSCRIPTION", "BELOW_ZERO", "DENIED", "unlocks", "fits"}
