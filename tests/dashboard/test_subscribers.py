"""The list of users: found, filtered, ordered, paged."""

from __future__ import annotations

import re

import pytest

from kana.model.colleague import Role
from tests.dashboard.desk import FORMULA, HOSTILE, Desk, text_of
from tests.support.world import LIVE, TEST


def ids(html: str) -> list[str]:
    """The identifiers of the list, in its order."""
    return re.findall(r'data-copy="([^"]*)"', html)


def fill(desk: Desk, count: int) -> None:
    """Make so many users with names and e-mail addresses in orders of their own, in test only."""
    for number in range(count):
        name, email = f"Name {count - number:03}", f"{number % 7}-{number:03}@example.com"
        desk.served.run(desk.served.engine.accounts.create_user(TEST, id=f"z{number:03}", name=name, email=email))


def test_a_user_is_listed_with_what_they_hold(desk: Desk) -> None:
    """Id, name, e-mail, packages with their status and how long they last."""
    run, accounts = desk.served.run, desk.served.engine.accounts
    run(accounts.create_user(TEST, id="ada", name="Ada L.", email="ada@example.com"))
    run(accounts.subscribe(TEST, "ada", ["basic"]))
    [held] = run(accounts.subscriptions(TEST, user_id="ada"))
    run(accounts.cancel_subscription(TEST, held.subscription.id, at_period_end=True))
    said = text_of(desk.colleague(Role.VIEWER).get("/test/subscribers?q=ada"))
    assert "Ada L. ada Copy ada@example.com Basic Plan Active, ends 11 March 2026, 12:00 UTC 10 March 2026" in said
    assert "1 shown" in said


def test_search_takes_the_beginning_of_id_name_or_email(desk: Desk) -> None:
    """In any case of letters; what nobody has finds nobody, and says so."""
    fill(desk, 3)
    viewer = desk.colleague(Role.VIEWER)
    for text, expected in (
        ("Z00", ["z000", "z001", "z002"]),
        ("name 002", ["z001"]),
        ("1-001@", ["z001"]),
        ("001", []),
    ):
        assert ids(viewer.get(f"/test/subscribers?q={text}")) == expected
    assert "No users match." in viewer.get("/test/subscribers?q=nobody")


def test_a_package_filters(desk: Desk) -> None:
    """Those who hold it now, also among those searched; one that does not exist has nobody."""
    fill(desk, 2)
    viewer = desk.colleague(Role.VIEWER)
    assert ids(viewer.get("/test/subscribers?package=basic")) == ["user-0", "user-1", "user-2"]
    assert ids(viewer.get("/test/subscribers?package=basic&q=user-1")) == ["user-1"]
    assert ids(viewer.get("/test/subscribers?package=basic&q=z")) == []
    assert ids(viewer.get("/test/subscribers?package=none")) == []


@pytest.mark.parametrize("sort", ["id", "name", "email", "age", "nonsense"])
def test_pages_hold_everybody_once(desk: Desk, sort: str) -> None:
    """By whatever order: following Next from the first page one meets every user exactly once."""
    fill(desk, 110)
    viewer, path, found = desk.colleague(Role.VIEWER), f"/test/subscribers?sort={sort}", []
    for _ in range(3):
        html = viewer.get(path)
        found.append(ids(html))
        more = re.search(r'rel="next" href="([^"]*)"', html)
        path = more[1].replace("&amp;", "&") if more else ""
    assert (path, [len(page) for page in found]) == ("", [50, 50, 13])
    everybody = [each for page in found for each in page]
    assert set(everybody) == {f"z{number:03}" for number in range(110)} | {"user-0", "user-1", "user-2"}
    if sort == "name":
        assert everybody == ["user-0", "user-1", "user-2", *(f"z{number:03}" for number in range(109, -1, -1))]


def test_a_page_behind_somebody_who_is_gone_begins_anew(desk: Desk) -> None:
    """A user who was renamed between two pages leaves nobody before an error."""
    assert ids(desk.colleague(Role.VIEWER).get("/test/subscribers?after=gone")) == ["user-0", "user-1", "user-2"]


def test_environments_are_apart(desk: Desk) -> None:
    """Live shows nobody of test."""
    fill(desk, 1)
    viewer = desk.colleague(Role.VIEWER)
    assert ids(viewer.get("/live/subscribers?q=z")) == []
    assert ids(viewer.get("/test/subscribers?q=z")) == ["z000"]


def test_names_stay_text(desk: Desk) -> None:
    """Whatever users are called is shown, and never run."""
    for environment in (TEST, LIVE):
        create = desk.served.engine.accounts.create_user
        desk.served.run(create(environment, id=HOSTILE, name=HOSTILE, email=FORMULA))
    html = desk.colleague(Role.VIEWER).get("/live/subscribers")
    assert HOSTILE not in html
    assert f"{HOSTILE} {HOSTILE} Copy {FORMULA}" in text_of(html)
