"""A dashboard with something in it, and colleagues who use it by their browsers without scripts."""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import unescape
from typing import Any, Self

import apsw
import httpx

from kana.engine.catalog.catalog import CatalogEngine
from kana.model.colleague import Role
from kana.model.environment import Environment
from kana.model.feature import FeatureType
from kana.settings import Settings
from tests.support.serving import Served
from tests.support.stores import SqlitePlace
from tests.support.world import DAY, LIVE, TEST, TESTER, allows, holds

PASSWORD = "four quiet words here"
HOSTILE = "<script>alert(1)</script>"
FORMULA = '=HYPERLINK("//elsewhere.example","free")'

_CSRF = re.compile(r'name="csrf" value="(\w+)"')


class Visitor:
    """Somebody's browser without scripts: it keeps cookies, and sends forms with the token that pages have."""

    def __init__(self, url: str) -> None:
        self.http = httpx.Client(base_url=url, timeout=30, verify=False, headers={"Accept": "text/html, */*;q=0.8"})

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.http.close()

    def get(self, path: str, *, status: int = 200) -> str:
        """Open a page that must be there; return its HTML."""
        response = self.http.get(path)
        assert response.status_code == status, response.text
        return response.text

    @property
    def csrf(self) -> str:
        """The token of this browser's session."""
        found = _CSRF.search(self.http.get("/account", follow_redirects=True).text)
        assert found is not None
        return found[1]

    def post(self, path: str, **fields: str | Sequence[str]) -> httpx.Response:
        """Send a form, with the token."""
        return self.http.post(path, data={"csrf": self.csrf, **fields})

    def sign_in(self, email: str, password: str = PASSWORD, **more: str) -> httpx.Response:
        """Send the form of the first page."""
        return self.post("/login", email=email, password=password, **more)


class Desk:
    """A served dashboard with a catalogue in each environment, and a colleague of each role."""

    def __init__(self, place: SqlitePlace, *, settings: Settings | None = None) -> None:
        self.place = place.path
        self.served = Served(place, settings=settings)
        self._visitors: list[Visitor] = []

    def __enter__(self) -> Self:
        self.served.__enter__()
        self.colleagues = self.served.engine.colleagues
        for environment in (TEST, LIVE):
            self.furnish(environment)
        return self

    def __exit__(self, *_: object) -> None:
        for visitor in self._visitors:
            visitor.http.close()
        self.served.__exit__()

    @property
    def environment(self) -> Environment:
        """The environment that tests look into."""
        return TEST

    def log(self, actor_kind: str) -> list[tuple[str, str, str, str]]:
        """Who did what to what, of the log of administrative changes, the oldest first."""
        connection = apsw.Connection(str(self.place))
        lines: list[tuple[Any, ...]] = connection.execute(
            "select actor_name, action, subject_kind, subject_id from admin_log where actor_kind = ? order by id",
            (actor_kind,),
        ).fetchall()
        connection.close()
        return [(str(who), str(what), str(kind), str(which)) for who, what, kind, which in lines]

    def guest(self) -> Visitor:
        """A browser that was never here."""
        visitor = Visitor(self.served.url)
        self._visitors.append(visitor)
        return visitor

    def colleague(self, role: Role, email: str | None = None) -> Visitor:
        """A browser of somebody who has this role and is signed in."""
        visitor, address = self.guest(), email or f"{role}@example.com"
        token = self.served.run(self.colleagues.invite(address, role, by=TESTER))
        answer = visitor.post("/invite", token=token, password=PASSWORD)
        assert answer.status_code == 303, answer.text
        return visitor

    def furnish(self, environment: Environment) -> None:
        """Make features, packages of each status, and some who subscribe."""
        run, catalog, accounts = self.served.run, self.served.engine.catalog, self.served.engine.accounts
        run(make_features(catalog, environment))
        for package_id, name, addon in (
            ("basic", "Basic Plan", False),
            ("pro/2026", "Pro & Co", False),
            ("old", "Old Plan", False),
            ("extra", "Extra messages", True),
            ("hostile", HOSTILE, False),
        ):
            run(
                catalog.create_package(
                    environment,
                    id=package_id,
                    name=name,
                    is_addon=addon,
                    features=[allows(10, DAY), holds("support")],
                    base_package_ids=["basic"] if addon else (),
                    by=TESTER,
                )
            )
        for package_id in ("basic", "old"):
            run(catalog.publish_package(environment, package_id, by=TESTER))
        run(catalog.archive_package(environment, "old", by=TESTER))
        for number in range(3):
            run(accounts.create_user(environment, id=f"user-{number}"))
            run(accounts.subscribe(environment, f"user-{number}", ["basic"]))


async def make_features(catalog: CatalogEngine, environment: Environment) -> None:
    """A counted one, one that is on or off, and two whose names are attacks."""
    for feature_id, kind, name in (
        ("message", FeatureType.CONSUMABLE, "Messages"),
        ("support", FeatureType.BINARY, "Support at night"),
        (HOSTILE, FeatureType.BINARY, HOSTILE),
        ("formula", FeatureType.CONSUMABLE, FORMULA),
    ):
        await catalog.create_feature(environment, id=feature_id, type=kind, name=name, by=TESTER)


def text_of(html: str) -> str:
    """What a page says, without its marks, on one line."""
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]*>", " ", html))).strip()
