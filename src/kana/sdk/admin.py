from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields
from datetime import datetime, timedelta
from typing import Any, Literal, Self

from kana.errors import InvalidValue, KanaError
from kana.sdk.batch import Unrecorded, log_unrecorded
from kana.sdk.changes import ManyChanges
from kana.sdk.consuming import Consumed, Reservations, amounts_of, consume, consume_input, reserve_input, reserved_of
from kana.sdk.conversation import Steps
from kana.sdk.decision import Check, Decision, Source
from kana.sdk.driver import ENDPOINT, AsyncDriver, Connection, SyncDriver
from kana.sdk.errors import UNANSWERED
from kana.sdk.explanation import EXPLAIN, Explanation
from kana.sdk.features import CAN_USE, Features
from kana.sdk.giving import Overrides, TopUps
from kana.sdk.holds import AsyncHold, Hold
from kana.sdk.insights import Insights
from kana.sdk.notifications import Notifications
from kana.sdk.operation import Core, D, Group, operation
from kana.sdk.packages import Packages
from kana.sdk.recorder import BackgroundRecorder
from kana.sdk.retry import DEFAULT_RETRY, Retry
from kana.sdk.settings import Settings
from kana.sdk.subscriptions import Payments, Subscriptions
from kana.sdk.users import Users
from kana.sdk.webhooks import Webhooks
from kana.sdk.wire import Unbounded, Units, moment, whole

WhenUnreachable = Literal["allow", "deny", "raise"]
"""What a check returns if the server cannot answer."""


