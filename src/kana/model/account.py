"""An account: a user with their subscriptions and what was given to them alone."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from itertools import count

from kana.model.given import Given
from kana.model.subscription import ENDED, Subscription
from kana.model.user import UserRef
from kana.model.value import value_object
from kana.model.zone import ZONE_DEFAULT


@value_object()
class Account:
    """A user and their subscriptions, the oldest first: those that have not ended, or all of them if requested.

    ``given`` are top-ups and overrides, the oldest first, ended ones included. ``time_zone`` is that of a calendar for
    which no zone is named: the user's own, or the environment's. It is read where subscriptions are changed.
    ``holds_end`` is when the first of the reservations that have not been closed ends; None: nothing of this user's is
    set aside.

    A store locks an account while a change of it is decided.
    """

    user: UserRef
    subscriptions: tuple[Subscription, ...]
    given: tuple[Given, ...] = ()
    time_zone: str = ZONE_DEFAULT
    holds_end: datetime | None = None

    @property
    def has_holds(self) -> bool:
        """Whether some units may be set aside."""
        return self.holds_end is not None

    def state(self, now: datetime) -> list[Subscription]:
        """Return the subscriptions that have not ended by now."""
        return [subscription for subscription in self.subscriptions if subscription.stands(now)]

    def subscribed_since(self, now: datetime) -> datetime | None:
        """When the first subscription that gave access began; None if none has begun by now."""
        begun = [each for each in self.subscriptions if each.ever_gave_access and each.has_begun(now)]
        return min((each.start for each in begun), default=None)

    def time(self, clock: datetime) -> datetime:
        """Return the time for a change of this account: that of the clock, but never before an earlier change.

        Clocks of machines differ and can be set back; even so, no subscription may end before it starts, and no
        override may hold beside one that was set after it.
        The account must include ended subscriptions. A start that was given for later is not a change made then.
        """
        starts = [each.start for each in self.subscriptions if not each.scheduled]
        ends = [each.ends_at for each in self.subscriptions if each.status in ENDED and each.ends_at is not None]
        given = [each.created_at for each in self.given]
        return max((clock, *starts, *ends, *given))

    def unused_ids(self) -> Callable[[], int]:
        """Return a source of ids that nothing of the account has, and that are younger than all it has, to try with."""
        ids = count(max((each.id for each in (*self.subscriptions, *self.given)), default=0) + 1)
        return lambda: next(ids)
