"""Insights over HTTP: what was used, who runs into limits, who changed what; as GraphQL and as files."""

from __future__ import annotations

import csv
import io
import sys
from typing import Any

import httpx
import pytest
from graphql import GraphQLError

from kana.api.scalars import write_change
from kana.download import write_csv, write_parquet
from kana.errors import InvalidValue
from kana.model.environment import Environment
from kana.model.insights import UsageRow
from kana.model.key import KeyKind
from kana.model.text import UNITS_MAX
from tests.api.admin.calls import name_of, record
from tests.support.serving import Served
from tests.support.world import NOON

RANGE = {"from": "2026-01-01T00:00:00Z", "to": "2027-01-01T00:00:00Z"}
ARGUMENTS = '(from: "2026-01-01T00:00:00Z", to: "2027-01-01T00:00:00Z"'
ROW = "at featureId packageId units entries refusals"
OUTLOOK = "userId featureId packageId used limit overageEnabled share resetsAt runsOutAt"


@pytest.fixture
def busy(served: Served) -> Served:
    """Ada has used nine of ten messages and was refused two more; eve gave one back that she had not used today."""
    record(served, 9)
    record(served, 2)
    record(served, 3, userId="eve")
    served.clock.advance(days=1)
    record(served, -1, userId="eve")
    return served


def download(served: Served, extension: str = "csv", **arguments: Any) -> httpx.Response:
    """Fetch a file with the private key of the test environment."""
    headers = {"Authorization": served.keys[Environment.TEST][KeyKind.PRIVATE]}
    return served.http.get(f"/v1/insights.{extension}", params={**RANGE, **arguments}, headers=headers)


def test_usage(busy: Served) -> None:
    """Rows come by time, with what was given back below zero."""
    day, next_day = "2026-03-10T00:00:00.000Z", "2026-03-11T00:00:00.000Z"
    found = busy.ask(f"{{ usageInsights{ARGUMENTS}) {{ {ROW} }} }}")["usageInsights"]
    of_ada = busy.ask(f'{{ usageInsights{ARGUMENTS}, by: MONTH, userId: "ada") {{ {ROW} }} }}')["usageInsights"]
    of_basic = busy.ask(f'{{ usageInsights{ARGUMENTS}, by: HOUR, packageIds: ["basic"]) {{ at units }} }}')

    ada = {"featureId": "message", "packageId": "basic", "units": 9, "entries": 1, "refusals": 1}
    eve = {"featureId": "message", "packageId": "open", "units": 3, "entries": 1, "refusals": 0}
    assert found == [{"at": day, **ada}, {"at": day, **eve}, {"at": next_day, **eve, "units": -1}]
    assert of_ada == [{"at": "2026-03-01T00:00:00.000Z", **ada}]
    assert of_basic["usageInsights"] == [{"at": "2026-03-10T12:00:00.000Z", "units": 9}]


def test_what_a_credit_is_spent_on(busy: Served) -> None:
    """By day unless asked otherwise; what was used of it by itself has no feature."""
    data = busy.ask(f"""{{
      credit: creditInsights{ARGUMENTS}, featureId: "message") {{ at featureId units entries refusals }}
      month: creditInsights{ARGUMENTS}, featureId: "message", by: MONTH) {{ at units }}
    }}""")
    assert data["credit"] == [
        {"at": "2026-03-10T00:00:00.000Z", "featureId": None, "units": 12, "entries": 2, "refusals": 1},
        {"at": "2026-03-11T00:00:00.000Z", "featureId": None, "units": -1, "entries": 1, "refusals": 0},
    ]
    assert data["month"] == [{"at": "2026-03-01T00:00:00.000Z", "units": 11}]
    assert (
        name_of(busy.error(f'{{ creditInsights{ARGUMENTS}, featureId: "x") {{ at }} }}'))[1] == "FeatureNotFoundError"
    )