class Admin(Group[D]):
    """The whole Admin API, for a back end with a private key. See KanaAdmin and AsyncKanaAdmin."""

    def __init__(self, core: Core, driver: D) -> None:
        super().__init__(core, driver)
        self.features = Features(core, driver)
        self.packages = Packages(core, driver)
        self.users = Users(core, driver)
        self.subscriptions = Subscriptions(core, driver)
        self.subscription_changes = ManyChanges(core, driver)
        self.top_ups = TopUps(core, driver)
        self.overrides = Overrides(core, driver)
        self.reservations = Reservations(core, driver)
        self.insights = Insights(core, driver)
        self.notifications = Notifications(core, driver)
        self.webhooks = Webhooks(core, driver)
        self.payments = Payments(core, driver)
        self.settings = Settings(core, driver)

    def recorder(
        self,
        *,
        batch_max: int = 500,
        queue_max: int = 10_000,
        linger_s: float = 0.1,
        when_full: Literal["block", "raise"] = "block",
        on_unrecorded: Callable[[Unrecorded], None] = log_unrecorded,
    ) -> BackgroundRecorder:
        """Return a recorder that sends usage from its own thread; close it, or use ``with``.

        It sends up to ``batch_max`` usages at once (1,000 at most), waits up to ``linger_s`` seconds
        for a batch to fill, and queues ``queue_max`` at most. In an event loop use
        ``when_full="raise"``: blocking would block the loop.
        """
        return BackgroundRecorder(
            self._driver.connection,
            timeout_s=self._core.timeout_s,
            batch_max=batch_max,
            queue_max=queue_max,
            linger_s=linger_s,
            when_full=when_full,
            on_unrecorded=on_unrecorded,
        )

    @operation
    def check(
        self,
        *,
        user_id: str,
        feature_id: str,
        delta: Units = 1,
        when_unreachable: WhenUnreachable = "raise",
        cache_ttl_s: float = 0.0,
    ) -> Steps[Check]:
        """Return whether a user may use ``delta`` units now, and the source of the answer.

        ``cache_ttl_s`` is how many seconds the server's last answer for the same user, feature and
        delta is reused. Recording their usage through this client drops it at once; usage recorded by
        other clients is not seen for that long. ``when_unreachable`` is what to do if the server cannot
        be reached, is overloaded or fails: "allow" and "deny" answer with ``source="default"``,
        "raise" raises the error.

        Raises:
            UserNotFound, FeatureNotFound, InvalidValue, Unauthenticated: with any choice.
            NetworkError, Unavailable, RateLimited, Internal: with ``when_unreachable="raise"``.
        """
        check_choice(when_unreachable)
        return self._check(user_id, feature_id, whole(delta, "delta"), when_unreachable, cache_ttl_s)

    @operation
    def consume(
        self,
        user_id: str,
        units: Mapping[str, Units] | None = None,
        /,
        *,
        idempotency_key: str | None = None,
        dry_run: bool = False,
        timestamp: datetime | None = None,
        metadata: Any = None,
        **features: Units,
    ) -> Steps[Consumed]:
        """Use 1 to 20 features in one decision, all of them or none: ``consume("ada", tokens=2_000, requests=1)``.

        Keywords are ids of features; ``units`` is for ids that are no names of Python, or are those of an option. A
        refusal is an answer: ``granted=False``, and each of the ``lines`` says why. Retries use the same idempotency
        key, a new one if none is given, so it counts once. ``dry_run`` decides and writes nothing. ``timestamp`` is
        when it happened, by default now.

        Raises:
            UserNotFound, FeatureNotFound: there is no such user or feature.
            InvalidValue: a value is not allowed; the message names it.
            IdempotencyKeyReused: the key was used before for other content; nothing was recorded.
            NetworkError: the server was never reached; nothing was recorded.
            OutcomeUnknown: it may have been recorded; call again with the exception's idempotency_key.
        """
        asked = consume_input(
            user_id,
            amounts_of(units, features),
            idempotency_key=idempotency_key,
            dry_run=dry_run,
            timestamp=timestamp,
            metadata=metadata,
        )
        return consume(self._core, asked)

    @operation
    def explain(
        self, *, user_id: str, feature_id: str, delta: Units = 1, at: datetime | None = None
    ) -> Steps[Explanation]:
        """Return why a user may or may not use ``delta`` units, now or at a moment; a negative delta gives back.

        It says what holds and what does not, when the units would fit, and which packages would admit them. Nothing is
        recorded. With ``at`` it is about what the user was subscribed to and given then, by the packages as they were
        then, and not about what would help.

        Raises:
            UserNotFound, FeatureNotFound: there is no such user or feature.
            InvalidValue: delta is 0 or not a whole number, ``at`` has no time zone, is in the future or before the
                user's first subscription.
        """
        return self._core.ask(
            EXPLAIN,
            userId=user_id,
            featureId=feature_id,
            delta=whole(delta, "delta"),
            at=None if at is None else moment(at, "at"),
        )

    def _check(
        self, user_id: str, feature_id: str, delta: int, when_unreachable: WhenUnreachable, cache_ttl_s: float
    ) -> Steps[Check]:
        cache = self._core.cache
        if cache_ttl_s > 0:
            kept = cache.get(user_id, feature_id, delta=delta, age_max_s=cache_ttl_s)
            if kept is not None:
                return _checked(kept, Source.CACHE)
        try:
            answer = yield from self._core.ask(CAN_USE, userId=user_id, featureId=feature_id, delta=delta)
        except UNANSWERED as error:
            return chosen(when_unreachable, error)
        if cache_ttl_s > 0:
            cache.put(user_id, feature_id, delta=delta, answer=answer)
        return _checked(answer, Source.SERVER)


def check_choice(when_unreachable: WhenUnreachable) -> None:
    """Refuse what is no choice.

    Raises:
        InvalidValue: it is none of the three.
    """
    if when_unreachable not in ("allow", "deny", "raise"):
        message = f"when_unreachable must be 'allow', 'deny' or 'raise', got {when_unreachable!r}"
        raise InvalidValue(message, field="when_unreachable")


def chosen(when_unreachable: WhenUnreachable, error: KanaError) -> Check:
    """Return what the caller chose in place of an answer, or raise the error."""
    if when_unreachable == "raise":
        raise error
    return Check(
        access=when_unreachable == "allow",
        reason=f"Kana did not answer, and the caller chose to {when_unreachable}: {error.message}",
        outcome=None,
        consumption=None,
        source=Source.DEFAULT,
    )


