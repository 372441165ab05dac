"""The catalogue of one environment: its features and packages, and the rules for changing them.

A catalogue is a value. A change is a function from one catalogue to the next. A store applies it
in one transaction and writes what differs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import field, replace
from datetime import datetime
from typing import TypeVar

from kana.errors import Conflict, FeatureNotFound, InvalidValue, PackageNotFound
from kana.model.allowance import UNLIMITED, Cost
from kana.model.environment import Environment
from kana.model.feature import Feature
from kana.model.package import Package, PackageFeature, PackageStatus
from kana.model.text import new_identifier, shown
from kana.model.value import value_object

_Noun = TypeVar("_Noun", Feature, Package)


@value_object(kw_only=True)
class Catalog:
    """Every feature and package of one environment at one ``version``, in order of creation."""

    environment: Environment
    version: int = 0
    features: Mapping[str, Feature] = field(default_factory=dict)
    packages: Mapping[str, Package] = field(default_factory=dict)
    _held: dict[str, Mapping[str, PackageFeature]] = field(init=False, repr=False, compare=False, default_factory=dict)
    """Filled on demand, so that a change of one package does not read the others."""

    def feature(self, feature_id: str) -> Feature:
        """Return the feature.

        Raises:
            FeatureNotFound: no feature has this id.
        """
        try:
            return self.features[feature_id]
        except KeyError:
            raise FeatureNotFound(f"Feature not found: {shown(feature_id)}") from None

    def package(self, package_id: str) -> Package:
        """Return the package, whatever its status.

        Raises:
            PackageNotFound: no package has this id.
        """
        try:
            return self.packages[package_id]
        except KeyError:
            raise PackageNotFound(f"Package not found: {shown(package_id)}") from None

    def held(self, package_id: str, feature_id: str) -> PackageFeature | None:
        """Return a feature in a package, or None if the package does not have it.

        Raises:
            PackageNotFound: no package has this id.
        """
        held = self._held.get(package_id)
        if held is None:
            held = self._held[package_id] = {each.feature_id: each for each in self.package(package_id).features}
        return held.get(feature_id)

    def packages_with(self, feature_id: str) -> list[Package]:
        """Return the packages that have the feature, in order of creation."""
        return [package for package in self.packages.values() if self.held(package.id, feature_id) is not None]

    @property
    def credit_ids(self) -> set[str]:
        """The features that others cost, in a package of any status."""
        held = (each for package in self.packages.values() for each in package.features)
        return {each.allowance.cost.feature_id for each in held if each.allowance.cost is not None}

    def with_new_feature(self, feature: Feature) -> Catalog:
        """Return the catalogue with one more feature.

        Raises:
            Conflict: the id is taken.
            InvalidValue: a new id may not be like this.
        """
        new_identifier(feature.id, field="id")
        if feature.id in self.features:
            raise Conflict(f"Feature {feature.id!r} already exists; a feature's id is unique")
        return self.with_feature(feature)

    def with_feature(self, feature: Feature) -> Catalog:
        """Return the catalogue with this feature in place of the one with its id."""
        return replace(self, features={**self.features, feature.id: feature})

    def with_new_package(self, package: Package) -> Catalog:
        """Return the catalogue with one more package.

        Raises:
            Conflict: the id is taken.
            InvalidValue: a new id may not be like this, or the package limits a BINARY feature.
        """
        new_identifier(package.id, field="id")
        if package.id in self.packages:
            raise Conflict(f"Package {package.id!r} already exists; a package's id is unique")
        return self.with_package(package)

    def with_package(self, package: Package) -> Catalog:
        """Return the catalogue with this package in place of the one with its id.

        Raises:
            FeatureNotFound: the package names a feature that does not exist.
            InvalidValue: it limits a BINARY feature, or names an add-on as a base package.
        """
        self._check_features(package)
        self._check_base_packages(package)
        return replace(self, packages={**self.packages, package.id: package})

    def without_package(self, package_id: str) -> Catalog:
        """Return the catalogue without a draft, which nobody can have subscribed to.

        Raises:
            PackageNotFound: no package has this id.
            Conflict: it is not a draft, or an add-on names it as a base package.
        """
        package = self.package(package_id)
        if package.status is not PackageStatus.DRAFT:
            raise Conflict(f"Package {package_id!r} is {package.status}; only a DRAFT can be deleted")
        holders = [other.id for other in self.packages.values() if package_id in other.base_package_ids]
        if holders:
            raise Conflict(f"Package {package_id!r} is a base package of add-on {holders[0]!r}; change that one first")
        return replace(self, packages={key: value for key, value in self.packages.items() if key != package_id})

    def published(self, package_id: str, *, now: datetime) -> Catalog:
        """Return the catalogue with a draft published. Published packages stay as they are.

        Raises:
            PackageNotFound: no package has this id.
            Conflict: the package is archived.
        """
        package = self.package(package_id)
        if package.status is PackageStatus.ARCHIVED:
            raise Conflict(f"Package {package_id!r} is ARCHIVED; only a DRAFT can be published. Unarchive it instead")
        return self._with_status(package, PackageStatus.PUBLISHED, now=now)

    def archived(self, package_id: str, *, now: datetime) -> Catalog:
        """Return the catalogue with a package retired: subscribers keep it, nobody new can subscribe.

        Raises:
            PackageNotFound: no package has this id.
            Conflict: the package is a draft.
        """
        package = self.package(package_id)
        if package.status is PackageStatus.DRAFT:
            raise Conflict(f"Package {package_id!r} is a DRAFT; delete it instead of archiving it")
        return self._with_status(package, PackageStatus.ARCHIVED, now=now)

    def unarchived(self, package_id: str, *, now: datetime) -> Catalog:
        """Return the catalogue with a retired package published again. Published packages stay as they are.

        Raises:
            PackageNotFound: no package has this id.
            Conflict: the package is a draft.
        """
        package = self.package(package_id)
        if package.status is PackageStatus.DRAFT:
            raise Conflict(f"Package {package_id!r} is a DRAFT; publish it, as only an ARCHIVED one is unarchived")
        return self._with_status(package, PackageStatus.PUBLISHED, now=now)

    def _with_status(self, package: Package, status: PackageStatus, *, now: datetime) -> Catalog:
        if package.status is status:
            return self
        return self.with_package(replace(package, status=status, updated_at=now))

    def _check_features(self, package: Package) -> None:
        for held in package.features:
            feature = self.features.get(held.feature_id)
            if feature is None:
                raise FeatureNotFound(f"Package {package.id!r} names feature {held.feature_id!r}, which does not exist")
            if not feature.is_counted and held.allowance != UNLIMITED:
                raise InvalidValue(
                    f"entitlement is for CONSUMABLE features only, and {feature.id!r} is BINARY",
                    field="entitlement",
                )
            if held.allowance.cost is not None:
                self._check_cost(package, held.feature_id, held.allowance.cost)

    def _check_cost(self, package: Package, feature_id: str, cost: Cost) -> None:
        credit = self.features.get(cost.feature_id)
        if credit is None:
            raise FeatureNotFound(f"Package {package.id!r} names feature {cost.feature_id!r}, which does not exist")
        paying = package.feature(cost.feature_id)
        if not credit.is_counted or credit.id == feature_id or (paying is not None and paying.allowance.cost):
            raise InvalidValue(
                f"cost.featureId of {feature_id!r} must name another CONSUMABLE feature that costs nothing itself,"
                f" got {cost.feature_id!r}",
                field="cost.featureId",
            )

    def _check_base_packages(self, package: Package) -> None:
        for base_id in package.base_package_ids:
            base = self.packages.get(base_id)
            if base is None:
                raise PackageNotFound(f"Add-on {package.id!r} names base package {base_id!r}, which does not exist")
            if base.is_addon or base_id == package.id:
                raise InvalidValue(
                    f"basePackageIds must name base packages, and {base_id!r} is an add-on",
                    field="basePackageIds",
                )
        if package.is_addon:
            for other in self.packages.values():
                if package.id in other.base_package_ids:
                    raise InvalidValue(f"{package.id!r} is a base package of {other.id!r} and cannot become an add-on")


@value_object()
class CatalogChange:
    """The differences between two catalogues: everything that a store has to write."""

    features: tuple[Feature, ...]
    packages: tuple[Package, ...]
    deleted_package_ids: tuple[str, ...]

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to write."""
        return not (self.features or self.packages or self.deleted_package_ids)


def difference(old: Catalog, new: Catalog) -> CatalogChange:
    """Return what must be written to go from the old catalogue to the new one."""
    return CatalogChange(
        features=tuple(_changed(old.features, new.features)),
        packages=tuple(_changed(old.packages, new.packages)),
        deleted_package_ids=tuple(key for key in old.packages if key not in new.packages),
    )


def _changed(old: Mapping[str, _Noun], new: Mapping[str, _Noun]) -> Iterable[_Noun]:
    return (value for key, value in new.items() if old.get(key) != value)
