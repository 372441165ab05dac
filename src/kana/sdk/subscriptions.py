from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final, Literal

from kana.sdk.conversation import Steps
from kana.sdk.operation import D, Group, operation
from kana.sdk.pages import by_id, every_page
from kana.sdk.results import PackageSubscription, SubscriptionLink
from kana.sdk.terms import ChangeTime, ChangeUsage, SubscriptionAnchor
from kana.sdk.wire import UNSET, Unset, moment, mutation, query

CREATE: Final = mutation(
    "subscribe(packageIds: [String!]!, userId: String!, startsAt: DateTime, anchorAt: DateTime,"
    " anchor: SubscriptionAnchor, timeZone: String, trialEndsAt: DateTime, endsWithTrial: Boolean)",
    list[PackageSubscription],
)
RETRIEVE: Final = query("subscription(id: String!)", PackageSubscription)
LIST: Final = query("subscriptions(userId: String, first: Int, after: String)", list[PackageSubscription])
CANCEL: Final = mutation("cancelSubscription(id: String!, atPeriodEnd: Boolean)", PackageSubscription)
CHANGE: Final = mutation(
    "changeSubscription(userId: String!, packageId: String!, when: ChangeTime, usage: ChangeUsage)",
    PackageSubscription,
)
RESUME: Final = mutation("resumeSubscription(id: String!)", PackageSubscription)
GENERATE_LINK: Final = mutation(
    "generateSubscriptionLink(userId: String, templateId: String!, successUrl: String!, cancelUrl: String!)",
    SubscriptionLink,
)


class Subscriptions(Group[D]):
    """The subscriptions of users to packages."""

    @operation
    def create(
        self,
        *,
        user_id: str,
        package_ids: Sequence[str],
        starts_at: datetime | None = None,
        anchor_at: datetime | None = None,
        anchor: SubscriptionAnchor | Literal["START", "CALENDAR"] | None = None,
        time_zone: str | None = None,
        trial_ends_at: datetime | Unset | None = UNSET,
        ends_with_trial: bool = False,
    ) -> Steps[list[PackageSubscription]]:
        """Subscribe a user to PUBLISHED packages, all or none; the answer is in the order of the ids.

        By default they start now. ``anchor_at`` is an instant that reset periods are counted from instead of the
        start; with the anchor CALENDAR they follow the calendar of a time zone, by default the user's, or else the
        environment's. Until ``trial_ends_at`` they are TRIALING, and then ACTIVE or, with ``ends_with_trial``,
        CANCELLED. Without it the trial is as long as the package's ``trial_days`` say, once for each user; with None
        there is none.

        Raises:
            UserNotFound: there is no such user.
            SubscriptionRefused: a package is not available, a second base package, or an add-on without its base.
            InvalidValue: the times are not possible, or there is no such time zone.
            OutcomeUnknown: the answer was lost; check ``list(user_id=...)`` before you subscribe again.
        """
        trial = trial_ends_at if isinstance(trial_ends_at, Unset) else _moment(trial_ends_at, "trial_ends_at")
        return self._core.ask(
            CREATE,
            packageIds=list(package_ids),
            userId=user_id,
            startsAt=_moment(starts_at, "starts_at"),
            anchorAt=_moment(anchor_at, "anchor_at"),
            anchor=anchor,
            timeZone=time_zone,
            endsWithTrial=ends_with_trial,
            trialEndsAt=trial,
        )

    @operation
    def retrieve(self, *, id: str) -> Steps[PackageSubscription]:
        """Return one subscription.

        Raises:
            SubscriptionNotFound: there is no such subscription.
        """
        return self._core.ask(RETRIEVE, id=id)

    @operation
    def list(
        self, *, user_id: str | None = None, first: int | None = None, after: str | None = None
    ) -> Steps[list[PackageSubscription]]:
        """Return subscriptions of any status, the oldest first: all of them, or those of one user."""
        return every_page(
            lambda size, last: self._core.ask(LIST, userId=user_id, first=size, after=last),
            first=first,
            after=after,
            id_of=by_id,
        )

    @operation
    def cancel(self, *, id: str, at_period_end: bool = False) -> Steps[PackageSubscription]:
        """Cancel a subscription, now or at the end of its current reset period. Cancelling it again changes nothing.

        With a base package its add-ons end too.

        Raises:
            SubscriptionNotFound: there is no such subscription.
        """
        return self._core.ask(CANCEL, id=id, atPeriodEnd=at_period_end)

    @operation
    def change(
        self,
        *,
        user_id: str,
        package_id: str,
        when: ChangeTime | Literal["NOW", "PERIOD_END"] = "NOW",
        usage: ChangeUsage | Literal["RESET", "CARRY"] = "RESET",
    ) -> Steps[PackageSubscription]:
        """Move a user from one base package to another in one step; return the new subscription.

        At PERIOD_END it is SCHEDULED until the longest current reset period of the old package ends. With CARRY what
        was used of features in both packages counts in the new one; otherwise usage starts at zero.

        Raises:
            SubscriptionRefused: the user has no base package, or the package is not available.
            Conflict: nothing in the old package resets, so there is no period end.
            OutcomeUnknown: the answer was lost; check ``list(user_id=...)``.
        """
        return self._core.ask(CHANGE, userId=user_id, packageId=package_id, when=when, usage=usage)

    @operation
    def resume(self, *, id: str) -> Steps[PackageSubscription]:
        """Take back an end that is still to come: a cancellation at period end, or a change that is scheduled then.

        Raises:
            SubscriptionNotFound: there is no such subscription.
            SubscriptionRefused: it has ended, or it is an add-on whose base package ends.
        """
        return self._core.ask(RESUME, id=id)


def _moment(value: datetime | None, field: str) -> str | None:
    return None if value is None else moment(value, field)


class Payments(Group[D]):
    """Checkouts at the billing provider."""

    @operation
    def generate_link(
        self, *, template_id: str, success_url: str, cancel_url: str, user_id: str | None = None
    ) -> Steps[SubscriptionLink]:
        """Return the URL of a checkout for a billing template.

        Raises:
            SubscriptionLinkRefused: there is no such template, or no billing provider.
        """
        return self._core.ask(
            GENERATE_LINK, userId=user_id, templateId=template_id, successUrl=success_url, cancelUrl=cancel_url
        )