def test_who_uses_and_who_is_refused(busy: Served) -> None:
    """Adoption, the top users and refusals of one range."""
    data = busy.ask(f"""{{
      adoption{ARGUMENTS}, featureIds: ["message", "support"]) {{ featureId entitled used share }}
      topUsers{ARGUMENTS}, featureId: "message", first: 1) {{ userId units entries refusals }}
      refusals{ARGUMENTS}, userId: "ada") {{ userId featureId reason count lastAt }}
    }}""")
    assert data == {
        "adoption": [
            {"featureId": "message", "entitled": 2, "used": 2, "share": 1.0},
            {"featureId": "support", "entitled": 1, "used": 0, "share": 0.0},
        ],
        "topUsers": [{"userId": "ada", "units": 9, "entries": 1, "refusals": 1}],
        "refusals": [
            {
                "userId": "ada", "featureId": "message", "reason": "LIMIT_EXCEEDED", "count": 1,
                "lastAt": "2026-03-10T12:00:00.000Z",
            }
        ],
    }  # fmt: skip


def test_who_runs_out(busy: Served) -> None:
    """Nine of ten in a day: the tenth is expected within the next three hours."""
    data = busy.ask(f'{{ nearLimit {{ {OUTLOOK} }} limitOutlook(userId: "eve") {{ {OUTLOOK} }} }}')
    assert data["nearLimit"] == [
        {
            "userId": "ada", "featureId": "message", "packageId": "basic", "used": 9, "limit": 10,
            "overageEnabled": False, "share": 0.9, "resetsAt": "2026-04-10T12:00:00.000Z",
            "runsOutAt": "2026-03-11T14:40:00.000Z",
        }
    ]  # fmt: skip
    assert [(each["packageId"], each["used"], each["overageEnabled"]) for each in data["limitOutlook"]] == [
        ("open", 2, True)
    ]


def test_the_log(busy: Served) -> None:
    """Changes are paged from the newest on, and told with who made them, before and after."""
    fields = "id at actorKind actorName action subjectKind subjectId before after"
    whole = busy.ask(f"{{ adminLog {{ {fields} }} }}")["adminLog"]
    [first] = busy.ask(f"{{ adminLog(first: 1) {{ {fields} }} }}")["adminLog"]
    rest = busy.ask(f'{{ adminLog(after: "{first["id"]}") {{ id }} }}')["adminLog"]
    [basic] = busy.ask(f'{{ adminLog(subject: "basic") {{ {fields} }} }}')["adminLog"]

    assert [line["id"] for line in whole] == [first["id"], *(line["id"] for line in rest)]
    assert (basic["actorKind"], basic["actorName"], basic["action"], basic["subjectKind"], basic["before"]) == (
        "cli", "tester", "created", "package", None,
    )  # fmt: skip
    assert basic["after"]["id"] == "basic"


@pytest.mark.parametrize(
    ("field", "message"),
    [
        (f'topUsers{ARGUMENTS}, featureId: "message", first: 0) {{ userId }}', "first must be 1 to 1000, got 0"),
        ("nearLimit(first: 1001) { userId }", "first must be 1 to 1000, got 1001"),
        ('adminLog(after: "x") { id }', "after must be the id of a change, got 'x'"),
        (
            'usageInsights(from: "2026-01-02T00:00:00Z", to: "2026-01-02T00:00:00Z") { at }',
            "to must be after from, got 2026-01-02T00:00:00+00:00 to 2026-01-02T00:00:00+00:00",
        ),
        (
            'usageInsights(from: "2026-01-02T00:00:00Z", to: "2036-01-02T00:00:00Z", by: HOUR) { at }',
            "from and to must span at most 10000 steps of a HOUR",
        ),
        (
            'adoption(from: "1899-01-02T00:00:00Z", to: "2036-01-02T00:00:00Z") { used }',
            "from and to must be in the years 1970 to 8999",
        ),
    ],
)
def test_bounds(shared: Served, field: str, message: str) -> None:
    """What would be too much is an input error that names the bound."""
    [error] = shared.post(f"{{ {field} }}").json()["errors"]
    assert (error["message"], name_of(error)[0]) == (message, "BAD_USER_INPUT")


