"""The form of a package, with a row for each feature so that it works without scripts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from kana.dashboard.forms import Errors, read_metadata, read_number, read_units, written_metadata
from kana.dashboard.page_request import PageRequest
from kana.engine.catalog.catalog import PackageChanges
from kana.errors import InvalidValue
from kana.model.allowance import (
    GRACE_PERCENT_MAX,
    ROLLOVER_PERIODS_MAX,
    UNLIMITED,
    Allowance,
    Combine,
    Cost,
    Rollover,
)
from kana.model.catalog import Catalog
from kana.model.feature import Feature, FeatureType
from kana.model.package import TRIAL_DAYS_MAX, Package, PackageFeature
from kana.model.period import ResetPeriod
from kana.model.text import UNITS_MAX

_TYPED = ("name", "limit", "overage", "adds", "reset", "carried", "periods", "grace", "cost", "credit")


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldRow:
    """A feature of the environment, and the values typed for it in the package.

    ``carried`` is how many units are carried over at most, for so many ``periods``; ``grace`` is in percent.
    Each unit costs so much (``cost``) of another feature (``credit``).
    """

    feature: Feature
    is_held: bool = False
    name: str = ""
    limit: str = ""
    overage: bool = False
    adds: bool = False
    reset: str = ""
    carried: str = ""
    periods: str = ""
    grace: str = ""
    cost: str = ""
    credit: str = ""

    @property
    def is_counted(self) -> bool:
        """Whether the feature can have a limit."""
        return self.feature.type is FeatureType.CONSUMABLE


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageForm:
    """The values in the form. ``trial`` is in days."""

    id: str = ""
    name: str = ""
    is_addon: bool = False
    bases: tuple[str, ...] = ()
    trial: str = ""
    metadata: str = ""
    rows: Sequence[HeldRow] = ()


def filled(package: Package, catalog: Catalog) -> PackageForm:
    """Return the form of an existing package."""
    return PackageForm(
        id=package.id,
        name=package.name,
        is_addon=package.is_addon,
        bases=package.base_package_ids,
        trial=str(package.trial_days or ""),
        metadata=written_metadata(package.metadata),
        rows=[_filled_row(feature, package.feature(feature.id)) for feature in catalog.features.values()],
    )


def empty(catalog: Catalog) -> PackageForm:
    """Return the form of a new package."""
    return PackageForm(rows=[_filled_row(feature, None) for feature in catalog.features.values()])


def typed(request: PageRequest, catalog: Catalog) -> PackageForm:
    """Return the form as it was sent."""
    held = set(request.all("held"))
    return PackageForm(
        id=request.text("id"),
        name=request.text("name"),
        is_addon=request.ticked("is_addon"),
        bases=tuple(request.all("base")),
        trial=request.text("trial_days"),
        metadata=request.text("metadata"),
        rows=[_typed_row(request, feature, is_held=feature.id in held) for feature in catalog.features.values()],
    )


def changes_of(form: PackageForm, known: Package | None, errors: Errors) -> PackageChanges:
    """Return the changes that a form asks for, and add its errors. Features keep their order."""
    for row in form.rows:
        if not row.is_held and _says_more(
            row, _filled_row(row.feature, known.feature(row.feature.id) if known else None)
        ):
            errors.add(f"held:{row.feature.id}", "tick it to keep what is typed beside it, or clear it")
    features = {row.feature.id: _held(row, errors) for row in form.rows if row.is_held}
    order = [held.feature_id for held in known.features] if known is not None else []
    ordered = [features.pop(feature_id) for feature_id in order if feature_id in features]
    bases = form.bases if form.is_addon else ()
    if known is not None and set(bases) == set(known.base_package_ids):
        bases = known.base_package_ids
    return {
        "name": form.name or None,
        "is_addon": form.is_addon,
        "base_package_ids": bases,
        "trial_days": read_number(form.trial, name="trial_days", least=1, most=TRIAL_DAYS_MAX, errors=errors),
        "features": (*ordered, *features.values()),
        "metadata": read_metadata(form.metadata, errors=errors),
    }


def _says_more(row: HeldRow, shown: HeldRow) -> bool:
    """Whether something was typed, ticked or chosen in a row that was not there when the form was opened."""
    return any(getattr(row, each) and getattr(row, each) != getattr(shown, each) for each in _TYPED)


def _held(row: HeldRow, errors: Errors) -> PackageFeature:
    allowance = _allowance(row, errors) if row.is_counted else UNLIMITED
    return PackageFeature(feature_id=row.feature.id, name=row.name or None, allowance=allowance)


def _allowance(row: HeldRow, errors: Errors) -> Allowance:
    """Return what is typed; of what is wrong only the error is of use."""
    names = {"gracePercent": f"grace:{row.feature.id}", "rollover": f"carried:{row.feature.id}"}
    cost = _cost(row, errors)
    limit = read_units(row.limit, name=f"limit:{row.feature.id}", errors=errors)
    rollover, grace = _rollover(row, errors), _number(row, "grace", row.grace, errors, most=GRACE_PERCENT_MAX)
    try:
        return Allowance(
            limit=limit,
            overage_enabled=row.overage,
            reset_period=ResetPeriod(row.reset) if row.reset in list(ResetPeriod) else None,
            combine=Combine.ADD if row.adds else Combine.HIGHEST,
            rollover=rollover,
            grace_percent=grace or 0,
            cost=cost,
        )
    except InvalidValue as error:
        errors.take(error, fields=names)
        return UNLIMITED


def _rollover(row: HeldRow, errors: Errors) -> Rollover | None:
    """Return what is carried over: for one period, if only the units are typed."""
    limit = _number(row, "carried", row.carried, errors, most=UNITS_MAX)
    periods = _number(row, "periods", row.periods, errors, least=1, most=ROLLOVER_PERIODS_MAX)
    if limit is None:
        if periods is not None:
            errors.add(f"carried:{row.feature.id}", "say how many units are carried over at most")
        return None
    return Rollover(limit=limit, periods=periods or 1)


def _cost(row: HeldRow, errors: Errors) -> Cost | None:
    """Return what each unit costs: both must be typed, or neither."""
    units = _number(row, "cost", row.cost, errors, least=1, most=UNITS_MAX)
    if units is None or not row.credit:
        if row.cost or row.credit:
            errors.add(f"cost:{row.feature.id}", "say both how many units each costs, and of which feature")
        return None
    return Cost(feature_id=row.credit, units=units)


def _number(row: HeldRow, name: str, text: str, errors: Errors, *, least: int = 0, most: int) -> int | None:
    return read_number(text, name=f"{name}:{row.feature.id}", least=least, most=most, errors=errors)


def _filled_row(feature: Feature, held: PackageFeature | None) -> HeldRow:
    if held is None:
        return HeldRow(feature=feature, reset=ResetPeriod.MONTH)
    allowance, rollover, cost = held.allowance, held.allowance.rollover, held.allowance.cost
    return HeldRow(
        feature=feature,
        is_held=True,
        name=held.name or "",
        limit="" if allowance.limit is None else str(allowance.limit),
        overage=allowance.overage_enabled,
        adds=allowance.combine is Combine.ADD,
        reset=allowance.reset_period or "",
        carried="" if rollover is None else str(rollover.limit),
        periods="" if rollover is None else str(rollover.periods),
        grace=str(allowance.grace_percent or ""),
        cost="" if cost is None else str(cost.units),
        credit="" if cost is None else cost.feature_id,
    )


def _typed_row(request: PageRequest, feature: Feature, *, is_held: bool) -> HeldRow:
    return HeldRow(
        feature=feature,
        is_held=is_held,
        name=request.text(f"name:{feature.id}"),
        limit=request.text(f"limit:{feature.id}"),
        overage=request.ticked(f"overage:{feature.id}"),
        adds=request.ticked(f"adds:{feature.id}"),
        reset=request.text(f"reset:{feature.id}"),
        carried=request.text(f"carried:{feature.id}"),
        periods=request.text(f"periods:{feature.id}"),
        grace=request.text(f"grace:{feature.id}"),
        cost=request.text(f"cost:{feature.id}"),
        credit=request.text(f"credit:{feature.id}"),
    )
