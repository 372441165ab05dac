"""The SDK's results: Kana's published objects as frozen values, with Python names.

A field's name in snake case is its name in the API in camel case; ``kana.sdk.wire`` requests and
reads these fields, so that each field stands once.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from kana.sdk.allowance import Combine, PackageEntitlement, ResetPeriod
from kana.sdk.terms import SubscriptionStatus

LOCAL: Final = {"wire": "never"}
"""Marks a field that the SDK sets itself."""
ON_REQUEST: Final = {"wire": "on request"}
"""Marks a field that is requested only if the caller wants it."""


class FeatureType(StrEnum):
    """Whether a feature is on or off, or is counted."""

    BINARY = "BINARY"
    CONSUMABLE = "CONSUMABLE"


class PackageStatus(StrEnum):
    """The status of a package. ``ALL`` is only for ``packages.list``: every status."""

    DRAFT = "DRAFT"
    PUBLISHED = "PUBLISHED"
    ARCHIVED = "ARCHIVED"
    ALL = "ALL"


class Action(StrEnum):
    """How ``delta`` is applied: added to the usage, or set as the total of the period."""

    ADD = "ADD"
    SET = "SET"


class Outcome(StrEnum):
    """What a usage came to, or of a check, what a record of the same amount would come to."""

    RECORDED = "RECORDED"
    LIMIT_EXCEEDED = "LIMIT_EXCEEDED"
    BELOW_ZERO = "BELOW_ZERO"
    NO_SUBSCRIPTION = "NO_SUBSCRIPTION"
    TOTAL_TOO_LARGE = "TOTAL_TOO_LARGE"
    DENIED = "DENIED"
    OTHER_LINE_REFUSED = "OTHER_LINE_REFUSED"
    CREDIT_EXCEEDED = "CREDIT_EXCEEDED"
    UNKNOWN = "UNKNOWN"
    """A word of a newer server, which this version does not know: a refusal of another kind."""

    @classmethod
    def _missing_(cls, _value: object) -> Outcome:
        return cls.UNKNOWN


@dataclass(frozen=True, slots=True, kw_only=True)
class Feature:
    """Anything in the product that could be billed. Unit labels belong to ``CONSUMABLE`` features only."""

    id: str
    name: str
    type: FeatureType
    unit_label: str | None
    unit_label_plural: str | None
    metadata: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageFeature:
    """A feature in one package. ``limit`` is in units per reset period; None is unlimited, or BINARY.

    ``entitlement`` is all that the package allows of it; None if it is BINARY.
    """

    id: str
    name: str
    type: FeatureType
    limit: int | None
    unit_label: str | None
    unit_label_plural: str | None
    metadata: Any
    overage_enabled: bool
    reset_period: ResetPeriod | None
    combine: Combine
    entitlement: PackageEntitlement | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PackagePrice:
    """A price at the billing provider; ``amount`` is in minor units (5000 is 50.00)."""

    id: str
    provider: str
    amount: int
    display_amount: str
    currency: str
    interval: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """A set of features that users subscribe to. ``features`` is None if it was not requested.

    ``trial_days`` is for how many days of 24 hours a new subscription is a trial; None is no trial.
    """

    id: str
    name: str
    is_addon: bool
    status: PackageStatus
    updated_at: datetime
    metadata: Any
    base_package_ids: tuple[str, ...]
    prices: tuple[PackagePrice, ...]
    trial_days: int | None = None
    features: tuple[PackageFeature, ...] | None = field(default=None, metadata=ON_REQUEST)


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """A person who uses the customer's product."""

    id: str
    billing_id: str | None
    name: str | None
    email: str | None
    metadata: Any
    time_zone: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UserExport:
    """Some of what is kept of a user, and where the next page begins."""

    records: tuple[Any, ...]
    end_cursor: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeletedUser:
    """What is left of a user who was deleted: ``id`` stands in place of theirs, as in the log of changes.

    If not everything is cleared, the server continues; the user is found nowhere either way.
    """

    id: str
    is_cleared: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageSubscription:
    """One user's subscription to one package.

    Reset periods are counted from ``anchor_at``; None: they follow the calendar in ``time_zone``.
    """

    id: str
    user_id: str
    status: SubscriptionStatus
    package: Package
    started_at: datetime
    ends_at: datetime | None
    trial_ends_at: datetime | None
    anchor_at: datetime | None
    time_zone: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TopUp:
    """Units that one user was given or sold. ``remaining`` may still be used; it is 0 after ``expires_at``.

    ``given_by`` is who gave them: a masked key, or a colleague's e-mail address.
    """

    id: str
    user_id: str
    feature_id: str
    amount: int
    used: int
    remaining: int
    starts_at: datetime
    expires_at: datetime | None
    reason: str
    given_by: str
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Override:
    """What one user has of a feature in place of what their packages allow; ``denied`` is nothing.

    ``limit`` is in units per reset period; None is unlimited, or the feature is BINARY or denied. Without a
    ``reset_period`` usage never goes back to zero. ``given_by`` is who set it.
    """

    id: str
    user_id: str
    feature_id: str
    limit: int | None
    reset_period: ResetPeriod | None
    overage_enabled: bool
    denied: bool
    starts_at: datetime
    ends_at: datetime | None
    reason: str
    given_by: str
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Consumption:
    """The used units and the budget of one period. ``budget=None`` is unlimited."""

    used: int
    budget: int | None
    overage_enabled: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class UsagePeriod:
    """The usage in ``[period_start, period_end)``; there is no end if usage never goes back to zero."""

    period_start: datetime
    period_end: datetime | None
    consumption: Consumption


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """The current period (None without a subscription) and finished ones, the newest first."""

    current: UsagePeriod | None
    past: tuple[UsagePeriod, ...] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedUsage:
    """The result of a usage. ``recorded=False`` is a refusal, and nothing was counted.

    ``reason`` says why to people, ``outcome`` to programs. ``id`` is the id of the entry, which a refusal
    has too. ``duplicate`` says that the key was used before: this is then the first answer again.
    ``in_grace`` says that a hard limit is passed with it, as its grace allows. ``idempotency_key`` is the
    key that was sent.
    """

    recorded: bool
    reason: str | None
    outcome: Outcome
    id: str
    duplicate: bool
    consumption: Consumption | None
    in_grace: bool = False
    idempotency_key: str = field(default="", metadata=LOCAL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Posting:
    """What an entry moved in one counter: that of a subscription, a top-up or an override, in one period.

    ``carried_over`` says that the units are what earlier periods of the subscription left.
    """

    source_id: str
    carried_over: bool
    reset_period: ResetPeriod | None
    period_start: datetime
    change: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One entry of a user's ledger: a usage, and the answer that was given.

    ``change`` is by how much the total changed: 0 for a refusal, the difference for a ``SET``. ``timestamp`` is when
    it happened. ``postings`` are what it moved in which counter, in all ``change``. ``reverses`` is the id of the entry
    that it undoes. ``in_grace`` says that a hard limit was passed with it, as its grace allows.
    """

    id: str
    feature_id: str
    action: Action
    delta: int
    change: int
    outcome: Outcome
    reason: str | None
    consumption: Consumption | None
    timestamp: datetime
    recorded_at: datetime
    metadata: Any
    has_idempotency_key: bool
    reverses: str | None
    postings: tuple[Posting, ...]
    in_grace: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriptionLink:
    """The URL of a checkout."""

    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GeneratedUserToken:
    """A token that gives one user's browser access to the Client API for 30 days."""

    token: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvironmentSettings:
    """The settings of one environment, ``test`` or ``live``: whether its Client API accepts user tokens only.

    ``time_zone`` is what calendars of new subscriptions follow where neither they nor the user have one.
    """

    environment: str
    requires_secure_mode: bool
    time_zone: str = "UTC"
