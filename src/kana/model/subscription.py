"""A subscription, which ties one user to one package."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from kana.model.counting import Brought, Counting, Origin
from kana.model.grant import Source
from kana.model.period import Anchor
from kana.model.value import value_object
from kana.model.word import Word


class SubscriptionStatus(Word):
    """The state of one subscription; only ACTIVE and TRIALING give access.

    SCHEDULED is never stored: it is how a subscription that was given a later start is shown until then.

    Source: docs.usekana.com/reference, enums "SubscriptionStatus"; SCHEDULED is ours.
    """

    ACTIVE = "ACTIVE"
    TRIALING = "TRIALING"
    CANCELLED = "CANCELLED"
    PAST_DUE = "PAST_DUE"
    UNPAID = "UNPAID"
    INCOMPLETE = "INCOMPLETE"
    INCOMPLETE_EXPIRED = "INCOMPLETE_EXPIRED"
    SCHEDULED = "SCHEDULED"


GIVES_ACCESS = frozenset({SubscriptionStatus.ACTIVE, SubscriptionStatus.TRIALING})
ENDED = frozenset({SubscriptionStatus.CANCELLED, SubscriptionStatus.INCOMPLETE_EXPIRED})
_GAVE_ACCESS = GIVES_ACCESS | {SubscriptionStatus.CANCELLED}


@value_object(kw_only=True)
class Subscription(Counting):
    """One user's subscription to one package, from ``start``, from which its reset periods are counted.

    ``ends_at`` is set when it is cancelled: in the past, it has ended; in the future, it lasts
    until then. ``id`` is unique in the database and is shown as a decimal string.

    ``scheduled`` says that it was given a later start, so it gives no access before. Without it a start in the
    future is that of a machine whose clock is ahead, and counts as reached. ``trial_ends_at`` is when a TRIALING
    one becomes ACTIVE; if it ends then, ``ends_at`` is the same. ``anchor`` is what periods are counted from instead
    of the start. ``ends_with_base`` says that an add-on ends because its base package does, or as the
    next subscription to it starts; ``own_ends_at`` is when it would end later without that, if it would. ``origin``
    is set if what was used of the package before it counts in it too; ``brought`` names what that package counted over
    other periods, which counts in the first period of this one.
    """

    id: int
    bucket: int
    user_key: int
    package_id: str
    status: SubscriptionStatus
    start: datetime
    ends_at: datetime | None = None
    ends_with_base: bool = False
    own_ends_at: datetime | None = None
    scheduled: bool = False
    trial_ends_at: datetime | None = None
    anchor: Anchor | None = None
    origin: Origin | None = None
    brought: tuple[Brought, ...] = ()

    @property
    def source(self) -> Source:
        """Where its units come from."""
        return Source.PACKAGE

    def at(self, now: datetime) -> Subscription:
        """Return the subscription with its status now: CANCELLED once ``ends_at`` is reached."""
        status = self._status_at(now)
        return self if status is self.status else replace(self, status=status)

    def _status_at(self, now: datetime) -> SubscriptionStatus:
        if self.status in ENDED:
            return self.status
        if self.ends_at is not None and self.ends_at <= now:
            return SubscriptionStatus.CANCELLED
        if not self.has_begun(now):
            return SubscriptionStatus.SCHEDULED
        trial_is_over = self.trial_ends_at is not None and self.trial_ends_at <= now
        is_trial = self.status is SubscriptionStatus.TRIALING
        return SubscriptionStatus.ACTIVE if is_trial and trial_is_over else self.status

    def stands(self, now: datetime) -> bool:
        """Whether it has not ended, so that a second one to the same package is refused."""
        return self.status not in ENDED and (self.ends_at is None or now < self.ends_at)

    def overlaps(self, start: datetime, end: datetime | None) -> bool:
        """Whether it lasts at any moment of ``[start, end)``, whatever its status; without an end, from then on."""
        if self.status in ENDED and (self.ends_at is None or self.status is not SubscriptionStatus.CANCELLED):
            return False
        first = max(start, self.start)
        return all(last is None or first < last for last in (end, self.ends_at))

    def gives_access(self, now: datetime) -> bool:
        """Whether its package's features may be used now."""
        lasts = self.status in GIVES_ACCESS and (self.ends_at is None or now < self.ends_at)
        return lasts and (not self.scheduled or self.start <= now)

    def has_begun(self, now: datetime) -> bool:
        """Whether its start is reached; only one that was given for later keeps anybody waiting."""
        return not self.scheduled or self.start <= now

    @property
    def ever_gave_access(self) -> bool:
        """Whether its package's features can be used at any time, as far as is known.

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
