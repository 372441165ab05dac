"""A package: a collection of features that users subscribe to."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import datetime
from hashlib import sha256

from kana.errors import InvalidValue
from kana.model.allowance import UNLIMITED, Allowance
from kana.model.text import first_repeated, identifier, metadata, optional_identifier, units
from kana.model.value import value_object
from kana.model.word import Word

TRIAL_DAYS_MAX = 365
"""For how many days a package may let a new subscription be a trial."""

NO_PACKAGE = ""
"""What usage counts for if no package answered; no package has this id."""


class PackageStatus(Word):
    """The status of a package: being edited, open to subscribers, or retired."""

    DRAFT = "DRAFT"
    PUBLISHED = "PUBLISHED"
    ARCHIVED = "ARCHIVED"


@value_object(kw_only=True)
class PackageFeature:
    """A feature in one package. ``name=None`` uses the feature's own name.

    Source: docs.usekana.com/reference, objects "PackageFeature".
    """

    feature_id: str
    name: str | None = None
    allowance: Allowance = UNLIMITED

    def __post_init__(self) -> None:
        identifier(self.feature_id, field="features.id")
        optional_identifier(self.name, field="features.name")


@value_object(kw_only=True)
class PackagePrice:
    """A price at the billing provider; ``amount`` in minor units, ``currency`` and ``interval`` in lower case.

    Source: docs.usekana.com/reference, objects "PackagePrice".
    """

    id: str
    provider: str
    amount: int
    currency: str
    interval: str | None

    @property
    def display_amount(self) -> str:
        """The amount with two decimals and without a currency sign."""
        return f"{self.amount // 100}.{self.amount % 100:02d}"


@value_object(kw_only=True)
class Package:
    """A collection of features that users subscribe to: a base package, or an add-on on top of one.

    ``base_package_ids`` names the base packages that an add-on goes with; empty means any. ``trial_days`` is for how
    many days, of 24 hours each, a new subscription is a trial, 1 to 365; None is no trial.

    Raises:
        InvalidValue: a field is not allowed; the message names it.

    Source: docs.usekana.com/kana-concepts and reference, objects "Package".
    """

    id: str
    name: str
    is_addon: bool = False
    status: PackageStatus = PackageStatus.DRAFT
    features: tuple[PackageFeature, ...] = ()
    base_package_ids: tuple[str, ...] = ()
    trial_days: int | None = None
    prices: tuple[PackagePrice, ...] = ()
    metadata: object = None
    created_at: datetime
    updated_at: datetime

    def __post_init__(self) -> None:
        identifier(self.id, field="id")
        identifier(self.name, field="name")
        metadata(self.metadata)
        if self.trial_days is not None:
            units(self.trial_days, field="trialDays", least=1, most=TRIAL_DAYS_MAX)
        _refuse_repeats([feature.feature_id for feature in self.features], field="features")
        _refuse_repeats(self.base_package_ids, field="basePackageIds")
        if self.base_package_ids and not self.is_addon:
            raise InvalidValue(f"basePackageIds is for add-ons only, and {self.id!r} is a base package")

    @property
    def fingerprint(self) -> str:
        """A text that identifies this state of the package, the same in every process."""
        return sha256(json.dumps(asdict(self), default=str, sort_keys=True).encode()).hexdigest()[:32]

    def feature(self, feature_id: str) -> PackageFeature | None:
        """Return the feature in this package, or None if the package does not have it."""
        return next((feature for feature in self.features if feature.feature_id == feature_id), None)


def _refuse_repeats(ids: list[str] | tuple[str, ...], *, field: str) -> None:
    if len(set(ids)) < len(ids):
        raise InvalidValue(f"{field} must name each id once, got {first_repeated(ids)!r} more than once", field=field)
