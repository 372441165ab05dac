"""What the protocol asks of us: values, reasons, metadata, errors, tags."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import httpx
import pytest

from kana.model.catalog import Catalog
from kana.model.environment import Environment
from kana.model.key import KeyKind
from kana.model.text import UNITS_MAX
from tests.api.admin.calls import record
from tests.api.client.calls import token_of
from tests.support.serving import Served
from tests.support.world import TEST, TESTER, a_feature

PATH = "/ofrep/v1/evaluate/flags"


def ask(served: Served, key: str = "", context: Any = None, *, by: str | None = None, **headers: str) -> httpx.Response:
    """Ask for a flag, or all of them, about ada with the private key unless something else is said."""
    credential = served.keys[TEST][KeyKind.PRIVATE] if by is None else by
    body = {"context": {"targetingKey": "ada"} if context is None else context}
    path = f"{PATH}/{key}" if key else PATH
    return served.http.post(path, json=body, headers={"Authorization": credential, **headers})


def test_each_flag_of_a_feature(served: Served) -> None:
    """A boolean, what remains, and an object; the metadata has no structure; a limit that is reached says so."""
    record(served, 9)
    said = ask(served, "message").json()
    about = said.pop("metadata")
    assert said == {"key": "message", "value": True, "reason": "TARGETING_MATCH", "variant": "on"}
    assert {"used": 9, "limit": 10, "remaining": 1, "outcome": "RECORDED"}.items() <= about.items()
    assert {type(each) for each in about.values()} <= {int, str, bool}
    assert about["resetsAt"].endswith("Z")
    for delta, value in ((2, False), (1, True), ("1", True), (1.0, True)):
        assert ask(served, "message", {"targetingKey": "ada", "delta": delta}).json()["value"] is value
    assert ask(served, "message:remaining").json()["value"] == 1
    whole = ask(served, "message%3Aentitlement").json()
    assert whole["value"] == {"access": True, **about}
    record(served)
    refused = ask(served, "message").json()
    assert (refused["value"], refused["variant"], refused["metadata"]["outcome"]) == (False, "off", "LIMIT_EXCEEDED")
    assert ask(served, "support").json()["value"] is True
    assert record(served, 1, userId="eve")["recorded"], "asking used nothing"


def test_what_is_unlimited_and_what_nobody_has(served: Served) -> None:
    """The largest number that every language can hold; false for what nothing gives them."""
    served.run(served.engine.accounts.subscribe(TEST, "bob", ["endless"]))
    context = {"targetingKey": "bob"}
    assert ask(served, "message:remaining", context).json()["value"] == UNITS_MAX
    nothing = ask(served, "support", context).json()
    assert (nothing["value"], nothing["reason"]) == (False, "DEFAULT")
    assert nothing["metadata"]["outcome"] == "NO_SUBSCRIPTION"


def test_all_of_them_at_once(served: Served) -> None:
    """In the order of the catalogue, as each is by itself."""
    flags = ask(served).json()["flags"]
    keys = [each["key"] for each in flags]
    assert keys == ["message", "message:remaining", "message:entitlement", "support", "support:entitlement"]
    assert [ask(served, key).json() for key in keys] == flags


def test_nothing_is_sent_again_that_has_not_changed(served: Served) -> None:
    """By the tag, which another user's and another amount's answer does not share, even if they say the same."""
    served.run(served.engine.accounts.create_user(TEST, id="zoe"))
    served.run(served.engine.accounts.create_user(TEST, id="zoë/1"))
    first = ask(served)
    tag = first.headers["etag"]
    assert ask(served, **{"If-None-Match": tag}).status_code == 304
    record(served)
    assert ask(served, **{"If-None-Match": tag}).status_code == 200
    tags = {ask(served, context={"targetingKey": user}).headers["etag"] for user in ("zoe", "zoë/1")}
    assert len(tags) == 2


def test_a_key_may_have_any_sign(served: Served) -> None:
    """Encoded or not; a feature of exactly that name goes before the end of another one's."""

    def change(catalog: Catalog, _: datetime) -> Catalog:
        for name in ("a/b", "zoë", "message:remaining"):
            catalog = catalog.with_feature(a_feature(name, binary=True))
        return catalog

    served.run(served.engine.catalog.apply(TEST, change, by=TESTER))
    for key in ("a/b", "a%2Fb", "zo%C3%AB", "a/b:entitlement"):
        assert ask(served, key).status_code == 200
    assert ask(served, "message:remaining").json()["value"] is False


