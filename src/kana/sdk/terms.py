"""The words of subscriptions."""

from __future__ import annotations

from enum import StrEnum


class SubscriptionStatus(StrEnum):
    """The state of a subscription. Only ``ACTIVE`` and ``TRIALING`` give access; ``SCHEDULED`` is yet to start."""

    ACTIVE = "ACTIVE"
    TRIALING = "TRIALING"
    CANCELLED = "CANCELLED"
    PAST_DUE = "PAST_DUE"
    UNPAID = "UNPAID"
    INCOMPLETE = "INCOMPLETE"
    INCOMPLETE_EXPIRED = "INCOMPLETE_EXPIRED"
    SCHEDULED = "SCHEDULED"


class SubscriptionAnchor(StrEnum):
    """What reset periods are counted from: the start of the subscription, or the calendar."""

    START = "START"
    CALENDAR = "CALENDAR"


class ChangeTime(StrEnum):
    """When a user moves to another base package."""

    NOW = "NOW"
    PERIOD_END = "PERIOD_END"


class ChangeUsage(StrEnum):
    """What becomes of usage when a user moves to another base package."""

    RESET = "RESET"
    CARRY = "CARRY"
