"""The configuration as a file: the features and packages that an environment should have.

The same value is read from the command line's YAML and from the JSON it sends. An error in its
shape names the place, such as ``packages.draft[0].features[1].limit``.

Source: docs.usekana.com/cli; strictness is ours.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from difflib import get_close_matches
from functools import partial
from typing import Any, NoReturn, TypeVar

from kana.errors import InvalidValue
from kana.model.allowance import GRACE_PERCENT_MAX, ROLLOVER_PERIODS_MAX, Allowance, Combine, Cost, Rollover
from kana.model.feature import FeatureType
from kana.model.package import TRIAL_DAYS_MAX, PackageStatus
from kana.model.period import ResetPeriod
from kana.model.text import UNITS_MAX, identifier, shown, whole_number
from kana.model.value import value_object

ITEMS_MAX = 1_000
"""Most items of any list in a configuration: features, packages of one kind and status, features of a package."""

HELD_MAX = 200_000
"""Most features of all packages of a configuration together: 1,000 packages of 200."""

BYTES_MAX = 32_000_000
"""Largest configuration in bytes, as a file or a request; one at the limits with short ids has 23 million."""

VALUES_MAX = 2_000_000
"""Most values (mappings, lists, words, numbers) of a configuration; one at the limits has about half as many."""

_T = TypeVar("_T")

_REVISION = re.compile(r"(?:test|live)_[A-Za-z0-9]+@(?:0|[1-9][0-9]{0,18})").fullmatch

ROOT_FIELDS = ("version", "revision", "app", "project", "updated", "features", "packages", "addons")
FEATURE_FIELDS = ("id", "name", "type")
PACKAGE_FIELDS = ("id", "name", "trial_days", "features")
ADDON_FIELDS = ("id", "name", "base_packages", "trial_days", "features")
HELD_FIELDS = ("id", "limit", "overage_enabled", "reset_period", "combine", "rollover", "grace_percent", "cost")
ROLLOVER_FIELDS = ("limit", "periods")
COST_FIELDS = ("feature_id", "units")
STATUSES = {"draft": PackageStatus.DRAFT, "published": PackageStatus.PUBLISHED}


class UnknownField(InvalidValue):
    """The configuration has an unknown field; the message says which one may be meant."""

    name = "UnknownFieldError"


@value_object(kw_only=True)
class ConfigFeature:
    """A feature in a configuration. ``path`` is its place there."""

    path: str
    id: str
    name: str
    type: FeatureType


@value_object(kw_only=True)
class ConfigHeld:
    """A feature in a package of a configuration.

    The allowance is unlimited on purpose only if ``has_limit``. A CONSUMABLE feature without a limit is a
    mistake, and never unlimited.
    """

    path: str
    id: str
    has_limit: bool
    allowance: Allowance


@value_object(kw_only=True)
class ConfigPackage:
    """A package or add-on in a configuration."""

    path: str
    id: str
    name: str
    status: PackageStatus
    is_addon: bool
    base_package_ids: tuple[str, ...]
    trial_days: int | None
    features: tuple[ConfigHeld, ...]


@value_object(kw_only=True)
class Config:
    """A whole configuration.

    ``addons=None`` leaves the add-ons alone, as files of Kana's own command line do. ``revision``
    names the catalogue that the file was made from, so that a stale file is detected.
    """

    revision: str | None
    features: tuple[ConfigFeature, ...]
    packages: tuple[ConfigPackage, ...]
    addons: tuple[ConfigPackage, ...] | None

    @property
    def all_packages(self) -> tuple[ConfigPackage, ...]:
        """Packages, then add-ons."""
        return (*self.packages, *(self.addons or ()))


def read_config(value: object) -> Config:
    """Return the configuration that plain data says.

    Raises:
        InvalidValue: its shape is wrong; ``field`` is the place, and the message says what is allowed there.
    """
    root = _mapping(value, "", known=ROOT_FIELDS, required=("features", "packages"))
    for name in ("version", "app", "project", "updated"):
        _optional(root.get(name), name, _text)
    addons = root.get("addons")
    config = Config(
        revision=_optional(root.get("revision"), "revision", _revision),
        features=tuple(_each(root["features"], "features", _feature)),
        packages=_packages(root["packages"], "packages", is_addon=False),
        addons=None if addons is None else _packages(addons, "addons", is_addon=True),
    )
    held = sum(len(package.features) for package in config.all_packages)
    if held > HELD_MAX:
        raise InvalidValue(f"packages and addons together must have at most {HELD_MAX} features, got {held}")
    return config


def _feature(value: object, path: str) -> ConfigFeature:
    fields = _mapping(value, path, known=FEATURE_FIELDS, required=("id", "type"))
    feature_id = _name(fields["id"], f"{path}.id")
    return ConfigFeature(
        path=path,
        id=feature_id,
        name=_optional(fields.get("name"), f"{path}.name", _name) or feature_id,
        type=FeatureType(_word(fields["type"], f"{path}.type", [kind.value for kind in FeatureType])),
    )


def _packages(value: object, path: str, *, is_addon: bool) -> tuple[ConfigPackage, ...]:
    lists = _mapping(value, path, known=tuple(STATUSES))

    found: list[ConfigPackage] = []
    for name, status in STATUSES.items():
        read = partial(_package, status=status, is_addon=is_addon)
        found += _each(lists.get(name), f"{path}.{name}", read)
    return tuple(found)


def _package(value: object, path: str, *, status: PackageStatus, is_addon: bool) -> ConfigPackage:
    known = ADDON_FIELDS if is_addon else PACKAGE_FIELDS
    fields = _mapping(value, path, known=known, required=("id",))
    package_id = _name(fields["id"], f"{path}.id")
    return ConfigPackage(
        path=path,
        id=package_id,
        name=_optional(fields.get("name"), f"{path}.name", _name) or package_id,
        status=status,
        is_addon=is_addon,
        base_package_ids=tuple(_each(fields.get("base_packages"), f"{path}.base_packages", _name)),
        trial_days=_optional(fields.get("trial_days"), f"{path}.trial_days", _days),
        features=tuple(_each(fields.get("features"), f"{path}.features", _held)),
    )


def _held(value: object, path: str) -> ConfigHeld:
    fields = _mapping(value, path, known=HELD_FIELDS, required=("id",))
    return ConfigHeld(
        path=path,
        id=_name(fields["id"], f"{path}.id"),
        has_limit="limit" in fields,
        allowance=_allowance(fields, path),
    )


def _allowance(fields: Mapping[str, Any], path: str) -> Allowance:
    reset, combine = fields.get("reset_period"), fields.get("combine")
    read = partial(
        Allowance,
        limit=_optional(fields.get("limit"), f"{path}.limit", _limit),
        overage_enabled=_optional(fields.get("overage_enabled"), f"{path}.overage_enabled", _switch) or False,
        reset_period=None if reset is None else ResetPeriod(_word(reset, f"{path}.reset_period", list(ResetPeriod))),
        combine=Combine.HIGHEST if combine is None else Combine(_word(combine, f"{path}.combine", list(Combine))),
        rollover=_optional(fields.get("rollover"), f"{path}.rollover", _rollover),
        grace_percent=_optional(fields.get("grace_percent"), f"{path}.grace_percent", _percent) or 0,
        cost=_optional(fields.get("cost"), f"{path}.cost", _cost),
    )
    try:
        return read()
    except InvalidValue as error:  # Each part is right by itself, but they do not go together.
        raise InvalidValue(f"{path}: {error.message}", field=path) from None


def _rollover(value: object, path: str) -> Rollover:
    fields = _mapping(value, path, known=ROLLOVER_FIELDS, required=ROLLOVER_FIELDS)
    return Rollover(
        limit=_whole(fields["limit"], f"{path}.limit", most=UNITS_MAX),
        periods=_whole(fields["periods"], f"{path}.periods", least=1, most=ROLLOVER_PERIODS_MAX),
    )


def _cost(value: object, path: str) -> Cost:
    fields = _mapping(value, path, known=COST_FIELDS, required=COST_FIELDS)
    return Cost(
        feature_id=_name(fields["feature_id"], f"{path}.feature_id"),
        units=_whole(fields["units"], f"{path}.units", least=1, most=UNITS_MAX),
    )


def _percent(value: object, path: str) -> int:
    return _whole(value, path, most=GRACE_PERCENT_MAX)


def _days(value: object, path: str) -> int:
    return _whole(value, path, least=1, most=TRIAL_DAYS_MAX)


def allowance_fields(allowance: Allowance) -> dict[str, Any]:
    """Return the fields that say an allowance in a configuration; our own ones only where they say something."""
    reset = {} if allowance.reset_period is None else {"reset_period": allowance.reset_period}
    combine = {} if allowance.combine is Combine.HIGHEST else {"combine": allowance.combine}
    rollover = {} if allowance.rollover is None else {"rollover": asdict(allowance.rollover)}
    grace = {"grace_percent": allowance.grace_percent} if allowance.grace_percent else {}
    kanas = {"limit": allowance.limit, "overage_enabled": allowance.overage_enabled, **reset}
    cost = {} if allowance.cost is None else {"cost": asdict(allowance.cost)}
    return {**kanas, **combine, **rollover, **grace, **cost}


def _mapping(value: object, path: str, *, known: Sequence[str], required: Sequence[str] = ()) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        _refuse(value, path, f"a mapping with {', '.join(known)}")
    for name in value:
        if name not in known:
            near = get_close_matches(str(name), known, n=1)
            hint = f"; did you mean {near[0]}?" if near else f"; known here: {', '.join(known)}"
            where = f"{path}." if path else ""
            raise UnknownField(f"{where}{name} is not a known field{hint}", field=f"{where}{name}")
    for name in required:
        if value.get(name) is None:
            raise InvalidValue(f"{path or 'the configuration'} must have {name}", field=path)
    return value


def _each(value: object, path: str, read: Callable[[object, str], _T]) -> list[_T]:
    """Read a list; an empty one may be null, as in YAML."""
    if value is None:
        return []
    if not isinstance(value, list):
        _refuse(value, path, "a list")
    if len(value) > ITEMS_MAX:
        raise InvalidValue(f"{path} must have at most {ITEMS_MAX} items, got {len(value)}", field=path)
    return [read(item, f"{path}[{number}]") for number, item in enumerate(value)]


def _optional(value: object, path: str, read: Callable[[object, str], _T]) -> _T | None:
    return None if value is None else read(value, path)


def _text(value: object, path: str) -> str:
    if not isinstance(value, str):
        _refuse(value, path, "text (in quotes if it looks like something else)")
    return value


def _revision(value: object, path: str) -> str:
    """Return a revision; an invalid one must not count as one that is merely unknown here."""
    if not isinstance(value, str) or not _REVISION(value):
        _refuse(value, path, "a revision as `kana pull` writes it, such as test_abcdefgh@12 (or left out)")
    return value


def _name(value: object, path: str) -> str:
    return identifier(_text(value, path), field=path)


def _word(value: object, path: str, allowed: Sequence[str]) -> str:
    if not isinstance(value, str) or value not in allowed:
        _refuse(value, path, " or ".join(allowed))
    return value


def _switch(value: object, path: str) -> bool:
    if not isinstance(value, bool):
        _refuse(value, path, "true or false")
    return value


def _limit(value: object, path: str) -> int:
    try:
        return _whole(value, path, most=UNITS_MAX)
    except InvalidValue as error:
        raise InvalidValue(f"{error.message}; null is unlimited", field=path) from None


def _whole(value: object, path: str, *, least: int = 0, most: int) -> int:
    try:
        return whole_number(value, field=path, least=least, most=most)
    except InvalidValue as error:
        how = "; write it without quotes" if looks_whole(value) else ""
        raise InvalidValue(f"{error.message}{how}", field=path) from None


def looks_whole(value: object) -> bool:
    """Whether a value is text that was probably meant as a number."""
    return isinstance(value, str) and value.replace("_", "").isdecimal()


def _refuse(value: object, path: str, allowed: str) -> NoReturn:
    got = {dict: "a mapping", list: "a list", type(None): "nothing"}.get(type(value)) or shown(value)
    raise InvalidValue(f"{path or 'the configuration'} must be {allowed}, got {got}", field=path)
