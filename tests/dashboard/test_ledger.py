"""A user's ledger: its search, a page of its own for each entry, and the file."""

from __future__ import annotations

import csv
import io
import json
import re
from html import unescape
from typing import Any

import pytest

import kana.store.entries
from kana.model.colleague import Role
from kana.model.feature import FeatureType
from kana.model.usage import Action, Entry, Usage
from tests.dashboard.desk import FORMULA, HOSTILE, Desk, Visitor, text_of
from tests.support.world import DAY, LIVE, TEST, TESTER, adds, rolls_over

PAGE = "/test/user/ledger?id=user-0"


@pytest.fixture
def viewer(desk: Desk) -> Visitor:
    """Somebody who may look."""
    return desk.colleague(Role.VIEWER)


def use(desk: Desk, delta: int = 1, *, feature_id: str = "message", **more: Any) -> Entry:
    """Record usage of user-0 a second later than the last one."""
    desk.served.clock.advance(seconds=1)
    usage = Usage(environment=TEST, user_id="user-0", feature_id=feature_id, delta=delta, **more)
    return desk.served.run(desk.served.engine.usage.record(usage)).entry


def ids(html: str) -> list[str]:
    """The entries that a page links to, in its order."""
    return re.findall(r"/user/entry\?id=user-0&amp;entry=(\d+)", html)


def older(html: str) -> str:
    """Where a page's link to older entries leads."""
    found = re.search(r'rel="next" href="([^"]*)', html)
    assert found
    return unescape(found[1])


def table(visitor: Visitor, query: str = "") -> list[dict[str, str]]:
    """The rows of the file."""
    answer = visitor.http.get(f"/test/user/ledger.csv?id=user-0{query}")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/csv; charset=utf-8"), answer.text
    return list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"), newline="")))


def test_the_ledger_is_paged(desk: Desk, viewer: Visitor) -> None:
    """25 lines a page, the newest first, from the user's page on to the oldest and back."""
    entries = [str(use(desk, delta).id) for delta in (1, -1) * 26]
    first = viewer.get("/test/user?id=user-0")
    second = viewer.get(older(first))
    third = viewer.get(older(second))
    assert ids(first) + ids(second) + ids(third) == entries[::-1]
    assert (len(ids(first)), len(ids(second)), 'rel="next"' in third) == (25, 25, False)
    assert f'href="{PAGE}">Newest</a>' in third
    assert ids(viewer.get(PAGE)) == ids(first)


def test_it_is_searched_by_feature_time_and_outcome(desk: Desk) -> None:
    """Each narrows it; days are whole ones, the last included; what is asked for stays in the form and the links."""
    used, switch, refused = use(desk, 9), use(desk, feature_id="support"), use(desk, 2)
    desk.served.clock.advance(days=1)
    later = use(desk, 3)
    viewer = desk.colleague(Role.VIEWER)
    for query, expected in (
        ("&feature=support", [switch]),
        ("&outcome=RECORDED", [later, switch, used]),
        ("&outcome=REFUSED", [refused]),
        ("&outcome=LIMIT_EXCEEDED&feature=message", [refused]),
        ("&outcome=BELOW_ZERO", []),
        ("&from=2026-03-11", [later]),
        ("&to=2026-03-10", [refused, switch, used]),
        ("&from=2026-03-10&to=2026-03-11&feature=message", [later, refused, used]),
    ):
        html = viewer.get(f"{PAGE}{query}")
        assert ids(html) == [str(entry.id) for entry in expected], query
        assert [row["id"] for row in table(viewer, query)] == ids(html)
    html = viewer.get(f"{PAGE}&feature=message&outcome=REFUSED&from=2026-03-01&to=2026-03-31")
    for kept in (
        '<option value="message" selected>', '<option value="REFUSED" selected>', 'value="2026-03-01"',
        "/user/ledger.csv?id=user-0&amp;feature=message&amp;outcome=REFUSED&amp;from=2026-03-01&amp;to=2026-03-31",
    ):  # fmt: skip
        assert kept in html
    assert "No entries match." in text_of(viewer.get(f"{PAGE}&outcome=BELOW_ZERO"))


@pytest.mark.parametrize(
    ("query", "status", "says"),
    [
        ("id=nobody", 404, "User not found: 'nobody'"),
        ("id=user-0&feature=none", 404, "Feature not found: 'none'"),
        ("id=user-0&outcome=x", 400, "Outcome must be one of RECORDED, LIMIT_EXCEEDED"),
        ("id=user-0&from=1", 400, "From must be a day such as 2026-01-31, got '1'"),
        ("id=user-0&from=2026-03-02&to=2026-03-01", 400, "To must be after from"),
        ("id=user-0&before=x", 400, "After must be the id of an entry of the user, got 'x'"),
    ],
)
def test_what_cannot_be_searched_says_why(viewer: Visitor, query: str, status: int, says: str) -> None:
    """On the page, and instead of a file."""
    is_field = "nobody" not in query and "before" not in query
    html = viewer.get(f"/test/user/ledger?{query}", status=400 if is_field else status)
    assert says in text_of(html)
    assert ('<h1 class="page-title">Ledger of' in html and " autofocus>" in html) is is_field
    if "before" not in query:
        assert says in text_of(viewer.get(f"/test/user/ledger.csv?{query}", status=status))


