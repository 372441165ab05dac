"""A configuration is read strictly: what is wrong is named, with its place and what is allowed there."""

from __future__ import annotations

import json
from typing import Any

import pytest

from kana.errors import InvalidValue
from kana.model import config as rules
from kana.model.allowance import GRACE_PERCENT_MAX, ROLLOVER_PERIODS_MAX, Allowance, Combine, Cost, Rollover
from kana.model.config import ConfigFeature, ConfigHeld, ConfigPackage, UnknownField, allowance_fields, read_config
from kana.model.feature import FeatureType
from kana.model.package import TRIAL_DAYS_MAX, PackageStatus
from kana.model.period import ResetPeriod
from kana.model.text import UNITS_MAX
from tests.support.tree import SOURCE


def a_file(**changes: Any) -> dict[str, Any]:
    """A small configuration as plain data."""
    held = {"id": "message", "limit": 5, "overage_enabled": True, "reset_period": "MONTH", "combine": "ADD"}
    held |= {"rollover": {"limit": 3, "periods": 2}, "grace_percent": 10, "cost": {"feature_id": "sso", "units": 4}}
    return {
        "version": "1.0.0",
        "features": [{"id": "message", "name": "Messages", "type": "CONSUMABLE"}, {"id": "sso", "type": "BINARY"}],
        "packages": {
            "draft": [{"id": "pro", "features": [{"id": "sso"}]}],
            "published": [{"id": "free", "name": "Free", "trial_days": 14, "features": [held]}],
        },
        "addons": {"published": [{"id": "extra", "base_packages": ["free"], "features": [{"id": "message"}]}]},
    } | changes


def test_everything_that_a_file_says_is_read() -> None:
    """Names default to the id, status comes from the list, and each part knows its place."""
    config = read_config(a_file(revision="test_abc@4", app="Acme", project="Acme", updated="today"))

    assert config.revision == "test_abc@4"
    assert config.features == (
        ConfigFeature(path="features[0]", id="message", name="Messages", type=FeatureType.CONSUMABLE),
        ConfigFeature(path="features[1]", id="sso", name="sso", type=FeatureType.BINARY),
    )
    at = "packages.published[0]"
    held = ConfigHeld(
        path=f"{at}.features[0]",
        id="message",
        has_limit=True,
        allowance=Allowance(
            limit=5,
            overage_enabled=True,
            reset_period=ResetPeriod.MONTH,
            combine=Combine.ADD,
            rollover=Rollover(limit=3, periods=2),
            grace_percent=10,
            cost=Cost(feature_id="sso", units=4),
        ),
    )
    assert config.packages[1] == ConfigPackage(
        path=at,
        id="free",
        name="Free",
        status=PackageStatus.PUBLISHED,
        is_addon=False,
        base_package_ids=(),
        trial_days=14,
        features=(held,),
    )
    assert config.addons is not None
    assert [(addon.id, addon.is_addon, addon.base_package_ids, addon.trial_days) for addon in config.addons] == [
        ("extra", True, ("free",), None)
    ]
    assert [package.id for package in config.all_packages] == ["pro", "free", "extra"]


def test_no_addons_is_not_the_same_as_an_empty_list() -> None:
    """Files of Kana's own command line never hold add-ons: they leave them alone."""
    plain = {key: value for key, value in a_file().items() if key != "addons"}
    assert read_config(plain).addons is None
    assert read_config({**plain, "addons": None}).addons is None
    assert read_config({**plain, "addons": {}}).addons == ()


def test_a_limit_that_is_null_is_told_from_one_that_is_missing() -> None:
    """Null is unlimited; nothing said is a mistake, which only the feature's type shows."""
    features = [{"id": "message", "limit": None}, {"id": "sso"}]
    config = read_config(a_file(packages={"draft": [{"id": "a", "features": features}]}))
    limits = [(held.allowance.limit, held.has_limit) for held in config.packages[0].features]
    assert limits == [(None, True), (None, False)]


def test_lists_that_were_emptied_may_be_null() -> None:
    """``draft:`` with nothing under it is null in YAML, and is an empty list to whoever wrote it."""
    config = read_config(a_file(packages={"draft": None, "published": [{"id": "free", "features": None}]}))
    assert [(package.id, package.features) for package in config.packages] == [("free", ())]


def held(**fields: Any) -> dict[str, Any]:
    return a_file(packages={"draft": [{"id": "pro", "features": [{"id": "message", **fields}]}]})


def rolling(**fields: Any) -> dict[str, Any]:
    return held(rollover={"limit": 5, "periods": 1} | fields)


def trial(days: Any) -> dict[str, Any]:
    return a_file(packages={"draft": [{"id": "pro", "trial_days": days}]})


HELD = "packages.draft[0].features[0]"
RESETS = "YEAR or QUARTER or MONTH or WEEK or DAY or HOUR"


