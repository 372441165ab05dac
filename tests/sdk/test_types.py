"""Type checkers see plain methods on one client and coroutine methods on the other, both with their parameters."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from mypy import api as mypy

from tests.support.tree import ROOT

SAMPLE = """\
from datetime import UTC, datetime
from typing import assert_type
from kana.sdk import *

kana = KanaAdmin(api_key="k", endpoint="http://kana")
awaiting = AsyncKanaAdmin(api_key="k")
own = KanaUserClient(user_token="t")
now = datetime.now(UTC)

assert_type(kana.features.can_use(user_id="u", feature_id="f", delta="1"), Decision)
assert_type(kana.features.record_usage(user_id="u", feature_id="f", action="SET"), RecordedUsage)
assert_type(kana.features.list(), list[Feature])
assert_type(kana.packages.create(id="p", features=[Grant(id="f")]), Package)
assert_type(kana.subscriptions.create(user_id="u", package_ids=("p",)), list[PackageSubscription])
assert_type(kana.check(user_id="u", feature_id="f", when_unreachable="deny").source, Source)
assert_type(kana.features.can_use_many(user_ids=["u"], feature_ids=("f",)), dict[str, dict[str, Decision]])
assert_type(kana.top_ups.create(user_id="u", feature_id="f", amount=5, reason="sold"), TopUp)
assert_type(kana.overrides.list(user_id="u"), list[Override])
assert_type(kana.settings.require_secure_mode(), EnvironmentSettings)
assert_type(kana.settings.set_time_zone("UTC"), EnvironmentSettings)
assert_type(kana.check(user_id="u", feature_id="f").outcome, Outcome | None)
assert_type(kana.features.can_use(user_id="u", feature_id="f").outcome, Outcome)
assert_type(kana.features.record_usage(user_id="u", feature_id="f").outcome, Outcome)
assert_type(kana.explain(user_id="u", feature_id="f", delta="1"), Explanation)
assert_type(kana.explain(user_id="u", feature_id="f").not_held[0].cause, NotHeldCause)
assert_type(kana.consume("u", {"a b": 1}, tokens="2", dry_run=True), Consumed)
assert_type(kana.reservations.settle("1", tokens=2, final=False), Consumed)
assert_type(kana.reservations.list("u"), list[Reservation])
assert_type(kana.insights.credit(feature_id="f", start=now, end=now, by="WEEK"), tuple[CreditInsight, ...])
with kana.reserve("u", tokens=2, ttl=60) as hold:
    assert_type(hold, Hold)
    assert_type(hold.settle(tokens=1).lines[0].outcome, Outcome)
    assert_type([chunk for chunk in hold.stream(["a"], tokens=len)], list[str])
assert_type(own.can_use_feature("f", 2), Decision)
assert_type(own.can_use_feature("f", 2), Entitlement)
assert_type(own.reset_cache(), None)

async def main() -> None:
    assert_type(await awaiting.users.retrieve(id="u"), User)
    assert_type(await awaiting.overrides.set(user_id="u", feature_id="f", limit=None, reason="asked"), Override)
    assert_type(await awaiting.settings.retrieve(), EnvironmentSettings)
    assert_type(await awaiting.check(user_id="u", feature_id="f"), Check)
    assert_type(await awaiting.subscriptions.cancel(id="1", at_period_end=True), PackageSubscription)
    assert_type(await awaiting.consume("u", tokens=2), Consumed)
    async with awaiting.reserve("u", tokens=2) as hold:
        assert_type(hold, AsyncHold)
        assert_type(await hold.release(), Reservation)

kana.consume(tokens=2)  # error: call-arg
kana.consume("u", tokens=b"2")  # error: arg-type
kana.reserve("u", tokens=2).__enter__().stream([1], tokens=len)  # error: arg-type
kana.top_ups.create(user_id="u", feature_id="f", amount=5)  # error: call-arg
kana.explain(user_id="u", feature_id="f", at="2026")  # error: arg-type
kana.features.can_use("u", "f")  # error: call-arg
kana.features.can_use(user_id="u")  # error: call-arg
kana.features.can_use(user_id="u", feature_id="f", delta=b"1")  # error: arg-type
kana.features.can_use_many(user_ids=[1], feature_ids=["f"])  # error: list-item
kana.features.can_use(user_id=1, feature_id="f")  # error: arg-type
kana.check(user_id="u", feature_id="f", when_unreachable="maybe")  # error: arg-type
kana.packages.create(id="p", features=["f"])  # error: list-item
kana.features.unheard_of()  # error: attr-defined
kana.users.retrieve(id="u").plan  # error: attr-defined
awaiting.users.retrieve(id="u").name  # error: attr-defined
KanaAdmin("k")  # error: call-arg
"""


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_samples_have_the_types_that_they_say(tmp_path: Path) -> None:
    """Every right line passes mypy --strict, and every wrong one is found for its own reason."""
    sample = tmp_path / "sample.py"
    sample.write_text(SAMPLE)
    output, complaints, _ = mypy.run(["--config-file", str(ROOT / "pyproject.toml"), str(sample)])
    assert complaints == ""
    errors = re.findall(r"sample\.py:(\d+): error: .*\[([\w-]+)\]$", output, re.MULTILINE)
    expected = {
        number: line.rpartition("# error: ")[2]
        for number, line in enumerate(SAMPLE.splitlines(), 1)
        if "# error: " in line
    }
    assert {int(line): code for line, code in errors} == expected, output
