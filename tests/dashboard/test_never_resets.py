"""An allowance that never goes back to zero can be made on every face, and holds for ever."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from kana.model.colleague import Role
from kana.model.key import KeyKind
from kana.model.usage import Usage
from kana.sdk import Grant, KanaAdmin
from tests.dashboard.desk import Desk
from tests.support.world import TEST, TESTER, allows

Make = Callable[[Desk, str, str], None]


@pytest.fixture
def key(desk: Desk) -> str:
    """A private key of the test environment."""
    made = desk.served.run(desk.served.engine.access.create_key(TEST, KeyKind.PRIVATE, name="all", by=TESTER))
    return str(made[0])


def by_query(desk: Desk, key: str, entitlement: str) -> None:
    document = (
        'mutation ($entitlement: EntitlementInput!) { createPackage(input: {id: "once",'
        ' features: [{id: "message", entitlement: $entitlement}]}) { features { resetPeriod limit } } }'
    )
    written = document.replace("$entitlement: EntitlementInput!", "$unused: Int").replace("$entitlement", entitlement)
    answer = ask(desk, key, written.replace("mutation ($unused: Int)", "mutation"), {})
    assert answer == {"data": {"createPackage": {"features": [{"resetPeriod": None, "limit": 10}]}}}


def ask(desk: Desk, key: str, document: str, variables: dict[str, Any]) -> Any:
    body = {"query": document, "variables": variables}
    return httpx.post(f"{desk.served.url}/graphql", json=body, headers={"authorization": key}).json()


def by_variable(desk: Desk, key: str, _: str) -> None:
    document = "mutation ($input: CreatePackageInput!) { createPackage(input: $input) { id } }"
    held = {"id": "message", "entitlement": {"limit": 10, "resetPeriod": None}}
    answer = ask(desk, key, document, {"input": {"id": "once", "features": [held]}})
    assert answer == {"data": {"createPackage": {"id": "once"}}}


def by_update(desk: Desk, key: str, _: str) -> None:
    """From a package that resets each day."""
    run, catalog = desk.served.run, desk.served.engine.catalog
    run(catalog.create_package(TEST, id="once", features=[allows(10)], by=TESTER))
    document = 'mutation ($input: UpdatePackageInput!) { updatePackage(id: "once", input: $input) { id } }'
    answer = ask(desk, key, document, {"input": {"features": [{"id": "message", "entitlement": {"limit": 10}}]}})
    assert answer == {"data": {"updatePackage": {"id": "once"}}}


def by_sdk(desk: Desk, key: str, _: str) -> None:
    with KanaAdmin(api_key=key, endpoint=desk.served.url) as kana:
        made = kana.packages.create(id="once", features=[Grant(id="message", limit=10)])
        assert made.id == "once"


def by_dashboard(desk: Desk, _key: str, _: str) -> None:
    form = {"id": "once", "held": "message", "limit:message": "10", "reset:message": ""}
    assert desk.colleague(Role.EDITOR).post("/test/package/new", **form).status_code == 303


def by_file(desk: Desk, key: str, _: str) -> None:
    headers = {"authorization": key}
    config = httpx.get(f"{desk.served.url}/cli/pull", headers=headers).json()
    config["packages"]["draft"].append({"id": "once", "features": [{"id": "message", "limit": 10}]})
    answer = httpx.post(f"{desk.served.url}/cli/publish", headers=headers, json=config)
    assert answer.status_code == 200, answer.text


FACES: list[tuple[Make, str]] = [
    (by_query, "{limit: 10, resetPeriod: null}"),
    (by_query, "{limit: 10}"),
    (by_variable, ""),
    (by_update, ""),
    (by_sdk, ""),
    (by_dashboard, ""),
    (by_file, ""),
]


@pytest.mark.parametrize(("make", "how"), FACES, ids=[f"{make.__name__} {how}" for make, how in FACES])
def test_a_limit_for_all_time_can_be_made_on_every_face(desk: Desk, key: str, make: Make, how: str) -> None:
    """What is used stays used ten years later, and the API says that no period ends."""
    make(desk, key, how)
    run, engine = desk.served.run, desk.served.engine
    run(engine.catalog.publish_package(TEST, "once", by=TESTER))
    run(engine.accounts.create_user(TEST, id="ada"))
    run(engine.accounts.subscribe(TEST, "ada", ["once"]))
    run(engine.usage.record(Usage(environment=TEST, user_id="ada", feature_id="message", delta=10)))
    desk.served.clock.advance(days=3653)
    shown = ask(
        desk,
        key,
        '{ showUsage(userId: "ada", featureId: "message") { current { periodEnd consumption { used budget } } } }',
        {},
    )
    current = {"periodEnd": None, "consumption": {"used": 10, "budget": 10}}
    assert shown == {"data": {"showUsage": {"current": current}}}
    assert not run(engine.usage.check(TEST, "ada", "message")).access
