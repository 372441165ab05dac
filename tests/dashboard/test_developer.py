"""Keys, settings, the console and the log of changes, asked for as a browser without scripts would."""

from __future__ import annotations

import json
import re
from html import unescape

import pytest
from graphql import build_schema, parse, validate

from kana.api.admin import read_definitions
from kana.dashboard.pages.log import Difference, differences
from kana.model.colleague import Role
from kana.model.key import KeyKind
from tests.dashboard.desk import Desk, Visitor, text_of
from tests.support.world import LIVE, TEST, TESTER

_KEY = re.compile(r"(?:prv|pub)_(?:test|live)_\w{32}")
_ME = "query { packages { id } }"


def made_key(html: str) -> str:
    """The key that a page shows whole; there is one, in its text and its copy button."""
    [key] = set(_KEY.findall(html))
    return str(key)


def masked(key: str) -> str:
    """A key as lists show it."""
    return f"{key[:13]}…{key[-4:]}"


def test_a_key_is_shown_once_and_works(desk: Desk) -> None:
    """The answer to the form has it, the list after it has not, and the API lets it in at once."""
    owner = desk.colleague(Role.OWNER)
    answer = owner.post("/test/developer/key", kind="private", name="Billing service")
    key = made_key(answer.text)
    assert answer.status_code == 200
    assert "packages" in desk.served.ask(_ME, key=key)
    page = owner.get("/test/developer")
    assert _KEY.findall(page) == []
    assert f"{masked(key)} Private Billing service" in text_of(page)
    assert masked(key) not in owner.get("/live/developer")


def test_the_last_use_of_a_key_is_shown(desk: Desk) -> None:
    """A key that opened nothing yet says never, and one that did says when."""
    owner = desk.colleague(Role.OWNER)
    key = made_key(owner.post("/test/developer/key", kind="private", name="Shop").text)

    def row() -> str:
        return text_of(owner.get("/test/developer")).split(f"{masked(key)} Private Shop ")[1].split(" Active")[0]

    made = row().removesuffix(" Never")
    assert row() == f"{made} Never"
    desk.served.clock.advance(seconds=1)
    desk.served.ask(_ME, key=key)
    assert row() == f"{made} {made}"  # Of the same minute.


def test_a_key_is_rotated_with_overlap(desk: Desk) -> None:
    """The new key has the kind and name of the old one, and both work until the old one is revoked, after a yes."""
    owner = desk.colleague(Role.OWNER)
    old = made_key(owner.post("/live/developer/key", kind="private", name="Shop").text)
    answer = owner.post("/live/developer/rotate", key=masked(old))
    new = made_key(answer.text)
    assert f"{masked(old)} stays valid." in text_of(answer.text)
    assert text_of(owner.get("/live/developer")).count("Private Shop") == 2
    assert desk.served.ask(_ME, key=old) == desk.served.ask(_ME, key=new)
    assert "Programs that still use it get an error." in owner.get(f"/live/developer/revoke?id={masked(old)}")
    assert owner.post(f"/live/developer/revoke?id={masked(old)}").status_code == 303
    assert f"Key {masked(old)} was revoked." in owner.get("/live/developer")
    desk.served.ask(_ME, key=new)
    assert "has already been revoked" in owner.get(f"/live/developer/revoke?id={masked(old)}", status=409)


def test_a_key_of_the_other_environment_is_not_there(desk: Desk) -> None:
    """What is asked for below /test is never done to a key of live."""
    owner = desk.colleague(Role.OWNER)
    key = masked(made_key(owner.post("/live/developer/key", kind="public", name="").text))
    assert owner.post(f"/test/developer/revoke?id={key}").status_code == 404
    assert owner.post("/test/developer/rotate", key=key).status_code == 404
    [kept] = [each for each in desk.served.run(desk.served.engine.access.keys()) if each.masked == key]
    assert kept.revoked_at is None


def test_a_kind_is_private_or_public(desk: Desk) -> None:
    """Another kind, and a name that is too long, make no key."""
    owner = desk.colleague(Role.OWNER)
    before = len(desk.served.run(desk.served.engine.access.keys()))
    assert owner.post("/test/developer/key", kind="master").status_code == 400
    assert owner.post("/test/developer/key", kind="private", name="x" * 256).status_code == 400
    assert len(desk.served.run(desk.served.engine.access.keys())) == before


