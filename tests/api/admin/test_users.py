"""Users over HTTP: create, change, rename, page, tokens; and what each mistake is called."""

from __future__ import annotations

from typing import Any

import pytest

from kana.api import tokens
from tests.api.admin.calls import (
    CHECK,
    CREATE_USER,
    SHOW,
    TEST,
    TOKEN,
    UPDATE_USER,
    USER,
    name_of,
    record,
    state,
)
from tests.support.serving import Served


def test_only_the_id_is_needed(empty: Served) -> None:
    """All else is null until given, and metadata is an empty object."""
    created = empty.ask(CREATE_USER, {"input": {"id": "a@b.example"}})["createUser"]
    assert created == {
        "id": "a@b.example",
        "billingId": None,
        "name": None,
        "email": None,
        "metadata": {},
        "timeZone": None,
    }
    assert empty.ask(f'{{ user(id: "a@b.example") {{ {USER} }} }}')["user"] == created


def test_a_field_left_out_stays_and_null_clears(empty: Served) -> None:
    """Neither e-mail nor billing id can be changed; the id may be left out."""
    given = {"id": "a", "billingId": "cus_1", "name": "A", "email": "a@b.example", "metadata": {"plan": "x"}}
    given["timeZone"] = "Asia/Tokyo"
    created = empty.ask(CREATE_USER, {"input": given})["createUser"]
    assert created == given
    assert empty.ask(UPDATE_USER, {"id": "a", "input": {}})["updateUser"] == given
    assert empty.ask(UPDATE_USER, {"id": "a", "input": {"id": None, "name": "B"}})["updateUser"] == {
        **given,
        "name": "B",
    }
    cleared = empty.ask(UPDATE_USER, {"id": "a", "input": {"name": None, "metadata": None}})["updateUser"]
    assert cleared == {**given, "name": None, "metadata": {}}
    nowhere = served_zone(empty, None)
    assert nowhere == cleared | {"timeZone": None}
    assert served_zone(empty, "Asia/Kolkata") == cleared | {"timeZone": "Asia/Kolkata"}
    refused = empty.error(UPDATE_USER, {"id": "a", "input": {"email": "c@d.example"}})
    assert "UpdateUserInput" in refused["message"]


def served_zone(served: Served, time_zone: str | None) -> dict[str, Any]:
    """The user "a" after a change of their time zone alone."""
    found = served.ask(UPDATE_USER, {"id": "a", "input": {"timeZone": time_zone}})["updateUser"]
    return dict(found)


def test_a_rename_takes_everything_along(served: Served) -> None:
    """Subscriptions, usage and tokens follow the user; the old id is free, and opens nothing of theirs."""
    record(served, 3)
    token = served.ask(TOKEN, {"userId": "ada"})["generateUserToken"]["token"]
    assert served.ask(UPDATE_USER, {"id": "ada", "input": {"id": "ada2"}})["updateUser"]["id"] == "ada2"
    used = served.ask(SHOW, {"userId": "ada2", "featureId": "message"})["showUsage"]["current"]["consumption"]["used"]
    assert used == 3
    [held] = served.ask('{ subscriptions(userId: "ada2") { userId status } }')["subscriptions"]
    assert held == {"userId": "ada2", "status": "ACTIVE"}
    assert name_of(served.error('{ user(id: "ada") { id } }')) == ("BAD_USER_INPUT", "UserNotFoundError")
    served.ask(CREATE_USER, {"input": {"id": "ada"}})
    assert served.ask(CHECK, {"userId": "ada", "featureId": "message"})["canUseFeature"]["access"] is False
    claims = tokens.verify(token, served.run(served.engine.access.keyring()), now=served.clock.now)
    renamed, newcomer = (served.run(served.engine.accounts.user(TEST, user_id)) for user_id in ("ada2", "ada"))
    assert claims.user_key == renamed.key != newcomer.key


@pytest.mark.parametrize(
    ("query", "variables", "name", "message"),
    [
        (CREATE_USER, {"input": {"id": "ada"}}, "ConflictError", "User 'ada' already exists; a user's id is unique"),
        (
            UPDATE_USER,
            {"id": "ada", "input": {"id": "bob"}},
            "ConflictError",
            "User 'bob' already exists; a user's id is unique",
        ),
        (UPDATE_USER, {"id": "x", "input": {"id": "y"}}, "UserNotFoundError", "User not found: 'x'"),
        (
            UPDATE_USER,
            {"id": "ada", "input": {"id": ""}},
            "InvalidValueError",
            "id must be 1 to 255 characters, got 0: ''",
        ),
        (
            CREATE_USER,
            {"input": {"id": "x", "timeZone": "Mars"}},
            "InvalidValueError",
            "timeZone must be an IANA name such as Europe/Berlin, got 'Mars'",
        ),
        (
            'mutation { setTimeZone(timeZone: "Mars") { timeZone } }',
            None,
            "InvalidValueError",
            "timeZone must be an IANA name such as Europe/Berlin, got 'Mars'",
        ),
        (TOKEN, {"userId": "x"}, "UserNotFoundError", "User not found: 'x'"),
        ('{ user(id: "x") { id } }', None, "UserNotFoundError", "User not found: 'x'"),
        ('{ subscriptions(userId: "x") { id } }', None, "UserNotFoundError", "User not found: 'x'"),
        ("{ users(first: 0) { id } }", None, "InvalidValueError", "first must be 1 to 10000, got 0"),
    ],
)
def test_mistakes(shared: Served, query: str, variables: Any, name: str, message: str) -> None:
    """Each mistake has its name, says what is wrong, and changes nothing."""
    before = state(shared)
    body = shared.post(query, variables).json()
    [error] = body["errors"]
    assert (*name_of(error), error["message"]) == ("BAD_USER_INPUT", name, message)
    assert state(shared) == before


@pytest.mark.parametrize(
    ("arguments", "ids"),
    [
        ("", ["ada", "bob", "eve"]),
        ('(id: "bob")', ["ada", "bob", "eve"]),
        ("(first: 2)", ["ada", "bob"]),
        ('(first: 2, after: "ada")', ["bob", "eve"]),
        ('(first: 2, after: "b")', ["bob", "eve"]),
        ('(after: "eve")', []),
    ],
)
def test_lists(shared: Served, arguments: str, ids: list[str]) -> None:
    """Users come in the order of their ids, page by page; the published argument changes nothing."""
    assert [user["id"] for user in shared.ask(f"{{ users{arguments} {{ id }} }}")["users"]] == ids
