"""Where colleagues reach the dashboard: plain http, https, by a proxy, and by names that mean the same."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from kana.dashboard.pages import ROUTES
from kana.model.colleague import Role
from kana.settings import Settings
from tests.dashboard.desk import PASSWORD, Desk, Visitor
from tests.support.stores import SqlitePlace
from tests.support.world import TESTER

ELSEWHERE = {"Host": "kana.example"}
FREE = 5


@pytest.fixture
def behind(tmp_path: Path) -> Iterator[Desk]:
    """A dashboard behind a proxy on this machine."""
    with Desk(SqlitePlace(tmp_path / "behind.db"), settings=Settings(trusted_proxies="127.0.0.1")) as desk:
        yield desk


def csrf_of(answer: httpx.Response) -> str:
    """The token of the forms of a page."""
    found = re.search(r'name="csrf" value="(\w+)"', answer.text)
    assert found is not None, answer.text
    return found[1]


def test_no_page_shows_or_takes_a_secret_over_plain_http_from_elsewhere(desk: Desk) -> None:
    """Every form and page is refused as the first one is, with a session or a link too, and nothing is done."""
    owner, wrong = desk.colleague(Role.OWNER), []
    csrf = owner.csrf
    for route in ROUTES:
        path = f"/test{route.path}" if route.in_environment else route.path
        if route.is_for_any_site or path.startswith("/login/provider"):
            continue
        form = {"csrf": csrf} if route.method == "POST" else None
        answer = owner.http.request(route.method, f"{path}?id=basic", headers=ELSEWHERE, data=form)
        if answer.status_code != 403 or "plain http" not in answer.text or 'type="password"' in answer.text:
            wrong.append((route.method, path, answer.status_code))
    assert wrong == []
    assert owner.http.get("/test/packages").status_code == 200, "the session was not ended either"


def test_a_link_and_a_password_are_taken_on_the_machine_itself_only(desk: Desk) -> None:
    """The control: what was refused from elsewhere is done from here, by the same link and the same session."""
    token = desk.served.run(desk.colleagues.invite("ada@example.com", Role.OWNER, by=TESTER))
    guest = desk.guest()
    form = {"csrf": guest.csrf, "token": token, "password": PASSWORD}
    assert guest.http.get(f"/invite?token={token}", headers=ELSEWHERE).status_code == 403
    assert guest.http.post("/invite", data=form, headers=ELSEWHERE).status_code == 403
    assert guest.http.post("/invite", data=form).status_code == 303
    change = {"csrf": guest.csrf, "old": PASSWORD, "password": "other quiet words"}
    assert guest.http.get("/account", headers=ELSEWHERE).status_code == 403
    assert guest.http.post("/account/password", data=change, headers=ELSEWHERE).status_code == 403
    assert guest.http.post("/account/password", data=change).status_code == 303


def sign_in(visitor: Visitor, client: str, *, email: str = "owner@example.com", password: str = "wrong words") -> int:
    """Send the first page's form by the proxy for somebody; return the status."""
    headers = {"X-Forwarded-For": f"203.0.113.9, {client}"}
    form = {"csrf": csrf_of(visitor.http.get("/login", headers=headers)), "email": email, "password": password}
    return visitor.http.post("/login", data=form, headers=headers).status_code


def test_behind_a_trusted_proxy_everybody_is_themselves(behind: Desk) -> None:
    """Wrong tries count against who made them, whatever they say of others; the owner comes in from elsewhere."""
    behind.colleague(Role.OWNER)
    assert [sign_in(behind.guest(), "192.0.2.1") for _ in range(FREE + 1)] == [401] * FREE + [429]
    assert sign_in(behind.guest(), "192.0.2.2", password=PASSWORD) == 303
    spread = [sign_in(behind.guest(), f"2001:db8:0:1::{number:x}", email="a@example.com") for number in range(FREE + 1)]
    assert spread == [401] * FREE + [429], "the addresses of one network are one"


