"""Every reset period, and none, can be given on every face, and is kept to by all of them."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import Any

import httpx
import pytest

from kana.model.colleague import Role
from kana.model.key import KeyKind
from kana.model.period import ResetPeriod
from kana.model.usage import Usage
from kana.sdk import Grant, KanaAdmin
from tests.dashboard.desk import Desk
from tests.support.world import FIRST_PERIODS, MILLISECOND, TEST, TESTER, allows

Make = Callable[[Desk, str, str | None], None]


@pytest.fixture
def key(desk: Desk) -> str:
    """A private key of the test environment."""
    made = desk.served.run(desk.served.engine.access.create_key(TEST, KeyKind.PRIVATE, name="all", by=TESTER))
    return str(made[0])


def by_query(desk: Desk, key: str, reset: str | None) -> None:
    write(desk, key, f"{{limit: 10, resetPeriod: {reset or 'null'}}}")


def left_out(desk: Desk, key: str, reset: str | None) -> None:
    assert reset is None
    write(desk, key, "{limit: 10}")


def write(desk: Desk, key: str, entitlement: str) -> None:
    document = (
        'mutation { createPackage(input: {id: "once", features: [{id: "message", entitlement: %s}]})'
        " { features { limit } } }"
    )
    answer = ask(desk, key, document % entitlement, {})
    assert answer == {"data": {"createPackage": {"features": [{"limit": 10}]}}}


def ask(desk: Desk, key: str, document: str, variables: dict[str, Any]) -> Any:
    body = {"query": document, "variables": variables}
    return httpx.post(f"{desk.served.url}/graphql", json=body, headers={"authorization": key}).json()


def by_variable(desk: Desk, key: str, reset: str | None) -> None:
    document = "mutation ($input: CreatePackageInput!) { createPackage(input: $input) { id } }"
    held = {"id": "message", "entitlement": {"limit": 10, "resetPeriod": reset}}
    answer = ask(desk, key, document, {"input": {"id": "once", "features": [held]}})
    assert answer == {"data": {"createPackage": {"id": "once"}}}


def by_update(desk: Desk, key: str, reset: str | None) -> None:
    """From a package that resets each month, or never."""
    run, catalog = desk.served.run, desk.served.engine.catalog
    before = ResetPeriod.MONTH if reset is None else None
    run(catalog.create_package(TEST, id="once", features=[allows(10, before)], by=TESTER))
    document = 'mutation ($input: UpdatePackageInput!) { updatePackage(id: "once", input: $input) { id } }'
    held = {"id": "message", "entitlement": {"limit": 10} | ({"resetPeriod": reset} if reset else {})}
    answer = ask(desk, key, document, {"input": {"features": [held]}})
    assert answer == {"data": {"updatePackage": {"id": "once"}}}


def by_sdk(desk: Desk, key: str, reset: str | None) -> None:
    with KanaAdmin(api_key=key, endpoint=desk.served.url) as kana:
        kana.packages.create(id="once", features=[Grant(id="message", limit=10, reset_period=reset)])
        made = kana.packages.retrieve(id="once", include_features=True)
    assert [held.reset_period for held in made.features or ()] == [reset]


def by_dashboard(desk: Desk, _key: str, reset: str | None) -> None:
    form = {"id": "once", "held": "message", "limit:message": "10", "reset:message": reset or ""}
    assert desk.colleague(Role.EDITOR).post("/test/package/new", **form).status_code == 303


def by_file(desk: Desk, key: str, reset: str | None) -> None:
    headers = {"authorization": key}
    config = httpx.get(f"{desk.served.url}/cli/pull", headers=headers).json()
    held = {"id": "message", "limit": 10} | ({"reset_period": reset} if reset else {})
    config["packages"]["draft"].append({"id": "once", "features": [held]})
    answer = httpx.post(f"{desk.served.url}/cli/publish", headers=headers, json=config)
    assert answer.status_code == 200, answer.text


FACES: list[Make] = [by_query, by_variable, by_update, by_sdk, by_dashboard, by_file]


def subscribed(desk: Desk) -> None:
    """Ada has the package and has used all of it."""
    run, engine = desk.served.run, desk.served.engine
    run(engine.catalog.publish_package(TEST, "once", by=TESTER))
    run(engine.accounts.create_user(TEST, id="ada"))
    run(engine.accounts.subscribe(TEST, "ada", ["once"]))
    run(engine.usage.record(Usage(environment=TEST, user_id="ada", feature_id="message", delta=10)))


def admitted(desk: Desk) -> bool:
    """Whether Ada may use one more."""
    return bool(desk.served.run(desk.served.engine.usage.check(TEST, "ada", "message")).access)


def period_end(desk: Desk, key: str) -> Any:
    """When Ada's period ends, by the API."""
    query = '{ showUsage(userId: "ada", featureId: "message") { current { periodEnd consumption { used budget } } } }'
    current = ask(desk, key, query, {})["data"]["showUsage"]["current"]
    assert current["consumption"] == {"used": 10, "budget": 10}
    return current["periodEnd"]


@pytest.mark.parametrize(("make", "reset"), list(product(FACES, ResetPeriod)))
def test_every_reset_period_can_be_made_on_every_face(desk: Desk, key: str, make: Make, reset: ResetPeriod) -> None:
    """What is used stays used to the last millisecond of the period, whose end and word every face tells."""
    make(desk, key, reset.value)
    assert f'<option value="{reset}" selected>' in desk.colleague(Role.EDITOR).get("/test/package/edit?id=once")
    subscribed(desk)
    start = desk.served.clock.now
    assert period_end(desk, key) == (start + FIRST_PERIODS[reset]).isoformat(timespec="milliseconds").replace(
        "+00:00", "Z"
    )
    pulled = httpx.get(f"{desk.served.url}/cli/pull", headers={"authorization": key}).json()
    [once] = [package for package in pulled["packages"]["published"] if package["id"] == "once"]
    assert [held["reset_period"] for held in once["features"]] == [reset]

    desk.served.clock.now = start + FIRST_PERIODS[reset] - MILLISECOND
    assert not admitted(desk)
    desk.served.clock.now += MILLISECOND
    assert admitted(desk)


@pytest.mark.parametrize("make", [*FACES, left_out])
def test_a_limit_for_all_time_can_be_made_on_every_face(desk: Desk, key: str, make: Make) -> None:
    """What is used stays used ten years later, and the API says that no period ends."""
    make(desk, key, None)
    subscribed(desk)
    desk.served.clock.advance(days=3653)
    assert period_end(desk, key) is None
    assert not admitted(desk)