@pytest.mark.parametrize("environment", [TEST, LIVE])
def test_secure_mode_and_the_secret_are_of_one_environment(desk: Desk, environment: str) -> None:
    """The switch goes on and off, a new secret signs from now on, and the other environment stays as it was."""
    owner, access = desk.colleague(Role.OWNER), desk.served.engine.access
    before = desk.served.run(access.keyring())
    owner.post(f"/{environment}/developer/secure-mode", required="on")
    assert "The Client API now accepts user tokens only." in owner.get(f"/{environment}/developer")
    desk.served.clock.advance(seconds=1)
    owner.post(f"/{environment}/developer/secret")
    desk.served.run(access.keys())  # Reads the keyring anew.
    after = desk.served.run(access.keyring())
    for each in (TEST, LIVE):
        changed = each == environment
        assert after.environments[each].requires_secure_mode is changed
        assert (after.signing_secret(each) != before.signing_secret(each)) is changed
    owner.post(f"/{environment}/developer/secure-mode")
    assert "user tokens and public keys" in owner.get(f"/{environment}/developer")


def test_the_time_zone_is_of_one_environment_and_an_iana_name(desk: Desk) -> None:
    """What is wrong stays in the field beside its error; the other environment stays as it was."""
    owner, access = desk.colleague(Role.OWNER), desk.served.engine.access
    owner.post("/live/developer/time-zone", time_zone="Europe/Berlin")
    page = owner.get("/live/developer")
    assert "Calendars of new subscriptions now follow Europe/Berlin." in page
    assert 'value="Europe/Berlin"' in page
    answer = owner.post("/live/developer/time-zone", time_zone="Berlin")
    assert (answer.status_code, 'value="Berlin"' in answer.text) == (400, True)
    assert "must be an IANA name such as Europe/Berlin, got" in text_of(answer.text)
    assert desk.colleague(Role.EDITOR).post("/live/developer/time-zone", time_zone="UTC").status_code == 403
    desk.served.run(access.keys())  # Reads the keyring anew.
    zones = {each: found.time_zone for each, found in desk.served.run(access.keyring()).environments.items()}
    assert zones == {LIVE: "Europe/Berlin", TEST: "UTC"}


def test_an_older_secret_is_revoked_after_a_yes(desk: Desk) -> None:
    """The one that signs now has no button and stays, and a secret of the other environment is not there."""
    owner, access = desk.colleague(Role.OWNER), desk.served.engine.access
    [old] = [each for each in desk.served.run(access.signing_secrets()) if each.environment == TEST]
    assert f"{old.id} " in text_of(owner.get("/test/developer"))
    assert f"Revoke secret {old.id}" not in owner.get("/test/developer")
    assert owner.post(f"/test/developer/secret/revoke?id={old.id}").status_code == 409
    desk.served.clock.advance(seconds=1)
    owner.post("/test/developer/secret")
    assert f"Revoke secret {old.id}" in owner.get("/test/developer")
    assert owner.post(f"/live/developer/secret/revoke?id={old.id}").status_code == 404
    assert "stop working within a second. This cannot be undone." in owner.get(
        f"/test/developer/secret/revoke?id={old.id}"
    )
    assert owner.post(f"/test/developer/secret/revoke?id={old.id}").status_code == 303
    assert f"Secret {old.id} was revoked." in owner.get("/test/developer")
    states = {each.id: each.revoked_at is not None for each in desk.served.run(access.signing_secrets())}
    assert states.pop(old.id)
    assert not any(states.values())


def test_the_tokens_of_a_user_are_revoked_after_a_yes(desk: Desk) -> None:
    """What tokens must carry goes up, so that those that are out hold no more; a user who is not there has none."""
    editor, served = desk.colleague(Role.EDITOR), desk.served
    assert "All existing tokens of this user stop working. This cannot be undone." in editor.get(
        "/test/user/tokens?id=user-0"
    )
    before = served.run(served.store.users.user(TEST, "user-0")).token_version
    assert editor.post("/test/user/tokens?id=user-0").status_code == 303
    assert "The tokens of user-0 were revoked." in editor.get("/test/user?id=user-0")
    assert served.run(served.store.users.user(TEST, "user-0")).token_version == before + 1
    assert editor.post("/test/user/tokens?id=nobody").status_code == 404


@pytest.mark.parametrize("role", [Role.VIEWER, Role.EDITOR])
def test_who_is_no_owner_only_looks(desk: Desk, role: Role) -> None:
    """Keys are listed for all, without a button that would do something."""
    page = desk.colleague(role).get("/test/developer")
    assert masked(desk.served.keys[TEST][KeyKind.PRIVATE]) in page
    for word in ("Rotate", "Revoke", "Create key", "Create secret", ">Save<"):
        assert word not in page


