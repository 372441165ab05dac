from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, TypeVar

from kana.sdk.allowance import ResetPeriod
from kana.sdk.conversation import Steps
from kana.sdk.features import new_key
from kana.sdk.operation import Core, D, Group, operation
from kana.sdk.pages import by_id, every_page
from kana.sdk.results import Override, TopUp
from kana.sdk.wire import UNSET, Field, Units, Unset, given, moment, mutation, query, whole

CREATE_TOP_UP: Final = mutation("createTopUp(input: CreateTopUpInput!)", TopUp)
END_TOP_UP: Final = mutation("endTopUp(id: String!)", TopUp)
LIST_TOP_UPS: Final = query("topUps(userId: String!, first: Int, after: String)", list[TopUp])
SET_OVERRIDE: Final = mutation("setOverride(input: SetOverrideInput!)", Override)
END_OVERRIDE: Final = mutation("endOverride(id: String!)", Override)
LIST_OVERRIDES: Final = query("overrides(userId: String!, first: Int, after: String)", list[Override])

_Given = TypeVar("_Given", TopUp, Override)


class TopUps(Group[D]):
    """Units that single users were given or sold, on top of what their packages allow."""

    @operation
    def create(
        self,
        *,
        user_id: str,
        feature_id: str,
        amount: Units,
        reason: str,
        starts_at: datetime | None = None,
        expires_at: datetime | None = None,
        idempotency_key: str | None = None,
    ) -> Steps[TopUp]:
        """Give units of a CONSUMABLE feature to a user, from now or ``starts_at`` on, until ``expires_at`` if given.

        Retries use the same idempotency key, a new one if none is given, so the units are given once however
        often the call is sent. With a key of your own, such as an order's number, calling again returns the first
        top-up.

        Raises:
            UserNotFound, FeatureNotFound: there is no such user or feature.
            InvalidValue: a value is not allowed; the message names it.
            IdempotencyKeyReused: the key was used before for other content; nothing was given.
            OutcomeUnknown: they may have been given; call again with the exception's idempotency_key.
        """
        key = new_key() if idempotency_key is None else idempotency_key
        fields: dict[str, Any] = {
            "userId": user_id,
            "featureId": feature_id,
            "amount": whole(amount, "amount"),
            "reason": reason,
            "idempotencyKey": key,
        }
        if starts_at is not None:
            fields["startsAt"] = moment(starts_at, "starts_at")
        if expires_at is not None:
            fields["expiresAt"] = moment(expires_at, "expires_at")
        return _give(self._core, CREATE_TOP_UP, fields, idempotency_key=key)

    @operation
    def end(self, *, id: str) -> Steps[TopUp]:
        """End a top-up now; what is left of it is lost. One that has ended stays as it is.

        Raises:
            GivenNotFound: there is no such top-up.
            OutcomeUnknown: the answer was lost; it is safe to call again.
        """
        return _end(self._core, END_TOP_UP, id=id)

    @operation
    def list(self, *, user_id: str, first: int | None = None, after: str | None = None) -> Steps[list[TopUp]]:
        """Return the top-ups of a user, ended ones included, the oldest first, or ``first`` ones ``after`` an id.

        Raises:
            UserNotFound: there is no such user.
        """
        return every_page(
            lambda size, last: self._core.ask(LIST_TOP_UPS, userId=user_id, first=size, after=last),
            first=first,
            after=after,
            id_of=by_id,
        )


class Overrides(Group[D]):
    """What single users have of a feature in place of what their packages allow."""

    @operation
    def set(
        self,
        *,
        user_id: str,
        feature_id: str,
        reason: str,
        limit: Units | Unset | None = UNSET,
        reset_period: ResetPeriod | str | Unset | None = UNSET,
        overage_enabled: bool = False,
        denied: bool = False,
        ends_at: datetime | None = None,
    ) -> Steps[Override]:
        """Give a user something else of a feature than their packages allow, from now on, until ``ends_at`` if given.

        ``limit=None`` is unlimited; the limit must be given for a CONSUMABLE feature that is not ``denied``. The
        reset period of their package stays unless one is given; None never resets. What they have used in the
        current period counts on. It ends the override of the same feature before it; setting the same again changes
        nothing.

        Raises:
            UserNotFound, FeatureNotFound: there is no such user or feature.
            InvalidValue: a value is not allowed, or the limit is missing; the message names it.
            OutcomeUnknown: the answer was lost; it is safe to call again.
        """
        fields = given(
            userId=user_id,
            featureId=feature_id,
            limit=limit if limit is None or isinstance(limit, Unset) else whole(limit, "limit"),
            resetPeriod=reset_period,
            overageEnabled=overage_enabled,
            denied=denied,
            endsAt=UNSET if ends_at is None else moment(ends_at, "ends_at"),
            reason=reason,
        )
        return _give(self._core, SET_OVERRIDE, fields)

    @operation
    def end(self, *, id: str) -> Steps[Override]:
        """End an override now, and the user's packages apply again. One that has ended stays as it is.

        Raises:
            GivenNotFound: there is no such override.
            OutcomeUnknown: the answer was lost; it is safe to call again.
        """
        return _end(self._core, END_OVERRIDE, id=id)

    @operation
    def list(self, *, user_id: str, first: int | None = None, after: str | None = None) -> Steps[list[Override]]:
        """Return the overrides of a user, ended ones included, the oldest first, or ``first`` ones ``after`` an id.

        Raises:
            UserNotFound: there is no such user.
        """
        return every_page(
            lambda size, last: self._core.ask(LIST_OVERRIDES, userId=user_id, first=size, after=last),
            first=first,
            after=after,
            id_of=by_id,
        )


def _give(
    core: Core, asked: Field[_Given], fields: Mapping[str, Any], *, idempotency_key: str | None = None
) -> Steps[_Given]:
    try:
        return (yield from core.ask(asked, idempotency_key=idempotency_key, input=fields))
    finally:
        # Whatever the outcome, the cached answer may no longer be right.
        core.cache.forget(fields["userId"], fields["featureId"])


def _end(core: Core, asked: Field[_Given], *, id: str) -> Steps[_Given]:
    ended = yield from core.ask(asked, id=id)
    core.cache.forget(ended.user_id, ended.feature_id)
    return ended
