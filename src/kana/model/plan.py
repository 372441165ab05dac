"""Planning: the catalogue that publishing a configuration would make, or the problems that prevent it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from itertools import chain, islice
from typing import TypeVar, assert_never

from kana.errors import InvalidValue, KanaError
from kana.model.allowance import UNLIMITED
from kana.model.catalog import Catalog
from kana.model.change import noun_of
from kana.model.config import HELD_FIELDS, Config, ConfigFeature, ConfigHeld, ConfigPackage
from kana.model.feature import Feature
from kana.model.package import Package, PackageFeature, PackageStatus
from kana.model.text import counted, new_identifier
from kana.model.value import value_object

PROBLEMS_MAX = 100
"""Most problems that are named; of more is said how many there are."""

_Item = TypeVar("_Item")


@value_object()
class Problem:
    """Something that is wrong with the configuration, and its place there."""

    path: str
    text: str


@value_object()
class Plan:
    """The catalogue after publishing; the old one, unchanged, if there are problems."""

    catalog: Catalog
    problems: tuple[Problem, ...]


def plan(catalog: Catalog, config: Config, *, now: datetime) -> Plan:
    """Return what a catalogue becomes when the configuration is published: all of it or nothing.

    Features missing from the configuration stay. Drafts missing from it are deleted, published packages archived;
    archived ones stay as they are, and are published again if they are in it. Without ``addons`` the add-ons stay.
    What a configuration cannot express (metadata, prices, unit labels, names within a package) is kept.
    """
    problems = _named(chain(_repeats(config), _name_problems(catalog, config), _feature_problems(catalog, config)))
    features = dict(catalog.features)
    for wanted in config.features:
        known = features.get(wanted.id)
        features[wanted.id] = _feature(wanted, known, now=now)
    problems = problems or _named(_package_problems(catalog, config, features))
    if problems:
        return Plan(catalog, problems)
    packages = {package.id: package for package in _kept(catalog, config, now=now)}
    for package in config.all_packages:
        packages[package.id] = _package(package, catalog.packages.get(package.id), now=now)
    new = replace(catalog, features=features, packages=packages)
    problems = _named(_rule_problems(new, config))
    return Plan(catalog if problems else new, problems)


def _named(problems: Iterator[Problem]) -> tuple[Problem, ...]:
    """Return the first problems, and of more than are named how many there are."""
    named = tuple(islice(problems, PROBLEMS_MAX))
    more = next(problems, None)
    if more is None:
        return named
    count = 1 + sum(1 for _ in problems)
    rest = counted(count, "more problem is", "more problems are")
    return (*named, Problem(more.path, f"{rest} not named; the first {PROBLEMS_MAX} are."))


def _repeats(config: Config) -> Iterator[Problem]:
    nouns: list[tuple[str, Sequence[ConfigFeature | ConfigPackage | ConfigHeld]]] = [
        ("Feature", config.features),
        ("Package", config.all_packages),
        *((f"Package {package.id!r}: feature", package.features) for package in config.all_packages),
    ]
    for noun, items in nouns:
        counts = Counter(item.id for item in items)
        for item in {item.id: item for item in items if counts[item.id] > 1}.values():
            yield Problem(
                item.path, f"{noun} {item.id!r} appears {counted(counts[item.id], 'time')}; ids must be unique."
            )
    for package in config.all_packages:
        if len(set(package.base_package_ids)) < len(package.base_package_ids):
            yield Problem(package.path, f"Add-on {package.id!r} names a base package more than once.")


def _name_problems(catalog: Catalog, config: Config) -> Iterator[Problem]:
    """Yield new ids that are not allowed; existing features and packages may keep such an id."""
    for known, items in ((catalog.features, config.features), (catalog.packages, config.all_packages)):
        for item in items:
            try:
                _ = item.id in known or new_identifier(item.id, field="id")
            except InvalidValue as error:
                yield Problem(f"{item.path}.id", f"{error.message}.")


def _feature_problems(catalog: Catalog, config: Config) -> Iterator[Problem]:
    for wanted in config.features:
        known = catalog.features.get(wanted.id)
        if known is not None and known.type is not wanted.type:
            text = f"Feature {wanted.id!r} is {known.type} and cannot become {wanted.type}; a type cannot change."
            yield Problem(f"{wanted.path}.type", text)


def _package_problems(catalog: Catalog, config: Config, features: dict[str, Feature]) -> Iterator[Problem]:
    for wanted in config.all_packages:
        known = catalog.packages.get(wanted.id)
        if known is not None:
            yield from _move_problems(known, wanted)
        for held in wanted.features:
            yield from _held_problems(wanted, held, features.get(held.id))


def _move_problems(known: Package, wanted: ConfigPackage) -> Iterator[Problem]:
    """Yield the changes that the package's status does not allow."""
    subject = f"{noun_of(known).capitalize()} {known.id!r} is {known.status.lower()}"
    match known.status:
        case PackageStatus.DRAFT:
            pass  # It may become anything.
        case PackageStatus.PUBLISHED | PackageStatus.ARCHIVED:
            if wanted.status is PackageStatus.DRAFT:
                yield Problem(wanted.path, f"{subject} and cannot become a draft again.")
            if wanted.is_addon != known.is_addon:
                other = "under addons" if known.is_addon else "under packages"
                yield Problem(wanted.path, f"{subject} and cannot change its kind; it belongs {other}.")
        case _:
            assert_never(known.status)