def test_sums_beyond_json() -> None:
    """A sum that passes 2^53-1 either way is told as that: JSON's numbers end there."""
    assert [write_change(units) for units in (-(10**18), -1, 10**18)] == [-UNITS_MAX, -1, UNITS_MAX]
    with pytest.raises(GraphQLError, match="UnitsChange must be a whole number, got '1'"):
        write_change("1")


def test_cells_are_no_formulas() -> None:
    """An id that a spreadsheet would take for a formula gets an apostrophe, numbers stay numbers; RFC 4180 quotes."""
    rows = [
        UsageRow(at=NOON, feature_id=feature_id, package_id=None, units=-1, entries=1, refusals=0)
        for feature_id in ("=1+1", "+1", "-1", "@a", "\tx", 'a "b", c')
    ]
    assert write_csv(rows).decode().split("\r\n")[1:] == [
        *(f"2026-03-10T12:00:00+00:00,{cell},,-1,1,0" for cell in ("'=1+1", "'+1", "'-1", "'@a", "'\tx")),
        '2026-03-10T12:00:00+00:00,"a ""b"", c",,-1,1,0',
        "",
    ]


def test_without_the_extra_there_is_csv(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server without what writes Parquet says what to install."""
    monkeypatch.setitem(sys.modules, "arro3.core", None)
    with pytest.raises(InvalidValue, match=r"install kana-server\[parquet\]"):
        write_parquet([])


def test_a_csv_file(busy: Served) -> None:
    """The same rows, with a line of names."""
    answer = download(busy)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"] == 'attachment; filename="usage-test.csv"'
    assert answer.content == (
        b"at,featureId,packageId,units,entries,refusals\r\n"
        b"2026-03-10T00:00:00+00:00,message,basic,9,1,1\r\n"
        b"2026-03-10T00:00:00+00:00,message,open,3,1,0\r\n"
        b"2026-03-11T00:00:00+00:00,message,open,-1,1,0\r\n"
    )
    monthly = list(csv.DictReader(io.StringIO(download(busy, by="MONTH", userId="eve").text)))
    assert [(row["units"], row["entries"]) for row in monthly] == [("2", "2")]


def test_a_parquet_file(busy: Served) -> None:
    """The same rows with their types, read back by a reader of Parquet."""
    from arro3.io import read_parquet

    answer = download(busy, "parquet", packageId="open")
    assert answer.headers["content-type"] == "application/vnd.apache.parquet"
    table = read_parquet(io.BytesIO(answer.content)).read_all()
    assert table.column_names == ["at", "featureId", "packageId", "units", "entries", "refusals"]
    assert table["units"].to_pylist() == [3, -1]
    assert [moment.isoformat() for moment in table["at"].to_pylist()] == [
        "2026-03-10T00:00:00+00:00",
        "2026-03-11T00:00:00+00:00",
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"from": "yesterday"}, "from must be RFC 3339 with seconds and zone"),
        ({"by": "YEAR"}, "by must be one of HOUR, DAY, WEEK, MONTH, got 'YEAR'"),
        ({"userId": ["ada", "eve"]}, "userId must be given once"),
        ({"feature": "message"}, "unknown argument 'feature'"),
        ({"featureId": "nothing"}, "Feature not found: 'nothing'"),
        ({"userId": "nobody"}, "User not found: 'nobody'"),
        ({"featureId": [f"f{number}" for number in range(101)]}, "featureId must be given at most 100 times"),
    ],
)
def test_what_a_download_refuses(shared: Served, arguments: dict[str, Any], message: str) -> None:
    """A wrong argument is a 400 that names it, and no file."""
    answer = download(shared, **arguments)
    assert answer.status_code in (400, 404)
    assert answer.json()["detail"].startswith(message)


def test_a_download_needs_the_private_key(shared: Served) -> None:
    """Neither nobody nor a browser's key gets a file; other methods are not possible."""
    path = "/v1/insights.csv"
    public = {"Authorization": shared.keys[Environment.TEST][KeyKind.PUBLIC]}
    assert shared.http.get(path, params=RANGE).status_code == 401
    assert shared.http.get(path, params=RANGE, headers=public).status_code == 401
    assert shared.http.post(path).status_code == 405
