"""The user's own client: a token, or a public key and an id, and everything kept until it is reset."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from kana.errors import InvalidValue, Unauthenticated
from kana.sdk import AsyncKanaUserClient, Consumption, FeatureType, Grant, KanaAdmin, KanaUserClient, Outcome
from kana.sdk.wire import UNITS_MAX
from tests.sdk.people import meter, subscribed, value
from tests.support.server import KanaServer

Login = Callable[[str], dict[str, Any]]


@pytest.fixture(params=["token", "public key"])
def login(request: pytest.FixtureRequest, server: KanaServer, kana: KanaAdmin) -> Login:
    """Each way in, for a user's id."""
    public_key = server.keys["environments"]["test"]["public_key"]
    if request.param == "token":
        return lambda user_id: {"user_token": kana.users.generate_token(user_id=user_id).token}
    return lambda user_id: {"api_key": public_key, "user_id": user_id}


@pytest.mark.parametrize("client", [KanaUserClient, AsyncKanaUserClient])
async def test_a_user_sees_what_they_may_do(
    server: KanaServer, kana: KanaAdmin, user: str, login: Login, client: Any
) -> None:
    """Access is counted in what was fetched; what no package holds is no access, and no error."""
    own = client(endpoint=server.address, **login(user))
    kana.features.record_usage(user_id=user, feature_id=meter(user), delta=8)
    assert (await value(own.can_use_feature(meter(user)))).access is True
    assert (await value(own.can_use_feature(meter(user), 2))).access is True
    full = await value(own.can_use_feature(meter(user), "3"))
    assert (full.access, full.reason) == (False, "3 more would exceed the limit: 8 of 10 are used.")
    assert (full.outcome, full.consumption) == (
        Outcome.LIMIT_EXCEEDED,
        Consumption(used=8, budget=10, overage_enabled=False),
    )
    vast = await value(own.can_use_feature(meter(user), UNITS_MAX))
    assert (vast.access, vast.outcome) == (False, Outcome.TOTAL_TOO_LARGE)
    assert vast.reason == f"The total would pass {UNITS_MAX}: 8 used, {UNITS_MAX} more."
    assert (await value(own.can_use_feature(meter(user)))).outcome is Outcome.RECORDED
    missing = await value(own.can_use_feature("unheard-of"))
    assert (missing.access, missing.outcome, missing.consumption) == (False, Outcome.NO_SUBSCRIPTION, None)
    assert missing.reason == "None of the user's packages contains the feature unheard-of."

    [package] = await value(own.get_subscribed_packages())
    assert (package.id, package.is_addon) == (f"package-of-{user}", False)
    [feature] = await value(own.get_subscribed_features())
    assert (feature.id, feature.type) == (meter(user), FeatureType.CONSUMABLE)
    assert feature.entitlement.consumption.used == 8
    await value(own.close() if client is KanaUserClient else own.aclose())


@pytest.mark.parametrize("user_id", ["zoë", "김/é", "100%", "a%41b", "a%2541b", "a b", "ada@example.com", "😀", "%"])
async def test_an_id_of_any_script_is_sent(server: KanaServer, kana: KanaAdmin, number: int, user_id: str) -> None:
    """By the header of simple mode, which holds ASCII only: what arrives is the id."""
    whose = subscribed(kana, f"{user_id}-{number}", limit=5)
    public_key = server.keys["environments"]["test"]["public_key"]
    for client in (KanaUserClient, AsyncKanaUserClient):
        own: Any = client(endpoint=server.address, api_key=public_key, user_id=whose)
        assert (await value(own.can_use_feature(meter(whose)))).access is True
        await value(own.close() if client is KanaUserClient else own.aclose())


def test_half_a_pair_is_no_id() -> None:
    """It is refused at once, and says which argument it is."""
    with pytest.raises(InvalidValue, match=r"^user_id must not contain lone surrogates"):
        KanaUserClient(api_key="pub_test_x", user_id="\ud83d")


def test_answers_stay_until_they_are_reset(server: KanaServer, kana: KanaAdmin, user: str, login: Login) -> None:
    """Usage after the first question is seen after reset_cache, and not before."""
    with KanaUserClient(endpoint=server.address, **login(user)) as own:
        assert own.can_use_feature(meter(user)).access is True
        kana.features.record_usage(user_id=user, feature_id=meter(user), delta=10)
        assert own.can_use_feature(meter(user)).access is True
        own.reset_cache()
        assert own.can_use_feature(meter(user)).access is False


async def test_a_feature_of_two_packages_is_there_once(
    server: KanaServer, kana: KanaAdmin, user: str, login: Login
) -> None:
    """An add-on with the same feature adds no second entry."""
    addon = f"addon-of-{user}"
    kana.packages.create(
        id=addon, is_addon=True, features=[Grant(id=meter(user), limit=20, reset_period="MONTH", overage_enabled=True)]
    )
    kana.packages.publish(id=addon)
    kana.subscriptions.create(user_id=user, package_ids=[addon])
    async with AsyncKanaUserClient(endpoint=server.address, **login(user)) as own:
        assert len(await own.get_subscribed_packages()) == 2
        [feature] = await own.get_subscribed_features()
        assert feature.entitlement.consumption is not None
        assert feature.entitlement.consumption.budget == 20
        assert (await own.can_use_feature(meter(user), 21)).access is True


def test_a_wrong_token_is_refused(server: KanaServer) -> None:
    """A token that opens nothing raises, as does a private key where a public one belongs."""
    logins: list[dict[str, Any]] = [{"user_token": "a.b.c"}, {"api_key": server.private_key, "user_id": "u"}]
    for login in logins:
        with KanaUserClient(endpoint=server.address, **login) as own, pytest.raises(Unauthenticated):
            own.get_subscribed_packages()


@pytest.mark.parametrize(
    "login",
    [{}, {"api_key": "k"}, {"user_id": "u"}, {"user_token": "t", "api_key": "k"}, {"user_token": "t", "user_id": "u"}],
)
def test_there_is_one_way_in(login: dict[str, Any]) -> None:
    """A token alone, or a public key with an id: anything else is refused at once."""
    with pytest.raises(InvalidValue, match="either user_token, or api_key and user_id, must be given"):
        KanaUserClient(**login)