def test_without_that_setting_nobody_is_believed(desk: Desk) -> None:
    """A guesser who makes up addresses is one guesser."""
    desk.colleague(Role.OWNER)
    tries = [sign_in(desk.guest(), f"192.0.2.{number}") for number in range(FREE + 1)]
    assert tries == [401] * FREE + [429]


@pytest.mark.parametrize("trusted", [True, False])
def test_wrong_keys_count_by_the_same_address(trusted: bool, tmp_path: Path) -> None:
    """What tells guessers of passwords apart tells those of keys apart."""
    settings = Settings(trusted_proxies="127.0.0.0/8" if trusted else "")
    with Desk(SqlitePlace(tmp_path / "keys.db"), settings=settings) as desk:
        http = desk.guest().http

        def ask(client: str) -> int:
            headers = {"Authorization": "prv_test_wrong", "X-Forwarded-For": client}
            return http.get("/cli/pull", headers=headers).status_code

        assert [ask("192.0.2.1") for _ in range(11)] == [401] * 10 + [429]
        assert ask("192.0.2.2") == (401 if trusted else 429)


def test_a_proxy_says_whether_colleagues_come_by_https(behind: Desk) -> None:
    """Then cookies are for https alone, forms are held to it, and passwords are taken; else not."""
    behind.colleague(Role.OWNER)
    secure = {**ELSEWHERE, "X-Forwarded-For": "192.0.2.1", "X-Forwarded-Proto": "https"}
    page = behind.guest().http.get("/login", headers=secure)
    assert 'type="password"' in page.text
    assert page.headers["set-cookie"].startswith("__Host-kana-session=")
    assert "strict-transport-security" in page.headers
    plain = behind.guest().http.get("/login", headers={**secure, "X-Forwarded-Proto": "http"})
    assert 'type="password"' not in plain.text


@pytest.mark.parametrize(
    ("public_url", "origin"),
    [
        ("https://kana.example:443", "https://kana.example"),
        ("https://kana.example:443/", "https://kana.example"),
        ("HTTPS://Kana.Example", "https://kana.example"),
        ("http://127.0.0.1:80", "http://127.0.0.1"),
        ("https://kana.example:8443", "https://kana.example:8443"),
        ("https://[2001:db8::1]:443", "https://[2001:db8::1]"),
    ],
)
def test_forms_come_from_the_site_that_is_set_as_browsers_write_it(
    public_url: str, origin: str, tmp_path: Path
) -> None:
    """A default port, a capital letter and a slash at the end are no other site."""
    settings = Settings.from_mapping({"KANA_PUBLIC_URL": public_url})
    assert settings.public_url == origin
    with Desk(SqlitePlace(tmp_path / "site.db"), settings=settings) as desk:
        guest = desk.guest()
        page = guest.http.get("/login")
        name, _, value = page.headers["set-cookie"].partition(";")[0].partition("=")
        form = {"csrf": csrf_of(page), "email": "a@example.com", "password": "wrong words"}
        sent = {"Cookie": f"{name}={value}"}
        for said, status in ((origin, 401), ("https://elsewhere.example", 403), ("null", 403), ("x://[", 403)):
            assert desk.guest().http.post("/login", data=form, headers={**sent, "Origin": said}).status_code == status


@pytest.mark.parametrize("host", ["127.0.0.1:80", "LOCALHOST:80"])
def test_a_default_port_in_the_host_is_no_other_site(desk: Desk, host: str) -> None:
    """Some proxies write it; browsers leave it out of Origin."""
    guest = desk.guest()
    form = {"csrf": csrf_of(guest.http.get("/login")), "email": "a@example.com", "password": "wrong words"}
    origin = f"http://{host.lower().removesuffix(':80')}"
    assert guest.http.post("/login", data=form, headers={"Host": host, "Origin": origin}).status_code == 401


@pytest.mark.parametrize("host", ["[::1", "a:b", "kana.example:99999", "x@y", "", "\\", "a b"])
def test_a_host_that_is_none_is_no_fault_of_ours(desk: Desk, host: str) -> None:
    """It is refused, or answered as a site that takes no password."""
    answer = desk.guest().http.get("/login", headers={"Host": host})
    assert answer.status_code < 500
    assert 'type="password"' not in answer.text