@pytest.mark.parametrize(
    ("value", "path", "message"),
    [
        ([], "", "the configuration must be a mapping with version, revision, app, .* got a list"),
        (None, "", "the configuration must be a mapping .* got nothing"),
        ({"features": []}, "", "the configuration must have packages"),
        (a_file(feature=[]), "feature", "feature is not a known field; did you mean features?"),
        (a_file(zzz=1), "zzz", "zzz is not a known field; known here: version, revision, "),
        (a_file(version=1.0), "version", "version must be text .*, got 1.0"),
        (a_file(features={}), "features", "features must be a list, got a mapping"),
        (a_file(features=["a"]), "features[0]", "features\\[0\\] must be a mapping with id, name, type, got 'a'"),
        (a_file(features=[{"id": "a"}]), "features[0]", "features\\[0\\] must have type"),
        (a_file(features=[{"id": 5, "type": "BINARY"}]), "features[0].id", "must be text .*, got 5"),
        (a_file(features=[{"id": "", "type": "BINARY"}]), "features[0].id", "must be 1 to 255 characters"),
        (a_file(features=[{"id": "a", "name": "", "type": "BINARY"}]), "features[0].name", "must be 1 to 255"),
        (a_file(features=[{"id": "a", "type": "Binary"}]), "features[0].type", "must be BINARY or CONSUMABLE, got"),
        (a_file(features=[{"id": str(n), "type": "BINARY"} for n in range(1001)]), "features", "at most 1000 items"),
        (a_file(packages={"archived": []}), "packages.archived", "is not a known field; known here: draft, published"),
        (a_file(packages={"draft": [{"id": "a", "base_packages": []}]}), "packages.draft[0].base_packages", "is not a"),
        (a_file(addons={"draft": [{"id": "a", "base_packages": [1]}]}), "addons.draft[0].base_packages[0]", "text"),
        (trial(0), "packages.draft[0].trial_days", "whole number from 1 to 365, got 0$"),
        (trial(366), "packages.draft[0].trial_days", "whole number from 1 to 365, got 366$"),
        (trial("two"), "packages.draft[0].trial_days", "whole number from 1 to 365, got 'two'$"),
        (held(limits=1), f"{HELD}.limits", "limits is not a known field; did you mean limit\\?"),
        (held(limit="1_0"), f"{HELD}.limit", f"whole number from 0 to {UNITS_MAX}, got '1_0'; write it without quotes"),
        (held(limit="ten"), f"{HELD}.limit", f"whole number from 0 to {UNITS_MAX}, got 'ten'; null is unlimited"),
        (held(limit=1.5), f"{HELD}.limit", "whole number"),
        (held(limit=True), f"{HELD}.limit", "whole number"),
        (held(limit=-1), f"{HELD}.limit", f"from 0 to {UNITS_MAX}, got -1"),
        (held(limit=2**53), f"{HELD}.limit", f"from 0 to {UNITS_MAX}"),
        (held(overage_enabled="yes"), f"{HELD}.overage_enabled", "must be true or false, got 'yes'"),
        (held(reset_period="WEEKS"), f"{HELD}.reset_period", f"must be {RESETS}, got 'WEEKS'"),
        (held(reset_period=1), f"{HELD}.reset_period", f"must be {RESETS}, got 1"),
        (held(combine="SUM"), f"{HELD}.combine", "must be HIGHEST or ADD, got 'SUM'"),
        (held(combine=True), f"{HELD}.combine", "must be HIGHEST or ADD, got True"),
        (held(cost=5), f"{HELD}.cost", "must be a mapping with feature_id, units, got 5"),
        (held(cost={"units": 1}), f"{HELD}.cost", "must have feature_id"),
        (held(cost={"feature_id": "a", "units": 0}), f"{HELD}.cost.units", f"from 1 to {UNITS_MAX}, got 0$"),
        (held(rollover=5), f"{HELD}.rollover", "must be a mapping with limit, periods, got 5"),
        (held(rollover={"limit": 5}), f"{HELD}.rollover", "must have periods"),
        (held(rollover={"limit": None, "periods": 1}), f"{HELD}.rollover", "must have limit"),
        (held(rollover={"period": 1}), f"{HELD}.rollover.period", "is not a known field; did you mean periods\\?"),
        (rolling(limit=-1), f"{HELD}.rollover.limit", f"from 0 to {UNITS_MAX}, got -1$"),
        (rolling(limit=2**53), f"{HELD}.rollover.limit", f"from 0 to {UNITS_MAX}"),
        (rolling(limit="1_0"), f"{HELD}.rollover.limit", "got '1_0'; write it without quotes$"),
        (rolling(periods=0), f"{HELD}.rollover.periods", "from 1 to 12, got 0$"),
        (rolling(periods=13), f"{HELD}.rollover.periods", "from 1 to 12, got 13$"),
        (rolling(periods=1.5), f"{HELD}.rollover.periods", "whole number from 1 to 12, got 1.5$"),
        (held(grace_percent=101), f"{HELD}.grace_percent", "from 0 to 100, got 101$"),
        (held(grace_percent=-1), f"{HELD}.grace_percent", "from 0 to 100, got -1$"),
        (held(grace_percent="ten"), f"{HELD}.grace_percent", "whole number from 0 to 100, got 'ten'$"),
        (held(limit=None, grace_percent=1), HELD, "features\\[0\\]: a grace needs a limit that it lets be passed$"),
        (rolling(limit=1), HELD, "features\\[0\\]: rollover needs a limit and a reset period"),
    ],
)  # fmt: skip
def test_a_wrong_shape_is_named_with_its_place(value: Any, path: str, message: str) -> None:
    """The message says what is allowed, and ``field`` where it is wrong."""
    with pytest.raises(InvalidValue, match=message) as refused:
        read_config(value)
    assert refused.value.field == path


