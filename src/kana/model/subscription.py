"""A subscription, which ties one user to one package."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from kana.model.grant import Source
from kana.model.value import value_object
from kana.model.word import Word


class SubscriptionStatus(Word):
    """The state of one subscription; only ACTIVE and TRIALING give access.

    Source: docs.usekana.com/reference, enums "SubscriptionStatus".
    """

    ACTIVE = "ACTIVE"
    TRIALING = "TRIALING"
    CANCELLED = "CANCELLED"
    PAST_DUE = "PAST_DUE"
    UNPAID = "UNPAID"
    INCOMPLETE = "INCOMPLETE"
    INCOMPLETE_EXPIRED = "INCOMPLETE_EXPIRED"


GIVES_ACCESS = frozenset({SubscriptionStatus.ACTIVE, SubscriptionStatus.TRIALING})
ENDED = frozenset({SubscriptionStatus.CANCELLED, SubscriptionStatus.INCOMPLETE_EXPIRED})
_GAVE_ACCESS = GIVES_ACCESS | {SubscriptionStatus.CANCELLED}


@value_object(kw_only=True)
class Subscription:
    """One user's subscription to one package, from ``start``, from which its reset periods are counted.

    ``ends_at`` is set when it is cancelled: in the past, it has ended; in the future, it lasts
    until then. ``id`` is unique in the database and is shown as a decimal string.
    """

    id: int
    bucket: int
    user_key: int
    package_id: str
    status: SubscriptionStatus
    start: datetime
    ends_at: datetime | None = None

    @property
    def source(self) -> Source:
        """Where its units come from."""
        return Source.PACKAGE

    def at(self, now: datetime) -> Subscription:
        """Return the subscription with its status now: CANCELLED once ``ends_at`` is reached."""
        if self.ends_at is not None and self.ends_at <= now and self.status not in ENDED:
            return replace(self, status=SubscriptionStatus.CANCELLED)
        return self

    def stands(self, now: datetime) -> bool:
        """Whether it has not ended, so that a second one to the same package is refused."""
        return self.status not in ENDED and (self.ends_at is None or now < self.ends_at)

    def gives_access(self, now: datetime) -> bool:
        """Whether its package's features may be used now."""
        return self.status in GIVES_ACCESS and (self.ends_at is None or now < self.ends_at)

    @property
    def ever_gave_access(self) -> bool:
        """Whether its package's features could be used at any time, as far as is known.

        A cancelled subscription gave access until its end. How long it had another status is not stored, so
        one whose status gives no access now counts as never having given any.
        """
        if self.ends_at is None:
            return self.status in GIVES_ACCESS
        return self.start < self.ends_at and self.status in _GAVE_ACCESS

    def gave_access(self, moment: datetime) -> bool:
        """Whether its package's features could be used at a moment, even long ago."""
        held = self.start <= moment and (self.ends_at is None or moment < self.ends_at)
        return held and self.ever_gave_access
