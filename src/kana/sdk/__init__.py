"""Kana for Python: check whether a user may use a feature, and record usage.

``KanaAdmin`` blocks, ``AsyncKanaAdmin`` is awaited; both have the same methods. Importing this
loads neither the server nor httpx, which is loaded at the first call.
"""

from kana.sdk.admin import AsyncKanaAdmin, KanaAdmin, WhenUnreachable
from kana.sdk.allowance import Combine, Cost, PackageEntitlement, ResetPeriod, Rollover
from kana.sdk.batch import Tally, Unrecorded
from kana.sdk.browser import AsyncKanaUserClient, KanaUserClient, SubscribedFeature, SubscribedPackage
from kana.sdk.changes import (
    ChangeOutcome,
    ChangePreview,
    ChangeProspect,
    ChangeResult,
    ChangesBack,
    ChangesPreview,
    ChangesProgress,
    ChangesState,
    ChangesTotals,
    FeatureOverLimit,
    SubscriptionChanges,
)
from kana.sdk.consuming import Consumed, ConsumedLine, Reservation, ReservationStatus, ReservedLine
from kana.sdk.decision import Check, Decision, Entitlement, Source
from kana.sdk.errors import NetworkError, OutcomeUnknown, QueueFull, RecorderClosed, UnexpectedAnswer, UsageRefused
from kana.sdk.explanation import (
    ExplainedGrant,
    Explanation,
    Given,
    GrantSource,
    NotHeld,
    NotHeldCause,
    Unlock,
    UnlockWay,
)
from kana.sdk.holds import AsyncHold, Hold
from kana.sdk.insights import CreditInsight, UsageStep
from kana.sdk.notifications import Notification
from kana.sdk.packages import Grant
from kana.sdk.recorder import BackgroundRecorder
from kana.sdk.results import (
    Action,
    Consumption,
    DeletedUser,
    Entry,
    EnvironmentSettings,
    Feature,
    FeatureType,
    GeneratedUserToken,
    Outcome,
    Override,
    Package,
    PackageFeature,
    PackagePrice,
    PackageStatus,
    PackageSubscription,
    Posting,
    RecordedUsage,
    SubscriptionLink,
    TopUp,
    Usage,
    UsagePeriod,
    User,
)
from kana.sdk.retry import Retry
from kana.sdk.terms import ChangeTime, ChangeUsage, SubscriptionAnchor, SubscriptionStatus
from kana.sdk.webhooks import WebhookAttempt, WebhookDelivery, WebhookEndpoint
from kana.sdk.wire import UNBOUNDED, UNSET

__all__ = [
    "UNBOUNDED",
    "UNSET",
    "Action",
    "AsyncHold",
    "AsyncKanaAdmin",
    "AsyncKanaUserClient",
    "BackgroundRecorder",
    "ChangeOutcome",
    "ChangePreview",
    "ChangeProspect",
    "ChangeResult",
    "ChangeTime",
    "ChangeUsage",
    "ChangesBack",
    "ChangesPreview",
    "ChangesProgress",
    "ChangesState",
    "ChangesTotals",
    "Check",
    "Combine",
    "Consumed",
    "ConsumedLine",
    "Consumption",
    "Cost",
    "CreditInsight",
    "Decision",
    "DeletedUser",
    "Entitlement",
    "Entry",
    "EnvironmentSettings",
    "ExplainedGrant",
    "Explanation",
    "Feature",
    "FeatureOverLimit",
    "FeatureType",
    "GeneratedUserToken",
    "Given",
    "Grant",
    "GrantSource",
    "Hold",
    "KanaAdmin",
    "KanaUserClient",
    "NetworkError",
    "NotHeld",
    "NotHeldCause",
    "Notification",
    "Outcome",
    "OutcomeUnknown",
    "Override",
    "Package",
    "PackageEntitlement",
    "PackageFeature",
    "PackagePrice",
    "PackageStatus",
    "PackageSubscription",
    "Posting",
    "QueueFull",
    "RecordedUsage",
    "RecorderClosed",
    "Reservation",
    "ReservationStatus",
    "ReservedLine",
    "ResetPeriod",
    "Retry",
    "Rollover",
    "Source",
    "SubscribedFeature",
    "SubscribedPackage",
    "SubscriptionAnchor",
    "SubscriptionChanges",
    "SubscriptionLink",
    "SubscriptionStatus",
    "Tally",
    "TopUp",
    "UnexpectedAnswer",
    "Unlock",
    "UnlockWay",
    "Unrecorded",
    "Usage",
    "UsagePeriod",
    "UsageRefused",
    "UsageStep",
    "User",
    "WebhookAttempt",
    "WebhookDelivery",
    "WebhookEndpoint",
    "WhenUnreachable",
]