def shown_example(visitor: Visitor, number: int) -> tuple[str, str]:
    """Question and variables, as the page gives them to the console."""
    page = visitor.get(f"/test/console?example={number}")
    found = re.search(r'data-query="([^"]*)" data-variables="([^"]*)"', page)
    assert found is not None
    return unescape(found[1]), unescape(found[2])


def test_every_example_of_the_console_is_answered(desk: Desk) -> None:
    """The schema knows each of them, and with the ids that it was given the API answers without an error."""
    viewer = desk.colleague(Role.VIEWER)
    schema = build_schema(read_definitions())
    count = viewer.get("/test/console").count("console?example=")
    assert count == 5
    for number in range(count):
        query, variables = shown_example(viewer, number)
        assert validate(schema, parse(query)) == []
        if "mutation Subscribe" not in query:  # They have this package already.
            desk.served.ask(query, json.loads(variables or "{}"))


def test_the_console_says_the_same_for_a_terminal_and_shows_the_schema(desk: Desk) -> None:
    """Without scripts there is the question, its variables, a command without any key, and all definitions."""
    page = text_of(desk.colleague(Role.VIEWER).get("/live/console?example=1"))
    assert "mutation Record($input: CreateUsageEventInput!)" in page
    assert f'curl {desk.served.url}/graphql -H "Authorization: $KANA_KEY"' in page
    assert "type Mutation {" in page
    assert not _KEY.search(page)


def test_the_schema_of_the_console_is_what_introspection_answers(desk: Desk) -> None:
    """Its help knows every type, though nobody has typed a key yet."""
    answer = desk.colleague(Role.VIEWER).http.get("/test/console/schema.json")
    names = {each["name"] for each in answer.json()["__schema"]["types"]}
    assert {"Query", "Mutation", "RecordedUsage", "Units"} <= names
    assert answer.headers["content-type"] == "application/json"


def test_the_api_does_not_take_the_cookies_of_the_dashboard(desk: Desk) -> None:
    """An owner who is signed in and sends no key is nobody to GraphQL."""
    answer = desk.colleague(Role.OWNER).http.post("/graphql", json={"query": _ME})
    assert answer.json()["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"


def test_the_log_tells_who_did_what(desk: Desk) -> None:
    """A change of a person's is in it with their address, before and after; of one thing when asked for one."""
    editor, catalog = desk.colleague(Role.EDITOR), desk.served.engine.catalog
    desk.served.run(catalog.update_package(TEST, "hostile", {"name": "Harmless"}, by=TESTER))
    page = editor.get("/test/log?subject=hostile")
    assert "tester cli Package updated hostile name <script>alert(1)</script> → Harmless" in text_of(page)
    assert "Package created" in page
    assert "basic" not in text_of(page).replace("basic-plan", "")
    assert "No changes to anything with this identifier." in editor.get("/test/log?subject=unknown")
    assert "Harmless" not in editor.get("/live/log")


def test_the_log_has_pages(desk: Desk) -> None:
    """Fifty changes a page; the link leads to the older ones, and the last page has none."""
    viewer, catalog = desk.colleague(Role.VIEWER), desk.served.engine.catalog
    for number in range(60):
        desk.served.clock.advance(seconds=1)
        desk.served.run(catalog.update_package(TEST, "hostile", {"name": f"Plan {number}"}, by=TESTER))
    page = viewer.get("/test/log?subject=hostile")
    assert "→ Plan 59" in text_of(page)
    assert "→ Plan 10" in text_of(page)
    assert "→ Plan 9 " not in text_of(page)
    link = re.search(r'rel="next" href="([^"]*)"', page)
    assert link is not None
    older = viewer.get(link[1].replace("&amp;", "&"))
    assert "→ Plan 9 " in text_of(older)
    assert 'rel="next"' not in older
    assert viewer.http.get("/test/log?after=x").status_code == 400


def test_a_difference_names_what_changed() -> None:
    """Values by their paths, features of a package by their ids; what stayed and when it was written are left out."""
    held = {"feature_id": "message", "allowance": {"limit": 10, "overage_enabled": False}}
    before = {"name": "Basic", "updated_at": "then", "is_addon": False, "features": [held], "base_package_ids": []}
    after = {
        **before,
        "updated_at": "now",
        "is_addon": True,
        "features": [{"feature_id": "message", "allowance": {"limit": None, "overage_enabled": False}}],
        "base_package_ids": ["basic", "pro"],
    }
    assert list(differences(before, after)) == [
        Difference("is_addon", "no", "yes"),
        Difference("features.message.allowance.limit", "10", None),
        Difference("base_package_ids", None, "basic, pro"),
    ]
    assert list(differences(None, {"name": "x", "metadata": {}})) == [Difference("name", None, "x")]
    assert list(differences(None, None)) == []
