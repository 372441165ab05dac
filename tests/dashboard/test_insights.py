"""What the pages of insights say, asked for as a browser without scripts would."""

from __future__ import annotations

import csv
import io
import json
import re
from datetime import UTC, datetime
from html import unescape
from typing import Any

import pytest

from kana.dashboard.usage_chart import LINES_MAX, chart_of
from kana.model.colleague import Role
from kana.model.insights import Step, Steps, UsageRow
from tests.dashboard.desk import Desk, Visitor, text_of
from tests.dashboard.usage import spend, use
from tests.support.world import LIVE, TEST


@pytest.fixture
def viewer(desk: Desk) -> Visitor:
    """A viewer of an environment in which something was used."""
    use(desk, TEST)
    return desk.colleague(Role.VIEWER)


def drawn(html: str) -> dict[str, Any]:
    """What the script draws."""
    found = re.search(r'data-chart="([^"]*)"', html)
    assert found is not None
    data: dict[str, Any] = json.loads(unescape(found[1]))
    return data


def test_usage_is_drawn_by_feature_and_told_in_tables(viewer: Visitor) -> None:
    """The last 30 days by the day; the chart and the tables say the same."""
    page = viewer.get("/test/insights")
    data = drawn(page)
    assert data["labels"] == ["Messages", "Support at night"]
    assert [len(each) for each in data["points"]] == [30, 30, 30]
    assert [each[-1] for each in data["points"]] == [int(datetime(2026, 3, 10, tzinfo=UTC).timestamp()), 21, 1]
    assert sum(data["points"][1]) == 21
    assert "Feature Units Messages 21 Support at night 1" in text_of(page)
    assert "10 March 2026, 00:00 UTC 21 1" in text_of(page)
    assert "No usage in this period." in viewer.get("/live/insights")


def test_usage_of_one_feature_is_drawn_by_package(viewer: Visitor) -> None:
    """By the hour where asked for, and of one user."""
    page = viewer.get("/test/insights?feature=message&from=2026-03-10&to=2026-03-10&step=HOUR")
    assert drawn(page)["labels"] == ["Basic Plan"]
    assert drawn(page)["points"][1][12:14] == [19, 2]
    one = viewer.get("/test/insights?feature=message&user=user-0&package=basic")
    assert sum(drawn(one)["points"][1]) == 9


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("from=2026-03-11&to=2026-03-10", "to must not be before from, got 2026-03-11 to 2026-03-10"),
        ("from=10.3.2026", "from must be a day such as 2026-01-31"),
        ("to=20260310", "to must be a day such as 2026-01-31"),
        ("from=0001-01-01", "from must be a day such as 2026-01-31"),
        ("to=9999-12-31", "to must be a day such as 2026-01-31"),
        ("step=MINUTE", "step must be HOUR, DAY, WEEK or MONTH"),
        ("from=2000-01-01&step=HOUR", "more than 10"),
        ("from=2025-03-10&step=HOUR", "choose a larger step or fewer days"),
    ],
)
def test_a_range_that_is_none_is_refused(desk: Desk, query: str, says: str) -> None:
    """With a sentence that says what one looks like, also instead of a file."""
    viewer = desk.colleague(Role.VIEWER)
    page = viewer.get(f"/test/insights?{query}", status=400).lower()
    assert says.lower() in unescape(page) or "at most 10000" in page
    if "choose" not in says:  # That is about the chart.
        page = viewer.get(f"/test/insights/usage.csv?{query}", status=400).lower()
        assert says.lower() in unescape(page) or "at most 10000" in page


@pytest.mark.parametrize(
    ("page", "query", "field", "says"),
    [
        ("", "user=nobody&from=2026-03-01", "user", "User not found: 'nobody'"),
        ("", "package=none", "package", "Package not found: 'none'"),
        ("", "feature=none&user=user-0", "feature", "Feature not found: 'none'"),
        ("", "from=2025-03-10&step=HOUR", "step", "A chart has at most 2,500 steps"),
        ("/credits", "to=2026-03-01&from=2026-03-02", "to", "To must not be before from"),
        ("/credits", "feature=none", "feature", "Feature not found: 'none'"),
        ("/adoption", "from=2026-03-12", "to", "To must not be before from"),
        ("/users", "feature=none", "feature", "Feature not found: 'none'"),
        ("/users", "from=yesterday", "from", "From must be a day"),
        ("/refusals", "user=nobody", "user", "User not found: 'nobody'"),
    ],
)
def test_a_wrong_filter_keeps_its_form(
    desk: Desk, viewer: Visitor, page: str, query: str, field: str, says: str
) -> None:
    """What is wrong is said beside the field, which has the focus and what was typed; nothing else is shown."""
    spend(desk, TEST)
    html = viewer.get(f"/test/insights{page}?{query}", status=400)
    assert "Bad Request" not in html
    assert re.search(rf'aria-describedby="filter-{field}-error" autofocus', html)
    [said] = re.findall(rf'id="filter-{field}-error">([^<]*)<', html)
    assert says in unescape(said)
    for name, value in (each.split("=") for each in query.split("&") if each[:4] in ("from", "to=2", "user")):
        assert re.search(rf'name="{name}" value="{value}"', html), name
    assert "No usage in this period." not in html


