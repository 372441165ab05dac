"""The differences between two catalogues, in sentences for those who decide whether to make the change."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from kana.model.allowance import Allowance, Combine, Cost, Rollover
from kana.model.catalog import Catalog, difference
from kana.model.package import Package, PackageFeature, PackageStatus
from kana.model.text import counted
from kana.model.value import value_object
from kana.model.word import Word


class Verb(Word):
    """What a change does to its feature or package."""

    CREATE = "create"
    UPDATE = "update"
    PUBLISH = "publish"
    ARCHIVE = "archive"
    UNARCHIVE = "unarchive"
    DELETE = "delete"


class Cap(NamedTuple):
    """A limit that is lower for subscribers: how many have already used more?"""

    feature_id: str
    allowance: Allowance


@value_object(kw_only=True)
class Change:
    """One difference. ``what`` completes the sentence that the noun and the id begin.

    ``reaches_subscribers`` if users may already have the package, and ``keeps`` if those keep what
    they have; ``takes`` if it leaves them with less, or counts their usage by other periods; ``cap``
    if that is a limit. tests/contract/test_review.py compares what a change says with what then
    happens: a new sentence needs a test there.
    """

    verb: Verb
    noun: str
    id: str
    what: str
    reaches_subscribers: bool = False
    keeps: bool = False
    takes: bool = False
    cap: Cap | None = None

    @property
    def subject(self) -> str:
        """The noun and the id, as the beginning of a sentence."""
        return f"{self.noun.capitalize()} {self.id!r}"


def describe(old: Catalog, new: Catalog) -> list[Change]:
    """Return every difference between two catalogues, features first; none if they are equal.

    Metadata, prices, unit labels and the order of a package's features are ignored.
    """
    changes = difference(old, new)
    found: list[Change] = []
    for feature in changes.features:
        before = old.features.get(feature.id)
        if before is None:
            found.append(_feature(Verb.CREATE, feature.id, f"is created as {feature.type}"))
        elif before.name != feature.name:
            found.append(_feature(Verb.UPDATE, feature.id, f"is renamed from {before.name!r} to {feature.name!r}"))
    for package in changes.packages:
        found += _package_changes(old.packages.get(package.id), package, new)
    for package_id in changes.deleted_package_ids:
        found.append(_package(Verb.DELETE, old.packages[package_id], "is deleted: it is a draft"))
    return found


def _package_changes(old: Package | None, new: Package, catalog: Catalog) -> Iterator[Change]:
    if old is None:
        yield _created(new, catalog)
        return
    reaches = old.status is not PackageStatus.DRAFT
    if old.name != new.name:
        yield _package(Verb.UPDATE, new, f"is renamed from {old.name!r} to {new.name!r}", reaches=reaches)
    if old.is_addon != new.is_addon:
        yield _package(Verb.UPDATE, new, f"was {noun_of(old)} and becomes {noun_of(new)}")
    if old.base_package_ids != new.base_package_ids:
        what = f"goes with {_bases(new)}; until now with {_bases(old)}"
        yield _package(Verb.UPDATE, new, what, reaches=reaches, keeps=reaches)
    if old.trial_days != new.trial_days:
        what = f"gives new subscriptions {_trial(new)}; until now {_trial(old)}"
        yield _package(Verb.UPDATE, new, what, reaches=reaches, keeps=reaches)
    yield from _held_changes(old, new, catalog, reaches=reaches)
    if old.status is not new.status:
        yield _moved(old, new)


def _created(package: Package, catalog: Catalog) -> Change:
    held = ", ".join(_held(feature, catalog) for feature in package.features) or "no features"
    as_what = "and published" if package.status is PackageStatus.PUBLISHED else "as a draft"
    goes_with = f", goes with {_bases(package)}" if package.is_addon else ""
    trial = f", with {_trial(package)}" if package.trial_days is not None else ""
    return _package(Verb.CREATE, package, f"is created {as_what}: {held}{trial}{goes_with}")


def _moved(old: Package, new: Package) -> Change:
    if new.status is not PackageStatus.PUBLISHED:
        what = "is archived: nobody new can subscribe to it"
        return _package(Verb.ARCHIVE, new, what, reaches=True, keeps=True, takes=True)
    if old.status is PackageStatus.ARCHIVED:
        what = "is published again: users can subscribe to it"
        return _package(Verb.UNARCHIVE, new, what, reaches=True, keeps=True)
    return _package(Verb.PUBLISH, new, "is published: users can subscribe to it")


def _held_changes(old: Package, new: Package, catalog: Catalog, *, reaches: bool) -> Iterator[Change]:
    held_before = {held.feature_id: held for held in old.features}
    held_after = {held.feature_id for held in new.features}
    for held in old.features:
        if held.feature_id not in held_after:
            yield _package(Verb.UPDATE, new, f"loses {held.feature_id!r}", reaches=reaches, takes=reaches)
    for held in new.features:
        before = held_before.get(held.feature_id)
        if before is None:
            yield _package(Verb.UPDATE, new, f"gains {_held(held, catalog)}", reaches=reaches)
        elif before.allowance != held.allowance:
            yield _allowance_change(new, before, held, reaches=reaches)


def _allowance_change(package: Package, old: PackageFeature, new: PackageFeature, *, reaches: bool) -> Change:
    what = f"changes {new.feature_id!r} from {in_words(old.allowance)} to {in_words(new.allowance)}"
    if reaches and old.allowance.reset_period is not new.allowance.reset_period:
        what += f", where usage starts at zero or, if it was counted {_before(new.allowance)}, continues from there"
    takes = reaches and _is_less(old.allowance, new.allowance)
    cap = Cap(new.feature_id, new.allowance) if takes and new.allowance.limit is not None else None
    return _package(Verb.UPDATE, package, what, reaches=reaches, takes=takes, cap=cap)


def _is_less(old: Allowance, new: Allowance) -> bool:
    """Whether a subscriber may notice: a lower limit, less beyond it, one no longer added, or other periods."""
    if old.reset_period is not new.reset_period:
        return True
    if new.limit is None:
        return False
    if old.limit is None or new.limit < old.limit or _stops_earlier(old, new):
        return True
    if _costs_more(old.cost, new.cost):
        return True
    return (old.combine is Combine.ADD and new.combine is Combine.HIGHEST) or _carries_less(old.rollover, new.rollover)


def _costs_more(old: Cost | None, new: Cost | None) -> bool:
    return new is not None and (old is None or new.feature_id != old.feature_id or new.units > old.units)


def _stops_earlier(old: Allowance, new: Allowance) -> bool:
    """Whether less may be used in a period, for want of overage or grace."""
    return new.most is not None and (old.most is None or new.most < old.most)


def _carries_less(old: Rollover | None, new: Rollover | None) -> bool:
    if old is None:
        return False
    return new is None or new.limit < old.limit or new.periods < old.periods


def _before(allowance: Allowance) -> str:
    """Return by which reset period usage may have been counted earlier; those totals are still there."""
    if allowance.reset_period is None:
        return "without a reset before"
    return f"per {allowance.reset_period.lower()} before in the current period"


def in_words(allowance: Allowance) -> str:
    """Return an allowance in words: ``50 per month``, ``unlimited``, ``0 in all with a grace of 10 %``."""
    amount = "unlimited" if allowance.limit is None else str(allowance.limit)
    if allowance.reset_period is not None:
        amount += f" per {allowance.reset_period.lower()}"
    elif allowance.limit is not None:
        amount += " in all"
    extras = " and ".join(_extras(allowance))
    amount += f" with {extras}" if extras else ""
    amount += " on top of other packages" if allowance.combine is Combine.ADD else ""
    cost = allowance.cost
    return amount if cost is None else f"{amount}, each for {cost.units} of {cost.feature_id!r}"


def _extras(allowance: Allowance) -> Iterator[str]:
    """Yield in words what there is beside the limit."""
    if allowance.overage_enabled:
        yield "overage"
    if allowance.grace_percent:
        yield f"a grace of {allowance.grace_percent} %"
    rollover, reset = allowance.rollover, allowance.reset_period
    if rollover is not None and reset is not None:
        periods = f"1 {reset.lower()}" if rollover.periods == 1 else f"{rollover.periods} {reset.lower()}s"
        yield f"up to {rollover.limit} carried over for {periods}"


def _held(held: PackageFeature, catalog: Catalog) -> str:
    if not catalog.feature(held.feature_id).is_counted:
        return repr(held.feature_id)
    return f"{held.feature_id!r} {in_words(held.allowance)}"


def _bases(package: Package) -> str:
    return ", ".join(map(repr, package.base_package_ids)) or "any base package"


def _trial(package: Package) -> str:
    return "no trial" if package.trial_days is None else f"a trial of {counted(package.trial_days, 'day')}"


def noun_of(package: Package) -> str:
    """Return what a package is called in sentences."""
    return "add-on" if package.is_addon else "package"


def _feature(verb: Verb, feature_id: str, what: str) -> Change:
    return Change(verb=verb, noun="feature", id=feature_id, what=what)


def _package(
    verb: Verb,
    package: Package,
    what: str,
    *,
    reaches: bool = False,
    keeps: bool = False,
    takes: bool = False,
    cap: Cap | None = None,
) -> Change:
    return Change(
        verb=verb,
        noun=noun_of(package),
        id=package.id,
        what=what,
        reaches_subscribers=reaches,
        keeps=keeps,
        takes=takes,
        cap=cap,
    )
