"""What one user is told of themselves, by their token or by the public key."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.admin.calls import (
    CREATE_FEATURE,
    CREATE_PACKAGE,
    PUBLISH,
    SUBSCRIBE,
    UPDATE_FEATURE,
    UPDATE_PACKAGE,
    UPDATE_USER,
    record,
)
from tests.api.client.calls import (
    CURRENT_USER,
    LIVE,
    WHOLE_USER,
    as_anyone,
    as_user,
    post,
    public_key,
    refusal,
    token_of,
)
from tests.support.serving import Served

ALLOWED = (
    "The user has a subcription to a package with this consumable feature"
    " and either has an allowance remaining or overage is enabled."
)


def test_the_client_of_kana_gets_exactly_what_it_selects(served: Served) -> None:
    """Kana's own document answers a package, its features and what each still allows."""
    record(served, 4)

    body = post(served, {"Authorization": public_key(served), "X-User-ID": "ada"}, CURRENT_USER).json()

    def feature(feature_id: str, kind: str, consumption: dict[str, int] | None) -> dict[str, Any]:
        entitlement = {"access": True, "consumption": consumption}
        return {"id": feature_id, "name": feature_id, "type": kind, "entitlement": entitlement}

    assert body == {
        "data": {
            "currentUser": {
                "id": "ada",
                "name": None,
                "email": None,
                "subscribedPackages": [
                    {
                        "id": "basic",
                        "name": "basic",
                        "isAddon": False,
                        "features": [
                            feature("message", "CONSUMABLE", {"budget": 10, "used": 4}),
                            feature("support", "BINARY", None),
                        ],
                    }
                ],
            }
        }
    }


def test_a_token_shows_its_user_everything(served: Served) -> None:
    """In secure mode names, e-mail and metadata are the user's own to see, as are the fields that came later."""
    served.ask('mutation { createUser(input: {id: "zoe", name: "Zoe", email: "zoe@example.com"}) { id } }')
    served.ask(SUBSCRIBE, {"userId": "zoe", "packageIds": ["open"]})
    served.ask(UPDATE_FEATURE, {"id": "message", "input": {"metadata": {"icon": "mail"}}})
    served.ask(UPDATE_PACKAGE, {"id": "open", "input": {"metadata": {"rank": 2}}})
    record(served, 12, userId="zoe")

    user = as_user(served, token_of(served, "zoe"))

    assert user == {
        "id": "zoe",
        "name": "Zoe",
        "email": "zoe@example.com",
        "subscribedPackages": [
            {
                "id": "open",
                "name": "open",
                "isAddon": False,
                "metadata": {"rank": 2},
                "features": [
                    {
                        "id": "message",
                        "name": "message",
                        "type": "CONSUMABLE",
                        "unitLabel": "message",
                        "unitLabelPlural": None,
                        "metadata": {"icon": "mail"},
                        "entitlement": {
                            "access": True,
                            "reason": ALLOWED,
                            "outcome": "RECORDED",
                            "consumption": {"used": 12, "budget": 10, "overageEnabled": True},
                        },
                    }
                ],
            }
        ],
    }


def test_simple_mode_shows_neither_name_nor_email_nor_metadata(served: Served) -> None:
    """Whoever has the public key may name any user, so what is personal is null; the rest is the same."""
    served.ask('mutation { createUser(input: {id: "zoe", name: "Zoe", email: "zoe@example.com"}) { id } }')
    served.ask(SUBSCRIBE, {"userId": "zoe", "packageIds": ["open"]})
    served.ask(UPDATE_FEATURE, {"id": "message", "input": {"metadata": {"icon": "mail"}}})
    served.ask(UPDATE_PACKAGE, {"id": "open", "input": {"metadata": {"rank": 2}}})

    secure, simple = as_user(served, token_of(served, "zoe")), as_anyone(served, "zoe")

    [package] = secure["subscribedPackages"]
    expected = {
        **secure,
        "name": None,
        "email": None,
        "subscribedPackages": [
            {**package, "metadata": None, "features": [{**package["features"][0], "metadata": None}]}
        ],
    }
    assert simple == expected


@pytest.mark.parametrize("query", [CURRENT_USER, WHOLE_USER])
def test_an_unknown_user_looks_like_one_without_packages(shared: Served, query: str) -> None:
    """Nobody learns from the public key who is a user: both answers are the same to the byte, but for the id."""
    known, unknown = (
        post(shared, {"Authorization": public_key(shared), "X-User-ID": user_id}, query) for user_id in ("bob", "xyz")
    )

    assert (known.status_code, unknown.status_code) == (200, 200)
    assert known.content == unknown.content.replace(b"xyz", b"bob")
    assert known.json()["data"]["currentUser"]["subscribedPackages"] == []


