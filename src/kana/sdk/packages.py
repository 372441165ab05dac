from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from kana.sdk.allowance import Combine, Cost, ResetPeriod, Rollover
from kana.sdk.conversation import Steps
from kana.sdk.operation import D, Group, operation
from kana.sdk.pages import by_id, every_page
from kana.sdk.results import Package, PackageStatus
from kana.sdk.wire import UNSET, Field, Units, Unset, given, mutation, query, whole

_FEATURES: Final = frozenset({"features"})

CREATE: Final = mutation("createPackage(input: CreatePackageInput!)", Package)
UPDATE: Final = mutation("updatePackage(id: String!, input: UpdatePackageInput!)", Package)
RETRIEVE: Final = query("package(id: String!)", Package)
RETRIEVE_FEATURES: Final = query("package(id: String!)", Package, also=_FEATURES)
LIST: Final = query("packages(status: String, first: Int, after: String)", list[Package])
LIST_FEATURES: Final = query("packages(status: String, first: Int, after: String)", list[Package], also=_FEATURES)
PUBLISH: Final = mutation("publishPackage(id: String!)", Package)
ARCHIVE: Final = mutation("archivePackage(id: String!)", Package)
UNARCHIVE: Final = mutation("unarchivePackage(id: String!)", Package)
DUPLICATE: Final = mutation("duplicatePackage(id: String!, newId: String!, name: String)", Package)
DELETE: Final = mutation("deletePackage(id: String!)", Package)


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """A feature for a package, with its limit.

    ``limit`` is in units per reset period; None is unlimited. ``overage_enabled`` lets users exceed it.
    Without ``reset_period`` usage never goes back to zero, so the limit is for all time.
    ``combine="ADD"`` adds the limit to those of other packages; otherwise the highest limit applies.
    ``rollover`` carries over what a period leaves. ``grace_percent``, 0 to 100, is by how much of it the limit
    may be passed. ``cost`` is what each unit costs of a credit. BINARY features have none of these.
    """

    id: str
    limit: Units | None = None
    reset_period: ResetPeriod | str | None = None
    overage_enabled: bool = False
    name: str | None = None
    combine: Combine | str = Combine.HIGHEST
    rollover: Rollover | None = None
    grace_percent: Units = 0
    cost: Cost | None = None

    def for_wire(self) -> dict[str, Any]:
        """Return the API's input for it."""
        grant: dict[str, Any] = {"id": self.id}
        if self.name is not None:
            grant["name"] = self.name
        entitlement = self._entitlement()
        if entitlement:
            grant["entitlement"] = entitlement
        return grant

    def _entitlement(self) -> dict[str, Any]:
        """Return what differs from an unlimited feature. What is not set is left out: older servers know less."""
        parts: dict[str, Any] = {}
        if self.reset_period is not None:
            parts["resetPeriod"] = self.reset_period
        if self.overage_enabled:
            parts["overageEnabled"] = True
        if self.limit is not None:
            parts["limit"] = whole(self.limit, "limit")
        if self.combine != Combine.HIGHEST:
            parts["combine"] = self.combine
        if self.rollover is not None:
            parts["rollover"] = _rollover(self.rollover)
        if self.grace_percent:
            parts["gracePercent"] = whole(self.grace_percent, "grace_percent")
        if self.cost is not None:
            parts["cost"] = {"featureId": self.cost.feature_id, "units": whole(self.cost.units, "cost.units")}
        return parts


def _rollover(rollover: Rollover) -> dict[str, int]:
    limit, periods = whole(rollover.limit, "rollover.limit"), whole(rollover.periods, "rollover.periods")
    return {"limit": limit, "periods": periods}


