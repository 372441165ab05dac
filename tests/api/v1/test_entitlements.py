"""All that a user may do, in one go, for a server or for the user's own browser."""

from __future__ import annotations

import httpx

from kana.model.environment import Environment
from kana.model.key import KeyKind
from tests.support.serving import Served
from tests.support.v1 import Caller, send

ONE = {"userId": "ada", "featureId": "message"}


def read(served: Served, key: str | None, user_id: str = "ada", **headers: str) -> httpx.Response:
    """The entitlements of a user, with a key or a token."""
    return send(served, "entitlements", {"userId": user_id}, key=key, headers=headers)


def token(v1: Caller, user_id: str = "ada") -> str:
    made: str = v1("generateUserToken", userId=user_id)["token"]
    return made


def test_each_feature_is_what_a_check_of_one_unit_answers(v1: Caller) -> None:
    """With the end of its period; a feature that nothing gives the user is not there."""
    v1("recordUsage", input={**ONE, "delta": 10})

    features = {each["featureId"]: each for each in v1("entitlements", userId="ada")["features"]}

    assert set(features) == {"message", "support"}
    for feature_id, each in features.items():
        check = v1("canUseFeature", userId="ada", featureId=feature_id)
        assert {name: each[name] for name in check} == check
    assert (features["message"]["access"], features["message"]["resetsAt"]) == (False, "2026-04-10T12:00:00.000Z")
    assert (features["support"]["type"], features["support"]["resetsAt"]) == ("BINARY", None)
    assert v1("entitlements", userId="bob")["features"] == []


def test_the_same_again_is_304(served: Served, v1: Caller) -> None:
    """For as long as nothing has changed; the tag of another user or of before is another one."""
    first = read(served, v1.key)
    tag = first.headers["etag"]
    assert first.headers["cache-control"] == "private, no-cache"
    assert first.headers["vary"] == "authorization"

    for sent in (tag, f'"other", W/{tag}', "*"):
        again = read(served, v1.key, **{"If-None-Match": sent})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
        assert again.headers.keys().isdisjoint({"content-length", "content-type", "transfer-encoding"})
    assert read(served, v1.key, **{"If-None-Match": '"other"'}).status_code == 200
    assert read(served, v1.key, "eve", **{"If-None-Match": tag}).status_code == 200

    v1("recordUsage", input=ONE)
    changed = read(served, v1.key, **{"If-None-Match": tag})
    assert changed.status_code == 200
    assert changed.headers["etag"] != tag


def test_a_token_reads_its_own_users(served: Served, v1: Caller) -> None:
    """The same as a server reads, under the id that the user has now; of others that there is nobody."""
    own = token(v1)
    assert read(served, own).json() == read(served, v1.key).json()
    for other in ("eve", "nobody"):
        answer = read(served, own, other)
        assert (answer.status_code, answer.json()["detail"]) == (404, f"User not found: '{other}'")

    v1("updateUser", id="ada", input={"id": "lovelace"})
    assert read(served, own).status_code == 404
    assert read(served, own, "lovelace").status_code == 200


def test_a_token_that_is_revoked_reads_nothing(served: Served, v1: Caller) -> None:
    """Nor one that is none, nor a public key, in the same words; too often from one address has to wait."""
    own = token(v1)
    v1("revokeUserTokens", userId="ada")
    public = served.keys[Environment.TEST][KeyKind.PUBLIC]
    said = {read(served, key).json()["detail"] for key in (own, "a.b.c", public, None)}
    assert said == {"Unauthenticated: a valid key is needed in the Authorization header."}

    for _ in range(10):
        answer = read(served, "a.b.c")
    assert (answer.status_code, int(answer.headers["retry-after"]) > 0) == (429, True)
    assert read(served, token(v1)).status_code == 200


def test_a_page_of_any_origin_may_ask(served: Served, v1: Caller) -> None:
    """With the header of the token, and it may read the tag; no other address answers pages."""
    asked = {"Origin": "https://shop.example", "Access-Control-Request-Headers": "authorization, if-none-match"}
    before = served.http.options("/v1/users/ada/entitlements", headers=asked)
    assert (before.status_code, before.headers["access-control-allow-methods"]) == (204, "GET")
    assert before.headers["access-control-allow-headers"] == "authorization, if-none-match"
    after = read(served, token(v1), Origin="https://shop.example")
    assert after.headers["access-control-allow-origin"] == "*"
    assert "etag" in after.headers["access-control-expose-headers"]

    assert "access-control-allow-origin" not in v1.raw("GET", "/v1/users/ada").headers
    assert "access-control-allow-origin" not in served.http.options("/v1/users/ada", headers=asked).headers