def test_the_most_generous_package_answers_wherever_a_feature_stands(served: Served) -> None:
    """Kana's client keeps the first feature of an id, so each package shows the entitlement that holds."""
    for package_id, limit in (("small", 2), ("large", 50)):
        entitlement = {"limit": limit, "resetPeriod": "MONTH"}
        given = {"id": package_id, "isAddon": True, "features": {"id": "message", "entitlement": entitlement}}
        served.ask(CREATE_PACKAGE, {"input": given})
        served.ask(PUBLISH, {"id": package_id})
    served.ask(SUBSCRIBE, {"userId": "ada", "packageIds": ["small", "large"]})
    record(served, 7)

    packages = as_anyone(served, "ada")["subscribedPackages"]

    assert [(package["id"], package["isAddon"]) for package in packages] == [
        ("basic", False),
        ("small", True),
        ("large", True),
    ]
    shown = [feature["entitlement"] for package in packages for feature in package["features"][:1]]
    consumption = {"used": 7, "budget": 50, "overageEnabled": False}
    allowed = {"access": True, "reason": ALLOWED, "outcome": "RECORDED", "consumption": consumption}
    assert shown == [allowed] * 3


def test_what_is_used_up_or_unlimited_says_so(served: Served) -> None:
    """Without units left access is false; without a limit the budget is null, which Kana's client passes on."""
    record(served, 10)
    served.ask(CREATE_FEATURE, {"input": {"id": "export", "type": "CONSUMABLE"}})
    served.ask(CREATE_PACKAGE, {"input": {"id": "exports", "isAddon": True, "features": {"id": "export"}}})
    served.ask(PUBLISH, {"id": "exports"})
    served.ask(SUBSCRIBE, {"userId": "ada", "packageIds": ["exports"]})

    basic, exports = as_anyone(served, "ada")["subscribedPackages"]

    spent, endless = basic["features"][0]["entitlement"], exports["features"][0]["entitlement"]
    assert (spent["access"], spent["consumption"]) == (False, {"used": 10, "budget": 10, "overageEnabled": False})
    assert (endless["access"], endless["consumption"]["budget"]) == (True, None)


def test_a_cancelled_subscription_is_gone(served: Served) -> None:
    """Only packages that give access now are shown."""
    [subscription] = served.ask('{ subscriptions(userId: "ada") { id } }')["subscriptions"]
    served.ask("mutation($id: String!) { cancelSubscription(id: $id) { status } }", subscription)

    assert as_anyone(served, "ada")["subscribedPackages"] == []


def test_a_token_follows_a_user_who_is_renamed(served: Served) -> None:
    """The token keeps naming the person: not the id they had, and not who has that id next."""
    token = token_of(served, "ada")
    record(served, 3)
    served.ask(UPDATE_USER, {"id": "ada", "input": {"id": "ada-lovelace"}})
    served.ask('mutation { createUser(input: {id: "ada"}) { id } }')

    user = as_user(served, token)

    assert user["id"] == "ada-lovelace"
    assert user["subscribedPackages"][0]["features"][0]["entitlement"]["consumption"]["used"] == 3
    assert as_user(served, token_of(served, "ada")) == {
        "id": "ada",
        "name": None,
        "email": None,
        "subscribedPackages": [],
    }


def test_the_token_decides_and_not_the_header(shared: Served) -> None:
    """In secure mode X-User-ID is not looked at, whatever stands in it."""
    token = token_of(shared, "ada")
    for header in ("eve", "", "\u00e9", "x" * 300):
        response = post(shared, {"Authorization": f"Bearer {token}", "X-User-ID": header}, "{ currentUser { id } }")
        assert response.json() == {"data": {"currentUser": {"id": "ada"}}}


def test_the_key_says_which_environment(served: Served) -> None:
    """The live public key sees nobody of test, and the other way round."""
    assert as_anyone(served, "ada")["subscribedPackages"] != []
    assert as_anyone(served, "ada", environment=LIVE)["subscribedPackages"] == []


@pytest.mark.parametrize(
    ("header", "message"),
    [
        (None, "X-User-ID must be 1 to 255 characters, got 0: ''"),
        ("", "X-User-ID must be 1 to 255 characters, got 0: ''"),
        ("x" * 256, "X-User-ID must be 1 to 255 characters, got 256: "),
        (b"a%00b", "X-User-ID must not contain control characters"),
        (b"%F0%9F%98%80" * 256, "X-User-ID must be 1 to 255 characters, got 256: "),
    ],
)
def test_a_header_that_names_nobody_is_an_error(shared: Served, header: str | bytes | None, message: str) -> None:
    """Simple mode needs an id that a user could have; the error says which header is wrong."""
    headers: dict[str, str | bytes] = {"Authorization": public_key(shared)}
    if header is not None:
        headers["X-User-ID"] = header

    response = post(shared, headers)

    code, said = refusal(response)
    assert code == "BAD_USER_INPUT"
    assert said.startswith(message)


def test_ids_of_any_script_are_named_in_utf8(served: Served) -> None:
    """A browser that can send such a header sends UTF-8."""
    served.ask('mutation { createUser(input: {id: "김/é"}) { id } }')

    assert as_anyone(served, "김/é")["id"] == "김/é"