class Packages(Group[D]):
    """Packages: what users subscribe to."""

    @operation
    def create(
        self,
        *,
        id: str,
        features: Sequence[Grant],
        name: str | None = None,
        is_addon: bool = False,
        base_package_ids: Sequence[str] = (),
        trial_days: int | None = None,
        metadata: Any = None,
    ) -> Steps[Package]:
        """Create a DRAFT package. ``base_package_ids`` are the packages that an add-on goes with; empty is any.

        ``trial_days``, 1 to 365, is for how many days of 24 hours a new subscription is a trial, once for each user.

        Raises:
            Conflict: the id is taken.
            FeatureNotFound: there is no such feature as one of the grants names.
            OutcomeUnknown: the answer was lost; check before you create it again.
        """
        fields: dict[str, Any] = {
            "id": id,
            "isAddon": is_addon,
            "features": [grant.for_wire() for grant in features],
            "basePackageIds": list(base_package_ids),
        }
        if trial_days is not None:
            fields["trialDays"] = trial_days
        if name is not None:
            fields["name"] = name
        if metadata is not None:
            fields["metadata"] = metadata
        return self._core.ask(CREATE, input=fields)

    @operation
    def update(
        self,
        *,
        id: str,
        metadata: Any = UNSET,
        name: str | Unset = UNSET,
        is_addon: bool | Unset = UNSET,
        base_package_ids: Sequence[str] | Unset = UNSET,
        trial_days: int | Unset | None = UNSET,
        features: Sequence[Grant] | Unset = UNSET,
    ) -> Steps[Package]:
        """Change the metadata of any package, and any field of a DRAFT. Omitted fields stay the same.

        With ``trial_days=None`` new subscriptions are no trials.

        Raises:
            PackageNotFound: there is no such package.
            Conflict: its status does not allow the change.
        """
        changes = given(metadata=metadata, name=name, isAddon=is_addon, trialDays=trial_days)
        if not isinstance(base_package_ids, Unset):
            changes["basePackageIds"] = list(base_package_ids)
        if not isinstance(features, Unset):
            changes["features"] = [grant.for_wire() for grant in features]
        return self._core.ask(UPDATE, id=id, input=changes)

    @operation
    def retrieve(self, *, id: str, include_features: bool = False) -> Steps[Package]:
        """Return one package of any status, with its features if ``include_features``.

        Raises:
            PackageNotFound: there is no such package.
        """
        return self._core.ask(RETRIEVE_FEATURES if include_features else RETRIEVE, id=id)

    @operation
    def list(
        self,
        *,
        status: PackageStatus | str = PackageStatus.PUBLISHED,
        include_features: bool = False,
        first: int | None = None,
        after: str | None = None,
    ) -> Steps[list[Package]]:
        """Return packages of one status, or of ``ALL``, in order of creation; pages work as in ``features.list``."""
        asked: Field[list[Package]] = LIST_FEATURES if include_features else LIST
        return every_page(
            lambda size, last: self._core.ask(asked, status=status, first=size, after=last),
            first=first,
            after=after,
            id_of=by_id,
        )

    @operation
    def publish(self, *, id: str) -> Steps[Package]:
        """Make a DRAFT available to users. Publishing it again changes nothing.

        Raises:
            PackageNotFound: there is no such package.
        """
        return self._core.ask(PUBLISH, id=id)

    @operation
    def archive(self, *, id: str) -> Steps[Package]:
        """Archive a PUBLISHED package: subscribers keep it, new users cannot have it. Archiving again changes nothing.

        Raises:
            PackageNotFound: there is no such package.
        """
        return self._core.ask(ARCHIVE, id=id)

    @operation
    def unarchive(self, *, id: str) -> Steps[Package]:
        """Publish an ARCHIVED package again, as it was: new users can have it. Repeating it changes nothing.

        Raises:
            PackageNotFound: there is no such package.
            Conflict: it is a DRAFT.
        """
        return self._core.ask(UNARCHIVE, id=id)

    @operation
    def duplicate(self, *, id: str, new_id: str, name: str | None = None) -> Steps[Package]:
        """Create a DRAFT copy of a package with another id, and with another name if one is given.

        Raises:
            PackageNotFound: there is no such package.
            Conflict: the new id is taken.
        """
        return self._core.ask(DUPLICATE, id=id, newId=new_id, name=name)

    @operation
    def delete(self, *, id: str) -> Steps[Package]:
        """Delete a DRAFT and return it.

        Raises:
            PackageNotFound: there is no such package.
            Conflict: it is not a DRAFT.
        """
        return self._core.ask(DELETE, id=id)
