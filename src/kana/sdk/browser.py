"""A client for a user's own program: the Client API, with a user token or a public key."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Final, Self
from urllib.parse import quote

from kana.errors import InvalidValue
from kana.sdk.conversation import Steps
from kana.sdk.decision import Decision
from kana.sdk.driver import ENDPOINT, AsyncDriver, Connection, SyncDriver
from kana.sdk.operation import Core, D, Group, operation
from kana.sdk.results import FeatureType, Outcome
from kana.sdk.retry import DEFAULT_RETRY, Retry
from kana.sdk.wire import UNITS_MAX, Units, query, whole


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscribedFeature:
    """A feature that the user's packages hold, with what they may do with it."""

    id: str
    name: str
    type: FeatureType
    unit_label: str | None
    unit_label_plural: str | None
    metadata: Any
    entitlement: Decision


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscribedPackage:
    """A package that the user is subscribed to."""

    id: str
    name: str
    is_addon: bool
    metadata: Any
    features: tuple[SubscribedFeature, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CurrentUser:
    """The user whom the token or the header names, and their subscribed packages."""

    id: str
    name: str | None
    email: str | None
    subscribed_packages: tuple[SubscribedPackage, ...]


CURRENT_USER: Final = query("currentUser", CurrentUser)


class Client(Group[D]):
    """The Client API for one user. See KanaUserClient and AsyncKanaUserClient."""

    _user: CurrentUser | None = None

    @operation
    def can_use_feature(self, feature_id: str, delta: Units = 1) -> Steps[Decision]:
        """Return whether the user may use ``delta`` units, from the last fetch.

        A grace counts for one unit only: how far it goes is for the server to decide.
        A feature that none of their packages contain is ``access=False``: the Client API does not say
        which features exist. Use this to decide what to show; what a user may do is checked by a back
        end, with KanaAdmin.

        Raises:
            Unauthenticated: the token or the key is not valid.
            NetworkError: the server did not answer.
        """
        return self._can_use(feature_id, whole(delta, "delta"))

    @operation
    def get_subscribed_features(self) -> Steps[list[SubscribedFeature]]:
        """Return the features in the user's packages, each once, from the last fetch."""
        return self._features()

    @operation
    def get_subscribed_packages(self) -> Steps[list[SubscribedPackage]]:
        """Return the packages that the user is subscribed to, from the last fetch."""
        return self._packages()

    @operation
    def reset_cache(self) -> Steps[None]:
        """Fetch everything again, for example after a purchase or after usage."""
        return self._reset()

    def _can_use(self, feature_id: str, delta: int) -> Steps[Decision]:
        features = yield from self._features()
        found = next((feature.entitlement for feature in features if feature.id == feature_id), None)
        if found is None:
            reason = f"None of the user's packages contains the feature {feature_id}."
            return Decision(access=False, reason=reason, outcome=Outcome.NO_SUBSCRIPTION, consumption=None)
        return _decided(found, delta)

    def _features(self) -> Steps[list[SubscribedFeature]]:
        packages = yield from self._packages()
        # The server has resolved each feature's entitlement already: any of them is the one.
        return list({feature.id: feature for package in packages for feature in package.features}.values())

    def _packages(self) -> Steps[list[SubscribedPackage]]:
        if self._user is None:
            yield from self._reset()
        assert self._user is not None
        return list(self._user.subscribed_packages)

    def _reset(self) -> Steps[None]:
        self._user = yield from self._core.ask(CURRENT_USER)


def _decided(fetched: Decision, delta: int) -> Decision:
    """Return the decision on ``delta`` units from the one that was fetched, which is on one unit."""
    counted = fetched.consumption
    if delta == 1 or not fetched.access or counted is None:
        return fetched
    if counted.used + delta > UNITS_MAX:
        reason = f"The total would pass {UNITS_MAX}: {counted.used} used, {delta} more."
        return replace(fetched, access=False, reason=reason, outcome=Outcome.TOTAL_TOO_LARGE)
    if counted.budget is not None and not counted.overage_enabled and counted.used + delta > counted.budget:
        reason = f"{delta} more would exceed the limit: {counted.used} of {counted.budget} are used."
        return replace(fetched, access=False, reason=reason, outcome=Outcome.LIMIT_EXCEEDED, in_grace=False)
    if fetched.affords is not None and delta > fetched.affords:
        reason = f"{delta} more would exceed the credit, which suffices for {fetched.affords}."
        return replace(fetched, access=False, reason=reason, outcome=Outcome.CREDIT_EXCEEDED, in_grace=False)
    return fetched


def _connection(endpoint: str, user_token: str | None, api_key: str | None, user_id: str | None) -> Connection:
    headers = {"x-api-version": "0.1"}
    if user_token is not None and api_key is None and user_id is None:
        headers["authorization"] = f"Bearer {user_token}"
    elif user_token is None and api_key is not None and user_id is not None:
        headers |= {"authorization": api_key, "x-user-id": _encoded(user_id)}
    else:
        raise InvalidValue("either user_token, or api_key and user_id, must be given", field="user_token")
    return Connection.to(endpoint, path="/client/graphql", headers=headers)


def _encoded(user_id: str) -> str:
    """Return an id encoded for a header: headers are ASCII, but ids may contain any character."""
    try:
        return quote(user_id, safe="")
    except UnicodeEncodeError:
        raise InvalidValue(f"user_id must not contain lone surrogates, got {user_id!r}", field="user_id") from None


class KanaUserClient(Client[SyncDriver]):
    """A blocking client for one user, with their token, or with a public key and their id.

    It fetches everything at the first call and caches it until ``reset_cache()``.

    Raises:
        InvalidValue: neither or both of the two ways are given, or the address is not valid.
    """

    def __init__(
        self,
        *,
        user_token: str | None = None,
        api_key: str | None = None,
        user_id: str | None = None,
        endpoint: str = ENDPOINT,
        retry: Retry = DEFAULT_RETRY,
        timeout_s: float = 5.0,
    ) -> None:
        connection = _connection(endpoint, user_token, api_key, user_id)
        super().__init__(Core(retry=retry, timeout_s=timeout_s), SyncDriver(connection))

    def close(self) -> None:
        """Close the connections that are kept open between calls."""
        self._driver.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class AsyncKanaUserClient(Client[AsyncDriver]):
    """An asynchronous client for one user: each method of KanaUserClient, awaited."""

    def __init__(
        self,
        *,
        user_token: str | None = None,
        api_key: str | None = None,
        user_id: str | None = None,
        endpoint: str = ENDPOINT,
        retry: Retry = DEFAULT_RETRY,
        timeout_s: float = 5.0,
    ) -> None:
        connection = _connection(endpoint, user_token, api_key, user_id)
        super().__init__(Core(retry=retry, timeout_s=timeout_s), AsyncDriver(connection))

    async def aclose(self) -> None:
        """Close the connections that are kept open between calls."""
        await self._driver.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()
