"""Kana for Python: check whether a user may use a feature, and record usage.

``KanaAdmin`` blocks, ``AsyncKanaAdmin`` is awaited; both have the same methods. Importing this
loads neither the server nor httpx, which is loaded at the first call.
"""

from kana.sdk.admin import AsyncKanaAdmin, KanaAdmin, WhenUnreachable
from kana.sdk.allowance import Combine, PackageEntitlement, ResetPeriod, Rollover
from kana.sdk.batch import Tally, Unrecorded
from kana.sdk.browser import AsyncKanaUserClient, KanaUserClient, SubscribedFeature, SubscribedPackage
from kana.sdk.errors import NetworkError, OutcomeUnknown, QueueFull, RecorderClosed, UnexpectedAnswer
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
from kana.sdk.packages import Grant
from kana.sdk.recorder import BackgroundRecorder
from kana.sdk.results import (
    Action,
    Check,
    Consumption,
    Decision,
    DeletedUser,
    Entitlement,
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
    Source,
    SubscriptionLink,
    TopUp,
    Usage,
    UsagePeriod,
    User,
)
from kana.sdk.retry import Retry
from kana.sdk.terms import ChangeTime, ChangeUsage, SubscriptionAnchor, SubscriptionStatus
from kana.sdk.wire import UNSET

__all__ = [
    "UNSET",
    "Action",
    "AsyncKanaAdmin",
    "AsyncKanaUserClient",
    "BackgroundRecorder",
    "ChangeTime",
    "ChangeUsage",
    "Check",
    "Combine",
    "Consumption",
    "Decision",
    "DeletedUser",
    "Entitlement",
    "Entry",
    "EnvironmentSettings",
    "ExplainedGrant",
    "Explanation",
    "Feature",
    "FeatureType",
    "GeneratedUserToken",
    "Given",
    "Grant",
    "GrantSource",
    "KanaAdmin",
    "KanaUserClient",
    "NetworkError",
    "NotHeld",
    "NotHeldCause",
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
    "ResetPeriod",
    "Retry",
    "Rollover",
    "Source",
    "SubscribedFeature",
    "SubscribedPackage",
    "SubscriptionAnchor",
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
    "User",
    "WhenUnreachable",
]