@pytest.mark.parametrize(
    ("key", "body", "status", "code"),
    [
        ("nothing", {"context": {"targetingKey": "ada"}}, 404, "FLAG_NOT_FOUND"),
        ("support:remaining", {"context": {"targetingKey": "ada"}}, 404, "FLAG_NOT_FOUND"),
        ("message", {"context": {"targetingKey": "nobody"}}, 400, "INVALID_CONTEXT"),
        ("message", {"context": {"targetingKey": "ada", "delta": 0}}, 400, "INVALID_CONTEXT"),
        ("message", {"context": {"targetingKey": "ada", "delta": "many"}}, 400, "INVALID_CONTEXT"),
        ("message", {"context": {}}, 400, "TARGETING_KEY_MISSING"),
        ("message", {"context": {"targetingKey": 7}}, 400, "TARGETING_KEY_MISSING"),
        ("message", {}, 400, "TARGETING_KEY_MISSING"),
        ("message", {"context": None}, 400, "INVALID_CONTEXT"),
        ("message", [], 400, "INVALID_CONTEXT"),
        ("%FF", {"context": {"targetingKey": "ada"}}, 400, "INVALID_CONTEXT"),
        ("", {"context": {"targetingKey": "nobody"}}, 400, "INVALID_CONTEXT"),
    ],
)
def test_errors_in_the_words_of_the_protocol(served: Served, key: str, body: Any, status: int, code: str) -> None:
    """With the key where one was asked for, and details for people."""
    path = f"{PATH}/{key}" if key else PATH
    answer = served.http.post(path, json=body, headers={"Authorization": served.keys[TEST][KeyKind.PRIVATE]})
    said = answer.json()
    assert (answer.status_code, said["errorCode"]) == (status, code)
    assert said["errorDetails"]
    assert ("key" in said) is bool(key)


def test_a_body_that_is_no_json(served: Served) -> None:
    """It is a PARSE_ERROR."""
    headers = {"Authorization": served.keys[TEST][KeyKind.PRIVATE]}
    answer = served.http.post(f"{PATH}/message", content=b"{", headers=headers)
    assert (answer.status_code, answer.json()["errorCode"]) == (400, "PARSE_ERROR")


def test_who_may_ask_about_whom(served: Served) -> None:
    """A server about everybody; a token about its own user; a public key as in simple mode; nobody else at all."""
    token = token_of(served, "ada")
    assert ask(served, "message", by=f"Bearer {token}").json()["value"] is True
    assert ask(served, "message", {}, by=token).json()["value"] is True
    other = ask(served, "message", {"targetingKey": "eve"}, by=token)
    assert (other.status_code, other.json()["errorCode"]) == (400, "INVALID_CONTEXT")
    public = served.keys[TEST][KeyKind.PUBLIC]
    assert ask(served, "message", by=public).json()["value"] is True
    served.ask("mutation { setSecureModeRequired(required: true) { requiresSecureMode } }")
    assert ask(served, "message", by=public).status_code == 401
    assert ask(served, "message", by="prv_test_wrong").status_code == 401
    assert ask(served, "message", by=served.keys[Environment.LIVE][KeyKind.PRIVATE]).status_code == 404


def test_a_page_of_any_origin_may_ask(served: Served) -> None:
    """And read the tag."""
    headers = {"Origin": "https://product.example", "Access-Control-Request-Headers": "authorization,content-type"}
    asked = served.http.options(PATH, headers=headers)
    assert (asked.status_code, asked.headers["access-control-allow-origin"]) == (204, "*")
    assert "etag" in ask(served, Origin="https://product.example").headers["access-control-expose-headers"]
