"""Who may ask for what: every route with every role, and none without its checks."""

from __future__ import annotations

from collections import Counter

import pytest

from kana.dashboard.pages import ROUTES
from kana.dashboard.route import Route
from kana.model.colleague import Role
from tests.dashboard.desk import Desk, Visitor

FOR_EVERYBODY = {"/login", "/invite", "/theme", "/login/provider", "/login/provider/back"}
FOR_OWNERS = ("/people", "/keys", "/key")


def addresses(route: Route) -> list[str]:
    """The addresses of a route: below each environment, or one."""
    return [f"/{environment}{route.path}" for environment in ("test", "live")] if route.in_environment else [route.path]


def status(visitor: Visitor, route: Route, address: str, csrf: str) -> int:
    """How a request is answered that is right in all but who asks."""
    if route.method == "GET":
        return visitor.http.get(f"{address}?id=basic").status_code
    return visitor.http.post(f"{address}?id=basic", data={"csrf": csrf}).status_code


def ends_the_session(route: Route) -> bool:
    """Whether the one who asks is signed out by it."""
    return route.path.startswith("/logout")


@pytest.mark.parametrize("role", Role)
def test_every_route_lets_in_who_has_the_role_and_nobody_else(desk: Desk, role: Role) -> None:
    """Whoever may not is answered 403 and nothing is done; whoever may is never answered 403."""
    visitor = desk.colleague(role)
    csrf, wrong = visitor.csrf, []
    for route in ROUTES:
        if route.needs is None or ends_the_session(route):
            continue
        for address in addresses(route):
            refused = status(visitor, route, address, csrf) == 403
            if refused is role.covers(route.needs):
                wrong.append((route.method, address, role))
    assert wrong == []


def test_who_is_not_signed_in_is_sent_to_sign_in(desk: Desk) -> None:
    """Every route that needs a role sends strangers to the first page, and does nothing."""
    stranger, wrong = desk.guest(), []
    csrf = stranger.csrf
    for route in ROUTES:
        for address in addresses(route) if route.needs else ():
            answer = stranger.http.request(
                route.method, address, data={"csrf": csrf} if route.method == "POST" else None
            )
            if answer.status_code != 303 or not answer.headers["location"].startswith("/login"):
                wrong.append((route.method, address, answer.status_code))
    assert wrong == []


def test_the_table_says_what_it_should() -> None:
    """Only the way in is open to all; who changes anything is an editor; colleagues and keys are for owners."""
    assert [key for key, n in Counter((r.method, r.in_environment, r.path) for r in ROUTES).items() if n > 1] == []
    assert {route.path for route in ROUTES if route.needs is None} <= FOR_EVERYBODY
    for route in ROUTES:
        if route.path.startswith(FOR_OWNERS):
            assert route.needs is Role.OWNER, route.path
        elif route.method == "POST" and route.in_environment:
            assert route.needs is not None, route.path
            assert route.needs.covers(Role.EDITOR), route.path


def test_a_viewer_changes_nothing(desk: Desk) -> None:
    """The refusal is no page that came too late: what was asked for did not happen."""
    viewer = desk.colleague(Role.VIEWER)
    answer = viewer.post("/test/package/delete?id=hostile")
    assert answer.status_code == 403
    assert "This needs the role editor. Your role is viewer." in answer.text
    assert "hostile" in desk.served.run(desk.served.engine.catalog.read(desk.environment)).packages


def test_what_is_not_there_is_said_with_its_status(desk: Desk) -> None:
    """An unknown address and an unknown id are 404, another method 400, each a page of ours."""
    editor = desk.colleague(Role.EDITOR)
    assert "There is no page at this address." in editor.get("/test/nothing", status=404)
    assert "Package not found" in editor.get("/test/package?id=unknown", status=404)
    assert "The address must contain ?id=" in editor.get("/test/package", status=400)
    assert editor.http.put("/test/packages").status_code == 400
    assert editor.http.head("/test/packages").status_code == 200
