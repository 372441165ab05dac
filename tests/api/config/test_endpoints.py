"""GET /cli/pull, POST /cli/validate, POST /cli/publish and the schema, over HTTP."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from kana.model.config import BYTES_MAX, VALUES_MAX
from kana.model.environment import Environment
from kana.model.key import KeyKind
from tests.support.serving import Served
from tests.support.tree import SOURCE
from tests.support.world import LIVE, TEST, a_usage


def call(
    served: Served, verb: str, body: Any = None, *, environment: Environment = TEST, key: str | None = None
) -> httpx.Response:
    """Call one of the three addresses with a private key."""
    key = served.keys[environment][KeyKind.PRIVATE] if key is None else key
    method = "GET" if verb == "pull" else "POST"
    content = body if isinstance(body, bytes) else None if body is None else json.dumps(body).encode()
    return served.http.request(method, f"/cli/{verb}", content=content, headers={"Authorization": key})


def data(served: Served, body: Any) -> list[str]:
    """The lines of ``validate``."""
    found: list[str] = call(served, "validate", body).json()["data"]
    return found


def a_file(**changes: Any) -> dict[str, Any]:
    """A configuration as the command line posts it."""
    return {
        "version": "1.0.0",
        "features": [
            {"id": "api-calls", "name": "API Calls", "type": "CONSUMABLE"},
            {"id": "messages", "name": "Messages", "type": "BINARY"},
        ],
        "packages": {
            "draft": [
                {
                    "id": "pro",
                    "name": "Pro",
                    "features": [
                        {"id": "api-calls", "limit": 50, "overage_enabled": False, "reset_period": "MONTH"},
                        {"id": "messages"},
                    ],
                }
            ],
            "published": [
                {
                    "id": "free",
                    "name": "Free",
                    "features": [{"id": "api-calls", "limit": None, "overage_enabled": True}],
                }
            ],
        },
        "addons": {
            "draft": [],
            "published": [
                {
                    "id": "extra",
                    "name": "Extra",
                    "base_packages": ["free"],
                    "trial_days": 14,
                    "features": [{"id": "api-calls", "limit": 5, "overage_enabled": False}],
                }
            ],
        },
    } | changes


def test_an_empty_workspace_is_pulled_as_empty_lists(shared: Served) -> None:
    """``packages`` is an object and ``features`` a list, without which Kana's command line crashes."""
    answer = call(shared, "pull")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    body = answer.json()
    revision = body.pop("revision")
    assert body == {
        "app": "tests",
        "version": "1.0.0",
        "features": [],
        "packages": {"draft": [], "published": []},
        "addons": {"draft": [], "published": []},
    }
    assert revision.startswith("test_")
    assert revision.endswith("@0")


def test_what_is_published_is_what_is_pulled(served: Served) -> None:
    """Publish answers with the new state, which is the file, and pull with the same; a review of it is empty."""
    published = call(served, "publish", a_file())
    assert published.status_code == 200, published.text
    body = published.json()
    assert call(served, "pull").json() == body
    assert body.pop("revision").endswith("@1")
    assert body.pop("app") == "tests"
    assert body == a_file()
    assert data(served, a_file()) == []


def test_validate_lists_what_publish_would_do_and_does_nothing(shared: Served) -> None:
    """``data`` are the lines as Kana's command line shows them, ``lines`` the same for programs."""
    answer = call(shared, "validate", a_file(packages={}, addons={})).json()
    assert answer["data"] == [
        "Feature 'api-calls' is created as CONSUMABLE.",
        "Feature 'messages' is created as BINARY.",
    ]
    assert answer["lines"][0] == {
        "severity": "CHANGE",
        "text": "Feature 'api-calls' is created as CONSUMABLE.",
        "action": "create",
        "subject": "feature",
        "id": "api-calls",
    }
    assert call(shared, "pull").json()["features"] == []


