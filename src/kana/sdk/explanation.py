"""Why a user may or may not use a feature, as the API explains it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from kana.sdk.results import Consumption, Outcome, Package, PackagePrice, PackageSubscription
from kana.sdk.wire import query


class GrantSource(StrEnum):
    """What a user's units come from: a package, an earlier period, a top-up or an override."""

    PACKAGE = "PACKAGE"
    ROLLOVER = "ROLLOVER"
    TOP_UP = "TOP_UP"
    OVERRIDE = "OVERRIDE"
    UNKNOWN = "UNKNOWN"
    """A word of a newer server, which this version does not know."""

    @classmethod
    def _missing_(cls, _value: object) -> GrantSource:
        return cls.UNKNOWN


class NotHeldCause(StrEnum):
    """Why something does not hold. ``STATUS``: that of the subscription gives no access, as ``PAST_DUE``."""

    DRAFT = "DRAFT"
    ARCHIVED = "ARCHIVED"
    NOT_SUBSCRIBED = "NOT_SUBSCRIBED"
    NOT_STARTED = "NOT_STARTED"
    ENDED = "ENDED"
    STATUS = "STATUS"
    OUTRANKED = "OUTRANKED"
    REPLACED = "REPLACED"
    UNKNOWN = "UNKNOWN"
    """A word of a newer server, which this version does not know."""

    @classmethod
    def _missing_(cls, _value: object) -> NotHeldCause:
        return cls.UNKNOWN


class UnlockWay(StrEnum):
    """How a user gets a package: by subscribing to it, or by changing to it from their base package."""

    SUBSCRIBE = "SUBSCRIBE"
    CHANGE_SUBSCRIPTION = "CHANGE_SUBSCRIPTION"


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """A top-up or an override: who gave it, and why. It ends never if ``ends_at`` is None."""

    id: str
    source: GrantSource
    reason: str
    given_by: str
    starts_at: datetime
    ends_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplainedGrant:
    """Units that hold, and why. ``amount`` and ``remaining`` are None if unlimited; all three are None for BINARY.

    What is left at ``ends_at`` is lost. ``subscription`` counts it; ``given`` is the top-up or override it comes from.
    """

    source: GrantSource
    reason: str
    amount: int | None
    used: int | None
    remaining: int | None
    overage_enabled: bool
    starts_at: datetime
    ends_at: datetime | None
    subscription: PackageSubscription | None
    given: Given | None


@dataclass(frozen=True, slots=True, kw_only=True)
class NotHeld:
    """What does not hold, and why: a subscription, something given, or a package without a subscription."""

    cause: NotHeldCause
    reason: str
    package: Package | None
    subscription: PackageSubscription | None
    given: Given | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Unlock:
    """A package with which the units would be admitted, and the price that it is compared by."""

    package: Package
    way: UnlockWay
    price: PackagePrice | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """Why a user may or may not use an amount; ``outcome`` is that of a record of it at the moment ``at``.

    ``affords`` is for how many units the credit suffices that they cost, as in ``Decision``. ``grants`` hold then, in
    the order in which they are used up. ``fits_at`` is the first moment from then on at which the amount fits if
    nothing is used or changed until then. ``unlocks`` are the packages with which it would be admitted now, the
    cheapest first.
    """

    at: datetime
    access: bool
    reason: str
    outcome: Outcome
    consumption: Consumption | None
    affords: int | None
    grants: tuple[ExplainedGrant, ...]
    not_held: tuple[NotHeld, ...]
    fits_at: datetime | None
    unlocks: tuple[Unlock, ...]


EXPLAIN: Final = query("explain(userId: String!, featureId: String!, delta: Int, at: DateTime)", Explanation)