def test_a_search_that_looked_at_much_goes_on(desk: Desk, viewer: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    """It says so, and Older leads on; the file has all that match."""
    monkeypatch.setattr(kana.store.entries, "LOOKED_AT_MAX", 2)
    oldest, *_ = (use(desk, feature_id=feature_id) for feature_id in ("support", *["message"] * 3))
    first = viewer.get(f"{PAGE}&feature=support")
    assert ids(first) == []
    assert "None so far. 100,000 entries were looked at. Older ones may match too: go on with Older." in text_of(first)
    assert ids(viewer.get(older(first))) == [str(oldest.id)]
    assert [row["id"] for row in table(viewer, "&feature=support")] == [str(oldest.id)]


def test_an_entry_has_its_own_page(desk: Desk, viewer: Visitor) -> None:
    """What it was, the answer that was given, and which counters it moved."""
    run, engine = desk.served.run, desk.served.engine
    run(engine.catalog.create_package(TEST, id="more", name="More", is_addon=True, features=[adds(5, DAY)], by=TESTER))
    run(engine.catalog.publish_package(TEST, "more", by=TESTER))
    desk.served.clock.advance(seconds=5)
    [held] = run(engine.accounts.subscribe(TEST, "user-0", ["more"]))
    entry = use(desk, 12, key="k", metadata={"order": 7})
    said = text_of(viewer.get(f"/test/user/entry?id=user-0&entry={entry.id}"))
    assert f"Entry {entry.id}" in said
    assert "Feature Messages Usage Use 12 Happened 10 March 2026, 12:00 UTC Recorded 10 March" in said
    assert 'Idempotency key Yes Metadata {"order": 7} Answer Outcome Recorded RECORDED Used afterwards 12 of 15' in said
    assert "Answered by Basic Plan , subscription" in said
    assert f"More , subscription {held.subscription.id} Every day 10 March 2026, 12:00 UTC +2" in said
    assert "+10" in said


def test_an_entry_names_what_was_given_and_what_was_carried_over(desk: Desk) -> None:
    """A top-up with its reason, and what earlier periods left with the package that it is of."""
    run, engine = desk.served.run, desk.served.engine
    run(
        engine.catalog.create_package(
            TEST, id="roll", name="Roll", features=[rolls_over(10, DAY, most=10, periods=1)], by=TESTER
        )
    )
    run(engine.catalog.publish_package(TEST, "roll", by=TESTER))
    run(engine.accounts.change_subscription(TEST, "user-0", "roll"))
    top_up = run(engine.giving.create_top_up(TEST, "user-0", "message", 5, reason="a gift", by=TESTER)).given
    desk.served.clock.advance(days=1)
    entry = use(desk, 23)
    said = text_of(desk.colleague(Role.VIEWER).get(f"/test/user/entry?id=user-0&entry={entry.id}"))
    assert f"Top-up (a gift), {top_up.id} Never" in said
    assert "Carried over from Roll , subscription" in said
    assert [posting.change for posting in entry.postings] == [10, 10, 3]


def test_an_entry_that_undoes_another_leads_to_it(desk: Desk, viewer: Visitor) -> None:
    """And has the change with the other sign."""
    entry = use(desk, 3)
    desk.served.clock.advance(seconds=1)
    undone = desk.served.run(desk.served.engine.usage.reverse(TEST, entry.id, reason="wrong order", by=TESTER)).entry
    html = viewer.get(f"/test/user/entry?id=user-0&entry={undone.id}")
    assert f'/test/user/entry?id=user-0&amp;entry={entry.id}">Entry {entry.id}</a>' in html
    assert "-3" in text_of(html)


def test_a_refusal_and_a_set_have_theirs(desk: Desk, viewer: Visitor) -> None:
    """A refusal says why and moved nothing; a SET moved the difference, down too; without a package nobody answered."""
    use(desk, 9)
    refused, less, nobody = use(desk, 2), use(desk, 4, action=Action.SET), use(desk, feature_id="formula")
    pages = [text_of(viewer.get(f"/test/user/entry?id=user-0&entry={e.id}")) for e in (refused, less, nobody)]
    assert (
        "Outcome Refused Limit reached LIMIT_EXCEEDED Reason The limit of 10 is reached for this period: 9 used"
        in pages[0]
    )
    assert "It moved no counter." in pages[0]
    assert "Usage Set to 4" in pages[1]
    assert "Every day 10 March 2026, 12:00 UTC -5" in pages[1]
    assert "Used afterwards – Answered by –" in pages[2]


def test_an_entry_that_is_not_there_is_not_found(desk: Desk, viewer: Visitor) -> None:
    """Nor is one of another user or of the other environment, though its id is right."""
    entry = use(desk)
    assert desk.served.run(desk.served.engine.accounts.user(LIVE, "user-0")).id == "user-0"
    for address in (
        f"/test/user/entry?id=user-1&entry={entry.id}",
        f"/live/user/entry?id=user-0&entry={entry.id}",
        "/test/user/entry?id=user-0&entry=1",
        "/test/user/entry?id=user-0&entry=x",
        "/test/user/entry?id=user-0",
    ):
        assert "Entry not found" in viewer.get(address, status=404), address


def test_the_file_has_everything_and_no_formula(desk: Desk, viewer: Visitor) -> None:
    """Every page of what matches; numbers as they are, texts that a spreadsheet would run are shielded."""
    run, engine = desk.served.run, desk.served.engine
    formula = "=1+1"
    run(engine.catalog.create_feature(TEST, id=formula, type=FeatureType.BINARY, name=FORMULA, by=TESTER))
    entry = use(desk, 4, metadata={"by": HOSTILE, "reason": "a; =2+2"}, key="k")
    back, refused = use(desk, -3), use(desk, feature_id=formula)
    rows = table(viewer)
    assert [row["id"] for row in rows] == [str(each.id) for each in (refused, back, entry)]
    assert (rows[0]["featureId"], rows[0]["outcome"], rows[0]["used"], rows[0]["postings"]) == (
        "'=1+1", "NO_SUBSCRIPTION", "", "[]",
    )  # fmt: skip
    assert (rows[1]["delta"], rows[1]["change"], rows[1]["hasIdempotencyKey"], rows[1]["metadata"]) == (
        "-3", "-3", "no", "",
    )  # fmt: skip
    assert rows[2]["metadata"] == json.dumps({"by": HOSTILE, "reason": "a; '=2+2"})
    [posting] = json.loads(rows[2]["postings"])
    assert entry.counter is not None
    assert posting == {
        "sourceId": str(entry.counter.source_id), "carriedOver": False, "held": False, "resetPeriod": "DAY",
        "periodStart": "2026-03-10T12:00:00+00:00", "change": 4,
    }  # fmt: skip
    used = {name: rows[2][name] for name in ("used", "budget", "overageEnabled", "hasIdempotencyKey", "timestamp")}
    assert used == {
        "used": "4", "budget": "10", "overageEnabled": "no", "hasIdempotencyKey": "yes",
        "timestamp": entry.occurred_at.isoformat(),
    }  # fmt: skip


def test_the_file_has_more_than_a_page(desk: Desk, viewer: Visitor) -> None:
    """However many match, each once; and asked for its head alone, none is read."""
    usages = [Usage(environment=TEST, user_id="user-0", feature_id="support") for _ in range(1001)]
    desk.served.run(desk.served.engine.usage.record_many(usages))
    rows = table(viewer, "&feature=support")
    assert len({row["id"] for row in rows}) == len(rows) == 1001
    head = viewer.http.head("/test/user/ledger.csv?id=user-0")
    assert (head.status_code, head.text) == (200, "")
    assert head.headers["content-disposition"] == 'attachment; filename="ledger-test.csv"'


def test_an_entry_is_reversed_where_it_stands(desk: Desk) -> None:
    """By an editor, with a reason; sent again it leads to the first reversal, which has no such form."""
    editor = desk.colleague(Role.EDITOR)
    entry = use(desk, 4)
    address = f"/test/user/entry?id=user-0&entry={entry.id}"
    form = f"/test/user/entry/reverse?id=user-0&entry={entry.id}"
    assert 'id="reverse"' in editor.get(address)
    answer = editor.post(form, reason="wrong order")
    assert answer.status_code == 303
    reversal = editor.get(answer.headers["location"])
    assert (f"Entry {entry.id} was reversed." in reversal, 'id="reverse"' in reversal) == (True, False)
    assert "wrong order" in reversal
    again = editor.post(form, reason="again")
    assert "had been reversed before" in editor.get(again.headers["location"])


@pytest.mark.parametrize(
    ("reason", "back", "told"),
    [("", 0, "Reason must be 1 to 500 characters"), ("r", -1, "Not reversed. Of 4 units only 3 can be taken back")],
)
def test_what_cannot_be_reversed_is_said(desk: Desk, reason: str, back: int, told: str) -> None:
    """Beside the form, and nothing is moved."""
    entry = use(desk, 4)
    if back:
        use(desk, back)
    editor = desk.colleague(Role.EDITOR)
    answer = editor.post(f"/test/user/entry/reverse?id=user-0&entry={entry.id}", reason=reason)
    assert (answer.status_code, told in unescape(answer.text)) == (400, True)


def test_a_viewer_cannot_reverse(desk: Desk, viewer: Visitor) -> None:
    """There is no form, and the address refuses."""
    entry = use(desk, 4)
    assert 'id="reverse"' not in viewer.get(f"/test/user/entry?id=user-0&entry={entry.id}")
    assert viewer.post(f"/test/user/entry/reverse?id=user-0&entry={entry.id}", reason="r").status_code == 403