def _checked(answer: Decision, source: Source) -> Check:
    return Check(**{each.name: getattr(answer, each.name) for each in fields(answer)}, source=source)


def _connection(api_key: str, endpoint: str) -> Connection:
    return Connection.to(endpoint, path="/graphql", headers={"authorization": api_key})


class KanaAdmin(Admin[SyncDriver]):
    """A blocking client of the Admin API. Threads may share it; create one for the whole program.

    ``api_key`` is a private key, ``endpoint`` the server's address, with or without ``/graphql``.
    ``timeout_s`` limits each phase (connect, send, wait) of one attempt; ``retry`` is how often and how
    long a call is tried. ``close()``, or the end of a ``with`` block, closes its connections.

    Raises:
        InvalidValue: the address or the key is not valid.
    """

    def __init__(
        self,
        *,
        api_key: str,
        endpoint: str = ENDPOINT,
        retry: Retry = DEFAULT_RETRY,
        timeout_s: float = 5.0,
    ) -> None:
        super().__init__(Core(retry=retry, timeout_s=timeout_s), SyncDriver(_connection(api_key, endpoint)))

    def reserve(
        self,
        user_id: str,
        units: Mapping[str, Units | Unbounded] | None = None,
        /,
        *,
        ttl: timedelta | int | None = None,
        idempotency_key: str | None = None,
        metadata: Any = None,
        **features: Units | Unbounded,
    ) -> Hold:
        """Set units aside for a block: ``with kana.reserve("ada", tokens=2_000) as hold: ...; hold.settle(tokens=n)``.

        Leaving the block by an exception lets them go, except what a stream used. Leaving it without a settlement
        counts what was set aside, and warns. They are let go after ``ttl`` at the latest: a timedelta or whole seconds,
        1 second to 24 hours, by default 15 minutes. Features are named as in ``consume``. Of one that is ``UNBOUNDED``
        nobody knows how much it may take: see ``Reservations.create``. A settlement must name it, or none is counted.

        Raises, when the block is entered:
            UsageRefused: they do not fit; nothing is set aside.
            Conflict: the reservation that was made with this idempotency key is over.
            UserNotFound, FeatureNotFound, InvalidValue, IdempotencyKeyReused, NetworkError, OutcomeUnknown: as
                ``consume``.
        """
        asked = reserve_input(user_id, reserved_of(units, features), ttl, idempotency_key, metadata)
        return Hold(self._core, self._driver, asked)

    def close(self) -> None:
        """Close the connections that are kept open between calls."""
        self._driver.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class AsyncKanaAdmin(Admin[AsyncDriver]):
    """An asynchronous client of the Admin API: each method of KanaAdmin, awaited. Create one for each event loop.

    Its arguments are those of KanaAdmin. ``aclose()``, or the end of an ``async with`` block, closes its connections.

    Raises:
        InvalidValue: the address or the key is not valid.
    """

    def __init__(
        self,
        *,
        api_key: str,
        endpoint: str = ENDPOINT,
        retry: Retry = DEFAULT_RETRY,
        timeout_s: float = 5.0,
    ) -> None:
        super().__init__(Core(retry=retry, timeout_s=timeout_s), AsyncDriver(_connection(api_key, endpoint)))

    def reserve(
        self,
        user_id: str,
        units: Mapping[str, Units | Unbounded] | None = None,
        /,
        *,
        ttl: timedelta | int | None = None,
        idempotency_key: str | None = None,
        metadata: Any = None,
        **features: Units | Unbounded,
    ) -> AsyncHold:
        """Set units aside for an ``async with`` block, as ``KanaAdmin.reserve`` does for a ``with`` block."""
        asked = reserve_input(user_id, reserved_of(units, features), ttl, idempotency_key, metadata)
        return AsyncHold(self._core, self._driver, asked)

    async def aclose(self) -> None:
        """Close the connections that are kept open between calls."""
        await self._driver.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()