def test_a_lower_limit_counts_for_subscribers_at_once(served: Served) -> None:
    """The review warned of it: who used more than the new limit is refused from that moment."""
    call(served, "publish", a_file())
    served.run(served.engine.accounts.create_user(TEST, id="ada"))
    served.run(served.engine.accounts.subscribe(TEST, "ada", ["free"]))
    served.run(served.engine.usage.record(a_usage(7, user_id="ada", feature_id="api-calls")))
    lower = a_file()
    lower["packages"]["published"][0]["features"] = [{"id": "api-calls", "limit": 5}]

    review = call(served, "validate", lower).json()
    call(served, "publish", lower)

    what = "Package 'free' changes 'api-calls' from unlimited with overage to 5 in all"
    assert review["data"] == [
        f"[WARNING] {what}: this touches 1 subscriber, 1 of them above 5 already in their current period.",
        f"{what} (at once for 1 subscriber).",
    ]
    assert [(line["subscribers"], line["over"]) for line in review["lines"]] == [(1, 1), (1, 1)]
    decision = served.run(served.engine.usage.check(TEST, "ada", "api-calls", delta=1))
    assert decision.access is False


def test_environments_never_meet(served: Served) -> None:
    """The key alone says which environment is pulled, compared and published."""
    call(served, "publish", a_file())
    assert call(served, "pull", environment=LIVE).json()["features"] == []
    assert len(call(served, "validate", a_file(), environment=LIVE).json()["data"]) == 5


def test_who_published_stands_in_the_log(served: Served) -> None:
    """Every change of the one transaction names the key that made it, and the same moment."""
    call(served, "publish", a_file())
    catalog = served.run(served.engine.catalog.read(TEST))
    assert {package.created_at for package in catalog.packages.values()} == {served.clock.now}


def test_errors_are_no_force_to_override(served: Served) -> None:
    """Publish is refused with 400 and the lines, and nothing of the file is published."""
    call(served, "publish", a_file())
    before = call(served, "pull").json()
    wrong = a_file(features=[{"id": "api-calls", "type": "BINARY"}, {"id": "new", "type": "BINARY"}])

    answer = call(served, "publish", wrong)

    text = "[ERROR] Feature 'api-calls' is CONSUMABLE and cannot become BINARY; a type cannot change."
    assert (answer.status_code, answer.reason_phrase) == (400, "Bad Request")
    assert (answer.json()["error"], answer.json()["data"]) == (text, [text])
    assert data(served, wrong) == [text]
    assert call(served, "pull").json() == before


def test_a_stale_file_is_a_conflict(served: Served) -> None:
    """Its revision is no longer the newest: 409, and nothing changes; without the revision it is published."""
    stale = a_file(revision=call(served, "pull").json()["revision"])
    call(served, "publish", a_file(addons=None))
    before = call(served, "pull").json()

    answer = call(served, "publish", stale)

    assert (answer.status_code, answer.json()["title"]) == (409, "ConfigStaleError")
    assert data(served, stale)[0].startswith("[ERROR] The file was made from revision test_")
    assert call(served, "pull").json() == before
    assert call(served, "publish", a_file()).status_code == 200


