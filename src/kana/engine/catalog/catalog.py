"""Features and packages: create, change, publish, archive, duplicate, delete."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, TypedDict, assert_never

from kana.engine.ports.catalog import CatalogStore
from kana.engine.ports.clock import Clock
from kana.errors import Conflict
from kana.model.catalog import Catalog
from kana.model.environment import Actor, Environment
from kana.model.feature import Feature, FeatureType
from kana.model.package import Package, PackageFeature, PackagePrice, PackageStatus


class FeatureChanges(TypedDict, total=False):
    """The fields of a feature that may change. A field that is left out stays; ``name=None`` resets to the id."""

    name: str | None
    unit_label: str | None
    unit_label_plural: str | None
    metadata: object


class PackageChanges(TypedDict, total=False):
    """The fields of a package that may change. A field that is left out stays; ``name=None`` resets to the id."""

    name: str | None
    is_addon: bool
    base_package_ids: tuple[str, ...]
    trial_days: int | None
    features: tuple[PackageFeature, ...]
    prices: tuple[PackagePrice, ...]
    metadata: object


class CatalogEngine:
    """Changes one environment's features and packages, and says who did it."""

    def __init__(self, store: CatalogStore, *, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def read(self, environment: Environment) -> Catalog:
        """Return all features and packages as last committed."""
        return await self._store.catalog(environment)

    async def settle(self, environment: Environment) -> None:
        """Finish large changes of processes that have ended; the only visible difference is the space they free."""
        await self._store.settle(environment, now=self._clock())

    async def count_subscribers(self, environment: Environment) -> Mapping[str, int]:
        """Return how many subscriptions that have not ended each package has, if any."""
        return await self._store.count_subscribers(environment, now=self._clock())

    async def apply(
        self, environment: Environment, change: Callable[[Catalog, datetime], Catalog], *, by: Actor
    ) -> Catalog:
        """Apply a pure change to the newest catalogue, all or nothing, and return what is committed."""
        now = self._clock()
        return await self._store.change_catalog(environment, lambda catalog: change(catalog, now), by=by, now=now)

    async def create_feature(
        self,
        environment: Environment,
        *,
        id: str,  # noqa: A002 - Kana's word
        type: FeatureType,  # noqa: A002 - Kana's word
        name: str | None = None,
        unit_label: str | None = None,
        unit_label_plural: str | None = None,
        metadata: object = None,
        by: Actor,
    ) -> Feature:
        """Create a feature; its name is its id by default.

        Raises:
            Conflict: the id is taken.
            InvalidValue: a field is not allowed.

        Source: docs.usekana.com/reference, mutations "createFeature".
        """
        feature = Feature(
            id=id,
            name=id if name is None else name,
            type=type,
            unit_label=unit_label,
            unit_label_plural=unit_label_plural,
            metadata={} if metadata is None else metadata,
            created_at=self._clock(),
        )
        catalog = await self.apply(environment, lambda catalog, _: catalog.with_new_feature(feature), by=by)
        return catalog.feature(id)

    async def update_feature(
        self, environment: Environment, feature_id: str, changes: FeatureChanges, *, by: Actor
    ) -> Feature:
        """Change a feature's name, unit labels or metadata; its id and type never change.

        Raises:
            FeatureNotFound: no feature has this id.
            InvalidValue: a field is not allowed.

        Source: docs.usekana.com/reference, mutations "updateFeature".
        """

        def change(catalog: Catalog, _: datetime) -> Catalog:
            feature = catalog.feature(feature_id)
            return catalog.with_feature(replace(feature, **_with_default_name(changes, feature.id)))

        return (await self.apply(environment, change, by=by)).feature(feature_id)

    async def create_package(
        self,
        environment: Environment,
        *,
        id: str,  # noqa: A002 - Kana's word
        name: str | None = None,
        is_addon: bool = False,
        features: Sequence[PackageFeature] = (),
        base_package_ids: Sequence[str] = (),
        trial_days: int | None = None,
        prices: Sequence[PackagePrice] = (),
        metadata: object = None,
        by: Actor,
    ) -> Package:
        """Create a package as a DRAFT; its name is its id by default.

        Raises:
            Conflict: the id is taken.
            FeatureNotFound, PackageNotFound: it names one that does not exist.
            InvalidValue: a field is not allowed.

        Source: docs.usekana.com/reference, mutations "createPackage".
        """
        now = self._clock()
        package = Package(
            id=id,
            name=id if name is None else name,
            is_addon=is_addon,
            features=tuple(features),
            base_package_ids=tuple(base_package_ids),
            trial_days=trial_days,
            prices=tuple(prices),
            metadata={} if metadata is None else metadata,
            created_at=now,
            updated_at=now,
        )
        catalog = await self.apply(environment, lambda catalog, _: catalog.with_new_package(package), by=by)
        return catalog.package(id)

    async def update_package(
        self,
        environment: Environment,
        package_id: str,
        changes: PackageChanges,
        *,
        seen: str | None = None,
        confirm_impact: bool = False,
        by: Actor,
    ) -> Package:
        """Change anything in a draft, and the metadata of any package.

        Anything else in a PUBLISHED package needs ``confirm_impact`` and changes at once for all its subscribers.
        ``seen`` is the fingerprint of the package as the caller saw it: if it has changed since, nothing is saved.

        Raises:
            PackageNotFound: no package has this id.
            Conflict: the package's status does not allow the change, or the package has changed since it was seen.
            InvalidValue: a field is not allowed.

        Source: docs.usekana.com/reference, mutations "updatePackage"; drafts and confirmation are ours.
        """

        def change(catalog: Catalog, now: datetime) -> Catalog:
            package = catalog.package(package_id)
            if seen is not None:
                check_seen(package, seen)
            check_changeable(package, changes, confirm_impact=confirm_impact)
            changed = changed_package(package, changes)
            return catalog if changed == package else catalog.with_package(replace(changed, updated_at=now))

        return (await self.apply(environment, change, by=by)).package(package_id)

    async def publish_package(self, environment: Environment, package_id: str, *, by: Actor) -> Package:
        """Publish a draft, so that users can subscribe. Publishing again changes nothing.

        Raises:
            PackageNotFound: no package has this id.
            Conflict: it is archived.
        """
        return await self._move(environment, package_id, Catalog.published, by=by)

    async def archive_package(self, environment: Environment, package_id: str, *, by: Actor) -> Package:
        """Archive a published package: subscribers keep it, nobody new can subscribe. Archiving again changes nothing.

        Raises:
            PackageNotFound: no package has this id.
            Conflict: it is a draft.
        """
        return await self._move(environment, package_id, Catalog.archived, by=by)

    async def unarchive_package(self, environment: Environment, package_id: str, *, by: Actor) -> Package:
        """Publish an archived package again, as it was, so that users can subscribe. Repeating it changes nothing.

        Whoever kept it notices nothing.

        Raises:
            PackageNotFound: no package has this id.
            Conflict: it is a draft.
        """
        return await self._move(environment, package_id, Catalog.unarchived, by=by)

    async def _move(
        self, environment: Environment, package_id: str, move: Callable[..., Catalog], *, by: Actor
    ) -> Package:
        catalog = await self.apply(environment, lambda catalog, now: move(catalog, package_id, now=now), by=by)
        return catalog.package(package_id)

    async def duplicate_package(
        self, environment: Environment, package_id: str, *, new_id: str, name: str | None = None, by: Actor
    ) -> Package:
        """Create a draft that is a copy of a package with a new id.

        Raises:
            PackageNotFound: no package has this id.
            Conflict: the new id is taken.
        """

        def change(catalog: Catalog, now: datetime) -> Catalog:
            package = catalog.package(package_id)
            copy = replace(
                package,
                id=new_id,
                name=package.name if name is None else name,
                status=PackageStatus.DRAFT,
                created_at=now,
                updated_at=now,
            )
            return catalog.with_new_package(copy)

        return (await self.apply(environment, change, by=by)).package(new_id)

    async def delete_package(self, environment: Environment, package_id: str, *, by: Actor) -> None:
        """Delete a draft, which nobody can have subscribed to.

        Raises:
            PackageNotFound: no package has this id.
            Conflict: it is not a draft, or an add-on names it.
        """
        await self.apply(environment, lambda catalog, _: catalog.without_package(package_id), by=by)


def changed_package(package: Package, changes: PackageChanges) -> Package:
    """Return a package with these changes, without checking its status."""
    return replace(package, **_with_default_name(changes, package.id))


def check_seen(package: Package, fingerprint: str) -> None:
    """Refuse a change that was made from an older state of a package.

    Raises:
        Conflict: the package has changed since it had this fingerprint.
    """
    if package.fingerprint != fingerprint:
        raise Conflict(
            "Nothing was saved: somebody changed this package in the meantime. Open it again to see the changes."
        )


def check_changeable(package: Package, changes: PackageChanges, *, confirm_impact: bool) -> None:
    """Refuse changes that the package's status does not allow.

    Raises:
        Conflict: the package is not a draft, more than its metadata changes, and there is no confirmation.
    """
    if not changes.keys() - {"metadata", "prices"}:
        return
    match package.status:
        case PackageStatus.DRAFT:
            pass
        case PackageStatus.ARCHIVED:
            raise Conflict(f"Package {package.id!r} is ARCHIVED; only its metadata can change")
        case PackageStatus.PUBLISHED:
            _check_published(package, changes, confirm_impact=confirm_impact)
        case _:
            assert_never(package.status)


def _check_published(package: Package, changes: PackageChanges, *, confirm_impact: bool) -> None:
    if not confirm_impact:
        raise Conflict(
            f"Package {package.id!r} is PUBLISHED; only its metadata can change here."
            " Duplicate it, or confirm the impact on its subscribers in the dashboard or the command line"
        )
    if changes.get("is_addon", package.is_addon) != package.is_addon:
        raise Conflict(f"Package {package.id!r} is PUBLISHED; it cannot turn from base package to add-on or back")


def _with_default_name(changes: Mapping[str, Any], default: str) -> dict[str, Any]:
    if "name" in changes and changes["name"] is None:
        return {**changes, "name": default}
    return dict(changes)