def test_a_misspelt_field_has_an_error_of_its_own() -> None:
    """It is what the command line says before anything else, as other checks would only miss the field."""
    with pytest.raises(UnknownField):
        read_config(a_file(adons={}))


def test_a_configuration_may_hold_a_thousand_packages_of_two_hundred_features() -> None:
    """And not one more in all."""
    features = [{"id": f"f{number}", "type": "BINARY"} for number in range(200)]
    held = [{"id": f"f{number}"} for number in range(200)]
    packages = [{"id": f"p{number}", "features": held} for number in range(1000)]
    config = {"features": features, "packages": {"published": packages}}
    assert sum(len(package.features) for package in rules.read_config(config).packages) == rules.HELD_MAX
    config["addons"] = {"draft": [{"id": "one more", "features": held[:1]}]}
    with pytest.raises(InvalidValue, match="together must have at most 200000 features, got 200001"):
        rules.read_config(config)


def test_the_schema_for_editors_knows_the_same_fields() -> None:
    """What an editor marks is what the server refuses: fields, words and bounds are the reader's own."""
    schema = json.loads((SOURCE / "api/config/kana.schema.json").read_text(encoding="utf-8"))
    definitions = schema["definitions"]
    held = definitions["held"]["items"]["properties"]
    feature = schema["properties"]["features"]["items"]["properties"]

    assert tuple(schema["properties"]) == rules.ROOT_FIELDS
    assert tuple(feature) == rules.FEATURE_FIELDS
    assert tuple(definitions["packages"]["items"]["properties"]) == rules.PACKAGE_FIELDS
    assert tuple(definitions["addons"]["items"]["properties"]) == rules.ADDON_FIELDS
    assert tuple(held) == rules.HELD_FIELDS
    assert feature["type"]["enum"] == [kind.value for kind in FeatureType]
    assert held["reset_period"]["enum"] == [*(period.value for period in ResetPeriod), None]
    assert (held["limit"]["minimum"], held["limit"]["maximum"]) == (0, UNITS_MAX)
    rollover = held["rollover"]["properties"]
    assert tuple(rollover) == tuple(held["rollover"]["required"]) == rules.ROLLOVER_FIELDS
    assert (rollover["limit"]["minimum"], rollover["limit"]["maximum"]) == (0, UNITS_MAX)
    assert (rollover["periods"]["minimum"], rollover["periods"]["maximum"]) == (1, ROLLOVER_PERIODS_MAX)
    assert (held["grace_percent"]["minimum"], held["grace_percent"]["maximum"]) == (0, GRACE_PERCENT_MAX)
    days = definitions["trial_days"]
    assert (days["minimum"], days["maximum"]) == (1, TRIAL_DAYS_MAX)
    assert {definitions[name]["maxItems"] for name in ("packages", "addons", "held")} == {rules.ITEMS_MAX}


@pytest.mark.parametrize(
    "revision",
    ["", "12", 12, "banana", "test_abc", "test_abc@", "@1", "test_abc@-1", "test_abc@01", "test_abc@1 ", " test_abc@1",
     "Test_abc@1", "demo_abc@1", "test_abc@x", "test_abc@1@2", f"test_abc@{10**19}", ["test_abc@1"], True],
)  # fmt: skip
def test_a_revision_that_is_none_is_refused(revision: object) -> None:
    """It would be taken for one of another environment, and the file published over somebody's change."""
    with pytest.raises(InvalidValue, match="revision must be a revision as `kana pull` writes it") as refused:
        read_config(a_file(revision=revision))
    assert refused.value.field == "revision"


@pytest.mark.parametrize(
    ("allowance", "fields"),
    [
        (Allowance(), {"limit": None, "overage_enabled": False}),
        (
            Allowance(
                limit=5,
                overage_enabled=True,
                reset_period=ResetPeriod.DAY,
                combine=Combine.ADD,
                rollover=Rollover(limit=3, periods=2),
                grace_percent=10,
            ),
            {
                "limit": 5,
                "overage_enabled": True,
                "reset_period": "DAY",
                "combine": "ADD",
                "rollover": {"limit": 3, "periods": 2},
                "grace_percent": 10,
            },
        ),
    ],
)
def test_an_allowance_is_written_as_it_is_read(allowance: Allowance, fields: dict[str, object]) -> None:
    """What is ours is left out where it says nothing."""
    assert allowance_fields(allowance) == fields