@pytest.mark.parametrize(
    ("body", "error", "path"),
    [
        (b"", "body must be JSON: Expecting value at line 1 column 1", None),
        (b"{", "body must be JSON: Expecting property name enclosed in double quotes at line 1 column 2", None),
        (b'{"features": [], "features": []}', "body must be JSON: the key 'features' is repeated in one object", None),
        (b"[]", "the configuration must be a mapping with version, revision, app, project, updated, features,"
         " packages, addons, got a list", ""),
        ({"features": []}, "the configuration must have packages", ""),
        ({"features": [], "packages": []}, "packages must be a mapping with draft, published, got a list", "packages"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("verb", ["validate", "publish"])
def test_a_wrong_shape_is_400(shared: Served, verb: str, body: Any, error: str, path: str | None) -> None:
    """``error`` says what is wrong, and ``data`` too: Kana's command line shows nothing else when it validates."""
    answer = call(shared, verb, body)
    assert answer.status_code == 400
    assert (answer.json()["error"], answer.json().get("path")) == (error, path)
    assert answer.json()["data"] == [f"[ERROR] {error}"]


@pytest.mark.parametrize("verb", ["pull", "validate", "publish"])
@pytest.mark.parametrize("key", ["", "prv_test_unknown", "public"])
def test_only_a_private_key_opens(shared: Served, verb: str, key: str) -> None:
    """No key, an unknown one and a public one read the same: 401."""
    if key == "public":
        key = shared.keys[TEST][KeyKind.PUBLIC]
    answer = call(shared, verb, a_file(), key=key)
    message = "Unauthenticated: a valid key is needed in the Authorization header."
    assert (answer.status_code, answer.reason_phrase, answer.json()["error"]) == (401, "Unauthorized", message)
    assert (answer.json()["data"], answer.headers["www-authenticate"]) == ([f"[ERROR] {message}"], "Bearer")


def test_a_key_may_follow_bearer(shared: Served) -> None:
    """As everywhere."""
    key = shared.keys[TEST][KeyKind.PRIVATE]
    assert call(shared, "pull", key=f"Bearer {key}").status_code == 200


def test_a_body_is_bounded(shared: Served) -> None:
    """By its bytes, and by how many values it would be made into, which is known before any is made."""
    answer = call(shared, "validate", b" " * (BYTES_MAX + 1))
    assert (answer.status_code, answer.json()["error"]) == (413, f"body must be at most {BYTES_MAX} bytes")
    answer = call(shared, "validate", b"[" + b"{}," * (VALUES_MAX // 2) + b"{}]")
    assert answer.json()["error"] == f"the configuration must have at most {VALUES_MAX} values"


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [("POST", "/cli/pull", "GET"), ("GET", "/cli/validate", "POST"), ("GET", "/cli/publish", "POST"),
     ("DELETE", "/schema/kana.json", "GET, HEAD")],
)  # fmt: skip
def test_another_method_is_405(shared: Served, method: str, path: str, allow: str) -> None:
    """And says which one there is."""
    answer = shared.http.request(method, path)
    assert (answer.status_code, answer.headers["allow"]) == (405, allow)


def test_the_schema_is_for_every_editor(shared: Served) -> None:
    """No key, any origin, and the file of the package byte for byte."""
    answer = shared.http.get("/schema/kana.json")
    assert answer.content == (SOURCE / "api/config/kana.schema.json").read_bytes()
    assert answer.headers["content-type"] == "application/schema+json"
    assert answer.headers["access-control-allow-origin"] == "*"


def test_archived_packages_are_not_in_a_file_and_stay(served: Served) -> None:
    """What is archived is pulled no more, and a file without it changes nothing; one with it publishes it again."""
    call(served, "publish", a_file())
    gone = a_file(packages={"draft": a_file()["packages"]["draft"]}, addons={})
    call(served, "publish", gone)

    pulled = call(served, "pull").json()

    assert [package["id"] for package in pulled["packages"]["draft"]] == ["pro"]
    assert (pulled["packages"]["published"], pulled["addons"]["published"]) == ([], [])
    assert data(served, pulled) == []
    assert data(served, a_file()) == [
        "Add-on 'extra' is published again: users can subscribe to it (0 subscribers keep it).",
        "Package 'free' is published again: users can subscribe to it (0 subscribers keep it).",
    ]
    call(served, "publish", a_file())
    pulled = call(served, "pull").json()
    assert [package["id"] for package in pulled["packages"]["published"]] == ["free"]


def test_a_defect_of_ours_is_told_as_one(shared: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is no answer of Kana's reaches the caller as an internal error, never with its words."""

    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("secret detail")

    monkeypatch.setattr("kana.api.config.endpoints.config_json", broken)
    answer = call(shared, "pull")
    assert (answer.status_code, answer.json()["error"]) == (500, "internal error")
