"""Every allowance means the same on every face: what one writes, the others read."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest
from hypothesis import given

from kana.cli.configuration.reader import read_yaml
from kana.cli.configuration.writer import config_yaml
from kana.model.allowance import Allowance
from kana.model.config import read_config
from kana.model.key import KeyKind
from kana.model.package import PackageFeature
from kana.sdk import Cost, Grant, KanaAdmin, Rollover
from tests.api.admin.calls import ENTITLEMENT
from tests.support.allowances import FULL, allowances
from tests.support.serving import Served
from tests.support.stores import SqlitePlace
from tests.support.world import NOON, TEST, examples

CREATE = f"""mutation($input: CreatePackageInput!) {{
  createPackage(input: $input) {{ features {{ entitlement {{ {ENTITLEMENT} }} }} }}
}}"""
REFUSED = "mutation($input: CreatePackageInput!) { createPackage(input: $input) { id } }"
_count = count()


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The application with one feature of each kind."""
    with Served(SqlitePlace(tmp_path_factory.mktemp("allowances") / "kana.db")) as served:
        served.ask('mutation { createFeature(input: {id: "message", type: CONSUMABLE}) { id } }')
        served.ask('mutation { createFeature(input: {id: "credit", type: CONSUMABLE}) { id } }')
        served.ask('mutation { createFeature(input: {id: "sso", type: BINARY}) { id } }')
        yield served


def as_input(allowance: Allowance) -> dict[str, Any]:
    rollover, cost = allowance.rollover, allowance.cost
    return {
        "limit": allowance.limit,
        "resetPeriod": allowance.reset_period,
        "overageEnabled": allowance.overage_enabled,
        "combine": allowance.combine,
        "rollover": None if rollover is None else {"limit": rollover.limit, "periods": rollover.periods},
        "gracePercent": allowance.grace_percent,
        "cost": None if cost is None else {"featureId": cost.feature_id, "units": cost.units},
    }


def as_grant(allowance: Allowance) -> Grant:
    rollover, cost = allowance.rollover, allowance.cost
    return Grant(
        id="message",
        limit=allowance.limit,
        reset_period=allowance.reset_period,
        overage_enabled=allowance.overage_enabled,
        combine=allowance.combine,
        rollover=None if rollover is None else Rollover(limit=rollover.limit, periods=rollover.periods),
        grace_percent=allowance.grace_percent,
        cost=None if cost is None else Cost(feature_id=cost.feature_id, units=cost.units),
    )


def kept(served: Served, package_id: str) -> tuple[PackageFeature, ...]:
    return served.run(served.engine.catalog.read(TEST)).package(package_id).features


@given(allowances(credit="credit"))
@examples(40)
def test_what_one_face_writes_the_others_read(served: Served, allowance: Allowance) -> None:
    """Through the Admin API and back, through the SDK and back, and through the file, whose words are the same."""
    expected = (PackageFeature(feature_id="message", allowance=allowance),)
    first, second = f"p{next(_count)}", f"p{next(_count)}"
    key = served.keys[TEST][KeyKind.PRIVATE]

    held = {"id": "message", "entitlement": as_input(allowance)}
    answer = served.ask(CREATE, {"input": {"id": first, "features": [held]}})
    assert answer["createPackage"]["features"] == [{"entitlement": as_input(allowance)}]
    assert kept(served, first) == expected

    with KanaAdmin(api_key=key, endpoint=served.url) as kana:
        kana.packages.create(id=second, features=[as_grant(allowance)])
        features = kana.packages.retrieve(id=second, include_features=True).features
    assert kept(served, second) == expected
    assert features is not None
    assert features[0].entitlement is not None
    told = features[0].entitlement
    assert as_grant(allowance) == Grant(id="message", **{name: getattr(told, name) for name in told.__slots__})

    pulled = served.http.get("/cli/pull", headers={"Authorization": key}).json()
    for config in (pulled, read_yaml(config_yaml(pulled, schema_url=None, now=NOON).encode()).value):
        found = {package.id: package.features[0].allowance for package in read_config(config).packages}
        assert (found[first], found[second]) == (allowance, allowance)
    for package_id in (first, second):
        served.ask(f'mutation {{ deletePackage(id: "{package_id}") {{ id }} }}')


@pytest.mark.parametrize(
    ("entitlement", "message"),
    [
        ({"limit": 5, "gracePercent": 101}, "gracePercent must be 0 to 100, got 101"),
        ({"limit": 5, "gracePercent": -1}, "gracePercent must be 0 to 100, got -1"),
        ({"gracePercent": 1}, "a grace needs a limit that it lets be passed"),
        (
            {"limit": 5, "resetPeriod": "DAY", "rollover": {"limit": -1, "periods": 1}},
            "rollover.limit must be 0 to 9007199254740991, got -1",
        ),
        (
            {"limit": 5, "resetPeriod": "DAY", "rollover": {"limit": 1, "periods": 0}},
            "rollover.periods must be 1 to 12, got 0",
        ),
        (
            {"limit": 5, "rollover": {"limit": 1, "periods": 1}},
            "rollover needs a limit and a reset period: otherwise no period leaves anything",
        ),
    ],
)
def test_what_cannot_be_is_refused(served: Served, entitlement: dict[str, Any], message: str) -> None:
    """With what is allowed, and nothing is created."""
    wanted = {"id": "wrong", "features": [{"id": "message", "entitlement": entitlement}]}
    error = served.error(REFUSED, {"input": wanted})
    assert (error["message"], error["extensions"]["code"]) == (message, "BAD_USER_INPUT")
    assert "wrong" not in served.run(served.engine.catalog.read(TEST)).packages


def test_a_binary_feature_has_neither(served: Served) -> None:
    """It has no entitlement to read, and none may be given."""
    answer = served.ask(CREATE, {"input": {"id": "on", "features": [{"id": "sso"}]}})
    assert answer["createPackage"]["features"] == [{"entitlement": None}]
    wanted = {"id": "wrong", "features": [{"id": "sso", "entitlement": as_input(FULL)}]}
    assert "BINARY" in served.error(REFUSED, {"input": wanted})["message"]
