"""Every link and form of every page leads to something, in both environments."""

from __future__ import annotations

from collections.abc import Iterator
from html.parser import HTMLParser
from urllib.parse import urlencode, urljoin, urlsplit

import pytest

from kana.dashboard.pages import ROUTES
from kana.model.colleague import Role
from tests.browser.pages import PAGES, PAGES_EVERYWHERE
from tests.dashboard.desk import Desk, Visitor
from tests.dashboard.test_user_reservations import reserve

WRONG = ("/nothing", "/package", "/package?id=unknown", "/user?id=unknown", "/user/entry?id=user-0&entry=unknown")
"""Addresses that are answered by an error, whose links must lead somewhere too."""

_FIELDS = {"input", "button", "select", "textarea"}


class Links(HTMLParser):
    """The addresses that a page leads to: by links (``GET``), forms as they are filled in (``ASK``), and ``POST``."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, str]] = []
        self._form: dict[str, str] | None = None
        self._query: dict[str, str] = {}
        self._select = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note a link, and what a form has in it."""
        has = {name: value or "" for name, value in attrs}
        if tag == "a" and "href" in has:
            self.found.append(("GET", has["href"]))
        elif tag == "form":
            self._form, self._query = has, {}
        elif tag == "input" and "name" in has and has.get("type") not in ("checkbox", "radio"):
            self._query[has["name"]] = has.get("value", "")
        elif tag == "select":
            self._select = has.get("name", "")
        elif tag == "option" and self._select and ("selected" in has or self._select not in self._query):
            self._query[self._select] = has.get("value", "")

    def handle_endtag(self, tag: str) -> None:
        """Note what a form is sent to; one that only asks takes its fields along."""
        if tag == "form" and self._form is not None:
            is_sent, action = self._form.get("method") == "post", self._form.get("action", "")
            self.found.append(("POST", action) if is_sent else ("ASK", f"{action}?{urlencode(self._query)}"))


def links_of(visitor: Visitor, path: str, html: str | None = None) -> Iterator[tuple[str, str]]:
    """The method and address of each link and form of a page, without what leads to its own parts."""
    html = visitor.http.get(path, follow_redirects=True).text if html is None else html
    for method, found in Links(html).found:
        address = urljoin(path, found).partition("#")[0]
        if address.startswith("/") and not found.startswith("#"):
            yield method, address


def broken(visitor: Visitor, pages: list[str]) -> list[str]:
    """The links of some pages that lead nowhere, and the forms that nothing takes. A link is followed once.

    A form that asks, sent as it is, is shown again if something has to be chosen first.
    """
    takes, done, wrong = {(route.method, route.path) for route in ROUTES}, set(), []
    for page in pages:
        for method, address in links_of(visitor, page):
            if (method, address) in done:
                continue
            done.add((method, address))
            path = urlsplit(address).path
            if method == "POST":
                is_there = (method, path.removeprefix("/test").removeprefix("/live")) in takes
            else:
                answer = visitor.http.get(address, follow_redirects=True)
                is_there = answer.status_code == 200 or (method == "ASK" and f'action="{path}"' in answer.text)
            if not is_there:
                wrong.append(f"{page}: {method} {address}")
    return wrong


@pytest.mark.parametrize("environment", ["test", "live"])
def test_every_link_and_form_leads_somewhere(desk: Desk, environment: str) -> None:
    """Those of every page, and of pages that say an error, to the other environment too."""
    reserve(desk, message=3)
    owner = desk.colleague(Role.OWNER)
    rule = {"name": "Sent", "event_name": "Message sent", "feature": "message"}
    assert owner.post(f"/{environment}/integrations/segment/rule/new", **rule).status_code == 303
    lost = broken(owner, [*(f"/{environment}{path}" for path in (*PAGES, *WRONG)), *PAGES_EVERYWHERE])
    assert not lost, "\n".join(lost)


def test_the_switch_of_environments_works_wherever_one_is(desk: Desk) -> None:
    """What a form answers, and each page without or with an id, leads to a page of the other environment."""
    owner, wrong = desk.colleague(Role.OWNER), []
    csrf = owner.csrf
    for route in ROUTES:
        if not route.in_environment or route.path == "/":
            continue
        for query in ("", "?id=basic", "?id=user-0"):
            address = f"/test{route.path}{query}"
            sent = {"csrf": csrf} if route.method == "POST" else None
            answer = owner.http.request(route.method, address, data=sent)
            if not answer.headers.get("content-type", "").startswith("text/html"):
                continue
            [there] = {to for _, to in links_of(owner, address, answer.text) if to.startswith("/live")}
            if owner.http.get(there, follow_redirects=True).status_code != 200:
                wrong.append(f"{route.method} {address}: {there}")
    assert wrong == []


def test_the_switch_leads_from_one_thing_to_its_list(desk: Desk) -> None:
    """And from a list or a tab to the same one there."""
    viewer = desk.colleague(Role.VIEWER)
    for page, there in {
        "/package?id=pro%2F2026": "/packages",
        "/feature?id=message": "/features",
        "/user?id=user-0": "/subscribers",
        "/user/ledger?id=user-0": "/subscribers",
        "/insights/adoption": "/insights/adoption",
        "/integrations/segment": "/integrations/segment",
    }.items():
        assert ("GET", f"/live{there}") in set(links_of(viewer, f"/test{page}"))
        assert ("GET", f"/test{there}") in set(links_of(viewer, f"/live{page}"))


def test_a_link_that_leads_nowhere_is_noticed() -> None:
    """A control: links and forms are found as a browser finds them."""
    html = (
        '<a href="/test/lost?id=1#x">a</a><form action="/test/find"><input name="q" value="b c">'
        '<select name="s"><option value="1"><option value="2" selected></select></form>'
        '<form method="post" action="/test/save"><input name="csrf"></form>'
    )
    found = Links(html).found
    assert found == [("GET", "/test/lost?id=1#x"), ("ASK", "/test/find?q=b+c&s=2"), ("POST", "/test/save")]
