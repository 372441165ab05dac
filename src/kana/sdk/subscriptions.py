from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from kana.sdk.conversation import Steps
from kana.sdk.operation import D, Group, operation
from kana.sdk.pages import by_id, every_page
from kana.sdk.results import PackageSubscription, SubscriptionLink
from kana.sdk.wire import mutation, query

CREATE: Final = mutation("subscribe(packageIds: [String!]!, userId: String!)", list[PackageSubscription])
RETRIEVE: Final = query("subscription(id: String!)", PackageSubscription)
LIST: Final = query("subscriptions(userId: String, first: Int, after: String)", list[PackageSubscription])
CANCEL: Final = mutation("cancelSubscription(id: String!, atPeriodEnd: Boolean)", PackageSubscription)
CHANGE: Final = mutation("changeSubscription(userId: String!, packageId: String!)", PackageSubscription)
GENERATE_LINK: Final = mutation(
    "generateSubscriptionLink(userId: String, templateId: String!, successUrl: String!, cancelUrl: String!)",
    SubscriptionLink,
)


class Subscriptions(Group[D]):
    """The subscriptions of users to packages."""

    @operation
    def create(self, *, user_id: str, package_ids: Sequence[str]) -> Steps[list[PackageSubscription]]:
        """Subscribe a user to PUBLISHED packages, all or none; the answer is in the order of the ids.

        Raises:
            UserNotFound: there is no such user.
            SubscriptionRefused: a package is not available, a second base package, or an add-on without its base.
            OutcomeUnknown: the answer was lost; check ``list(user_id=...)`` before you subscribe again.
        """
        return self._core.ask(CREATE, packageIds=list(package_ids), userId=user_id)

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
    def change(self, *, user_id: str, package_id: str) -> Steps[PackageSubscription]:
        """Move a user from one base package to another in one step; usage starts at zero.

        Raises:
            SubscriptionRefused: the user has no base package, or the package is not available.
            OutcomeUnknown: the answer was lost; check ``list(user_id=...)``.
        """
        return self._core.ask(CHANGE, userId=user_id, packageId=package_id)


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