def test_usage_is_downloaded(viewer: Visitor) -> None:
    """As a file for spreadsheets or for data tools, with what was asked for."""
    page = viewer.get("/test/insights?feature=message&step=MONTH")
    links = [unescape(link) for link in re.findall(r'href="(/test/insights/usage\.[^"]*)"', page)]
    as_csv, as_parquet = map(viewer.http.get, links)
    assert as_csv.headers["content-type"] == "text/csv; charset=utf-8"
    assert as_csv.headers["content-disposition"] == 'attachment; filename="usage-test.csv"'
    assert list(csv.reader(io.StringIO(as_csv.text))) == [
        ["at", "featureId", "packageId", "units", "entries", "refusals"],
        ["2026-03-01T00:00:00+00:00", "message", "basic", "21", "3", "1"],
    ]
    assert as_parquet.headers["content-disposition"] == 'attachment; filename="usage-test.parquet"'
    assert as_parquet.content[:4] == as_parquet.content[-4:] == b"PAR1"


def test_what_a_credit_is_spent_on_is_drawn_and_downloaded(desk: Desk, viewer: Visitor) -> None:
    """By feature, the most first, and what was used of it by itself; where nothing is a credit, it says what one is."""
    assert "A feature that others cost is a credit" in viewer.get("/test/insights/credits")
    spend(desk, TEST)
    page = viewer.get("/test/insights/credits")
    assert drawn(page)["labels"] == ["Videos", "Portraits", "Used by itself"]
    assert "Feature Units Videos 40 Portraits 15 Used by itself 2" in text_of(page)
    assert re.findall(r'<option value="(\w+)"[^>]*>Credits', page) == ["credits"]
    [link] = re.findall(r'href="(/test/insights/credits\.csv[^"]*)"', page)
    rows = list(csv.reader(io.StringIO(viewer.http.get(unescape(link)).text)))
    at = "2026-03-10T00:00:00+00:00"
    assert rows == [
        ["at", "featureId", "units", "entries", "refusals"],
        [at, "", "2", "1", "0"], [at, "portraits", "15", "1", "0"], [at, "videos", "40", "1", "1"],
    ]  # fmt: skip
    assert "No usage in this period." in viewer.get("/test/insights/credits?to=2026-01-31")


def test_adoption_says_how_many_use_what_they_have(viewer: Visitor) -> None:
    """All three used messages; one of the three used the support; nobody has the others."""
    page = text_of(viewer.get("/test/insights/adoption"))
    assert "Support at night 3 1 33.3 % Messages 3 3 100.0 %" in page


def test_top_users_are_those_of_one_feature(viewer: Visitor) -> None:
    """The one who used most comes first, with how often they were refused."""
    page = text_of(viewer.get("/test/insights/users?feature=message"))
    assert "User Units Uses Refusals user-1 10 1 1 user-0 9 1 0 user-2 2 1 0" in page
    assert "No usage in this period." in viewer.get("/test/insights/users?feature=message&to=2026-01-31")


def test_limits_say_who_is_near_and_when_they_run_out(viewer: Visitor) -> None:
    """Who has used all comes first; the other runs out at their pace of the day."""
    page = text_of(viewer.get("/test/insights/limits"))
    assert re.search(
        r"user-1 Messages basic 10 of 10 Reached 11 March 2026, 12:00 UTC user-0 Messages basic 9 of 10", page
    )
    assert "10 March 2026, 13:06 UTC" in page  # 9 units an hour: the tenth takes 6 2/3 minutes.
    assert "user-2" not in page
    assert "No user is near a limit." in viewer.get("/live/insights/limits")


def test_refusals_say_who_and_why(viewer: Visitor) -> None:
    """By feature, and by user with the reason."""
    page = text_of(viewer.get("/test/insights/refusals"))
    assert "Feature Refused Messages 1" in page
    assert "user-1 Messages Limit reached 1 10 March 2026, 12:00 UTC" in page
    assert "No refusals in this period." in viewer.get("/test/insights/refusals?user=user-0")


def test_insights_of_an_empty_environment_say_so(desk: Desk) -> None:
    """Every page is there before anything was used."""
    viewer = desk.colleague(Role.VIEWER)
    for path in ("", "/adoption", "/users", "/credits", "/limits", "/refusals", "/usage.csv"):
        assert viewer.http.get(f"/{LIVE}/insights{path}").status_code == 200


def test_the_least_lines_are_drawn_as_one() -> None:
    """More than eight would not be told apart."""
    steps = Steps.over(datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 3, 3, tzinfo=UTC), Step.DAY)
    rows = [
        UsageRow(at=at, feature_id=f"f{number}", package_id=None, units=number, entries=1, refusals=0)
        for number in range(1, LINES_MAX + 4)
        for at in steps.begins
    ]
    chart = chart_of(rows, steps, name_of=lambda row: row.feature_id)
    assert [line.name for line in chart.lines] == [f"f{n}" for n in range(11, 3, -1)] + ["All others"]
    assert chart.lines[-1].units == [6, 6]
    assert [begin.day for begin, _ in chart.table] == [2, 1]