def _held_problems(wanted: ConfigPackage, held: ConfigHeld, feature: Feature | None) -> Iterator[Problem]:
    subject = f"Package {wanted.id!r}: feature {held.id!r}"
    if feature is None:
        yield Problem(held.path, f"{subject} does not exist; all package features must link to a defined feature.")
    elif feature.is_counted:
        if not held.has_limit:
            yield Problem(held.path, f"{subject} is CONSUMABLE and must have a limit: a number, or null for unlimited.")
    elif held.allowance != UNLIMITED:
        *others, last = HELD_FIELDS[1:]
        yield Problem(held.path, f"{subject} is BINARY and cannot have {', '.join(others)} or {last}.")


def _rule_problems(new: Catalog, config: Config) -> Iterator[Problem]:
    """Check the catalogue's own rules on the result as a whole, so that the order of changes does not matter."""
    paths = {package.id: package.path for package in config.all_packages}
    for package in new.packages.values():
        try:
            new.with_package(package)
        except KanaError as error:
            yield Problem(paths.get(package.id, ""), f"{error.message}.")


def _kept(catalog: Catalog, config: Config, *, now: datetime) -> Iterator[Package]:
    """Yield the existing packages, without the drafts that the configuration leaves out."""
    wanted = {package.id for package in config.all_packages}
    for package in catalog.packages.values():
        is_left_out = package.id not in wanted and not (package.is_addon and config.addons is None)
        if not is_left_out:
            yield package
            continue
        match package.status:
            case PackageStatus.DRAFT:
                pass  # Nobody can have subscribed to it.
            case PackageStatus.PUBLISHED:
                yield replace(package, status=PackageStatus.ARCHIVED, updated_at=now)
            case PackageStatus.ARCHIVED:
                yield package
            case _:
                assert_never(package.status)


def _feature(wanted: ConfigFeature, known: Feature | None, *, now: datetime) -> Feature:
    if known is None:
        return Feature(id=wanted.id, name=wanted.name, type=wanted.type, metadata={}, created_at=now)
    return known if known.name == wanted.name else replace(known, name=wanted.name)


def _package(wanted: ConfigPackage, known: Package | None, *, now: datetime) -> Package:
    base = known or Package(id=wanted.id, name=wanted.name, metadata={}, created_at=now, updated_at=now)
    known_held = {held.feature_id: held for held in base.features}
    held = tuple(_held(each, known_held.get(each.id)) for each in wanted.features)
    package = replace(
        base,
        name=wanted.name,
        status=wanted.status,
        is_addon=wanted.is_addon,
        base_package_ids=_in_known_order(wanted.base_package_ids, base.base_package_ids),
        trial_days=wanted.trial_days,
        features=_in_known_order(held, base.features),
    )
    return package if package == base else replace(package, updated_at=now)


def _held(wanted: ConfigHeld, known: PackageFeature | None) -> PackageFeature:
    name = None if known is None else known.name
    return PackageFeature(feature_id=wanted.id, name=name, allowance=wanted.allowance)


def _in_known_order(wanted: tuple[_Item, ...], known: tuple[_Item, ...]) -> tuple[_Item, ...]:
    """Return what is wanted, in the known order if only the order differs, which is not a change."""
    return known if set(wanted) == set(known) and len(wanted) == len(known) else wanted
