"""What is set aside for a user, on their page: seen by everybody, released and settled by editors, with a reason."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta

import pytest

from kana.dashboard.reservations import OPEN_MAX
from kana.engine.usage.reserving import ReservingEngine
from kana.errors import OutcomeUnknown
from kana.model.allowance import Allowance, Cost
from kana.model.colleague import Role
from kana.model.feature import FeatureType
from kana.model.given import OverrideTerms
from kana.model.line import Line
from kana.model.package import PackageFeature
from kana.model.reservation import ReservationStatus
from kana.model.usage import Entry
from tests.dashboard.desk import Desk, Visitor, text_of
from tests.dashboard.test_ledger import table
from tests.dashboard.test_user_giving import said_after
from tests.support.ledger import entries_of
from tests.support.world import DAY, MONTH, TEST, TESTER, allows

PAGE = "/test/user?id=user-0"


@pytest.fixture
def editor(desk: Desk) -> Visitor:
    """Somebody who may change things."""
    return desk.colleague(Role.EDITOR)


def reserve(desk: Desk, minutes: int = 15, user_id: str = "user-0", **units: int) -> int:
    """Set units aside, a second before what comes next; return the reservation's id."""
    lines, ttl = [Line(*each) for each in units.items()], timedelta(minutes=minutes)
    held = desk.served.run(desk.served.engine.reserving.reserve(TEST, user_id, lines, ttl=ttl)).reservation
    assert held is not None
    desk.served.clock.advance(seconds=1)
    return held.id


def status(desk: Desk, number: int) -> ReservationStatus:
    """What became of a reservation."""
    found = desk.served.run(desk.served.engine.reserving.reservation(TEST, number))
    return found.reservation.status(desk.served.clock())


def ledger(desk: Desk) -> list[Entry]:
    """The entries of the user, the newest first."""
    return sorted(desk.served.run(entries_of(desk.served.store, "user-0")), key=lambda entry: -entry.id)


def form(verb: str, number: int | str) -> str:
    """Where a form is sent."""
    return f"/test/user/reservation/{verb}?id=user-0&reservation={number}"


def furnish_credit(desk: Desk) -> None:
    """Let the user draw images, each for five credits."""
    run, catalog = desk.served.run, desk.served.engine.catalog
    for feature_id, name in (("image", "Images"), ("credit", "Credits")):
        run(catalog.create_feature(TEST, id=feature_id, type=FeatureType.CONSUMABLE, name=name, by=TESTER))
    allowance = Allowance(limit=9, reset_period=MONTH, cost=Cost(feature_id="credit", units=5))
    image = PackageFeature(feature_id="image", allowance=allowance)
    features = [allows(10, DAY), image, allows(100, feature="credit")]
    run(catalog.create_package(TEST, id="art", name="Art", features=features, by=TESTER))
    run(catalog.publish_package(TEST, "art", by=TESTER))
    run(desk.served.engine.accounts.change_subscription(TEST, "user-0", "art"))


def test_what_is_set_aside_is_seen_while_it_is(desk: Desk) -> None:
    """What is held of which feature, since when and until when; nothing of it before and afterwards."""
    viewer = desk.colleague(Role.VIEWER)
    assert "Reservations" not in text_of(viewer.get(PAGE))
    number = reserve(desk, message=7)
    said = text_of(viewer.get(PAGE))
    assert (
        "Reservations Held Since Until Reservation Actions"
        f" 7 of Messages 10 March 2026, 12:00 UTC 10 March 2026, 12:15 UTC {number} Copy"
    ) in said
    assert "0 of 10 7 held" in said
    desk.served.clock.advance(minutes=15)
    assert "Reservations" not in text_of(viewer.get(PAGE))


def test_what_has_no_amount_says_so(desk: Desk, editor: Visitor) -> None:
    """On the user's page, in the form, which is empty then and has to be filled in, and in the ledger."""
    run, engine = desk.served.run, desk.served.engine
    terms = OverrideTerms(limit=1, overage_enabled=True)
    run(engine.giving.set_override(TEST, "user-0", "message", terms, reason="asked", by=TESTER))
    numbers = []
    for _ in range(3):
        made = run(engine.reserving.reserve(TEST, "user-0", [Line("message", 0, unbounded=True)])).reservation
        assert made is not None
        numbers.append(made.id)
        desk.served.clock.advance(seconds=1)
    html = editor.get(PAGE)
    assert "Any amount of Messages" in text_of(html)
    assert "Reserved without an amount." in text_of(html)
    assert f'required value="" id="settle-{numbers[0]}-1' in html
    assert (
        "Units of message must be a whole number"
        in editor.post(form("settle", numbers[0]), key="k", reason="crashed", **{"units:message": ""}).text
    )
    editor.post(form("settle", numbers[0]), key="k", reason="crashed", **{"units:message": "70"})
    assert status(desk, numbers[0]) is ReservationStatus.SETTLED
    editor.post(form("release", numbers[1]), reason="stuck")
    desk.served.clock.advance(minutes=15)
    reserve(desk, message=1)
    said = text_of(editor.get("/test/user/ledger?id=user-0"))
    for words in ("Never settled: no amount", "Released without an amount", "Settled 70", "Reserved any amount"):
        assert words in said


def test_what_an_entry_did_is_said_on_every_page(desk: Desk, editor: Visitor) -> None:
    """Reserved, settled, released and never settled, costs, and the reservation: on lines, entries and in the file."""
    furnish_credit(desk)
    number = reserve(desk, image=4, message=3)
    assert "4 of Images 20 of Credits (costs of Images)" in text_of(editor.get(PAGE)).replace("3 of Messages ", "")
    desk.served.clock.advance(seconds=1)
    editor.post(form("settle", number), key="k", reason="crashed", **{"units:image": "2", "units:message": "3"})
    lost = reserve(desk, message=1)
    desk.served.clock.advance(minutes=15)
    other = reserve(desk, message=2)
    desk.served.clock.advance(seconds=1)
    editor.post(form("release", other), reason="stuck")
    said = text_of(editor.get("/test/user/ledger?id=user-0"))
    for line in (
        f"Messages Released 2 Reservation {other} editor@example.com: stuck",
        f"Messages Never settled: 1 Reservation {lost}",
        f"Images Settled 2 Reservation {number} editor@example.com: crashed",
        f"Credits Settled 10 Costs of Images Reservation {number}",
        f"Images Reserved 4 Reservation {number}",
    ):
        assert line in said
    costs = next(each for each in ledger(desk) if each.line and each.line.cost_of and each.line.step == "SETTLED")
    assert costs.line is not None
    html = editor.get(f"/test/user/entry?id=user-0&entry={costs.id}")
    decision, said = costs.line.decision_id, text_of(html)
    assert f"Usage Settled 10 Costs of Images Reservation {number} Copy Decision {decision} Copy 3 lines" in said
    assert (
        f"Decided together Feature Usage Outcome Images Entry {decision} Settled 2 Recorded Credits This entry"
        f" Settled 10 Costs of Images Recorded Messages Entry {costs.id + 1} Settled 3 Recorded"
    ) in said
    for other in (decision, costs.id + 1):
        assert f'<a href="/test/user/entry?id=user-0&amp;entry={other}">Entry {other}</a>' in html
    assert re.search(r"subscription \d+ Held Every month 10 March 2026, 12:00 UTC -20", text_of(html))
    first = text_of(editor.get(f"/test/user/entry?id=user-0&entry={decision}"))
    assert f"Images This entry Settled 2 Recorded Credits Entry {costs.id} Settled 10 Costs of Images" in first
    rows = {row["id"]: row for row in table(editor)}
    row = rows[str(costs.id)]
    assert {name: row[name] for name in ("decisionId", "step", "reservationId", "costOf", "inGrace")} == {
        "decisionId": str(costs.line.decision_id), "step": "SETTLED", "reservationId": str(number),
        "costOf": "image", "inGrace": "no",
    }  # fmt: skip
    assert '"held": true' in row["postings"]


def test_a_refused_reservation_and_a_plain_entry_say_no_more_than_they_are(desk: Desk, editor: Visitor) -> None:
    """A refusal reserved nothing; an entry of its own is of no decision, and its cells are empty."""
    run, engine = desk.served.run, desk.served.engine
    run(engine.reserving.reserve(TEST, "user-0", [Line("message", 11)]))
    said = text_of(editor.get("/test/user/ledger?id=user-0"))
    assert "Messages Reserve 11 0 of 10 Refused" in said
    desk.served.clock.advance(seconds=1)
    editor.post("/test/user/usage?id=user-0", key="k", feature="message", amount="1", reason="r", way="record")
    newest, _ = table(editor)
    assert [newest[name] for name in ("decisionId", "step", "reservationId", "costOf")] == [""] * 4
    assert "Decision" not in text_of(editor.get(f"/test/user/entry?id=user-0&entry={newest['id']}"))


def test_it_is_released_by_hand(desk: Desk, editor: Visitor) -> None:
    """Once, with who and why in the ledger; sent again it says that it was over."""
    number = reserve(desk, message=7)
    said = said_after(editor, editor.post(form("release", number), reason="stuck"))
    assert f"Reservation {number} was released." in said
    assert status(desk, number) is ReservationStatus.RELEASED
    assert ledger(desk)[0].metadata == {"reason": "stuck", "by": "editor@example.com"}
    again = said_after(editor, editor.post(form("release", number), reason="again"))
    assert f"Reservation {number} was over already: nothing was set aside any more." in again
    assert len(ledger(desk)) == 2


def test_it_is_settled_by_hand(desk: Desk, editor: Visitor) -> None:
    """The form has what is held; what was used counts, once however often it is sent, and the rest is free."""
    number = reserve(desk, message=7)
    html = editor.get(PAGE)
    assert re.search(r'name="units:message"[^>]* value="7"', html)
    key = re.findall(r'name="key" value="(dashboard-[^"]+)"', html)[1]
    fields = {"key": key, "units:message": "5", "reason": "as logged"}
    said = said_after(editor, editor.post(form("settle", number), **fields))
    assert f"Reservation {number} was settled: 5 of message." in said
    assert "5 of 10" in said
    assert (status(desk, number), ledger(desk)[0].metadata) == (
        ReservationStatus.SETTLED, {"reason": "as logged", "by": "editor@example.com"},
    )  # fmt: skip
    again = said_after(editor, editor.post(form("settle", number), **fields))
    assert "This form had been sent before, and settled only once." in again
    answer = editor.post(form("settle", number), **{**fields, "units:message": "4"})
    assert (answer.status_code, "Nothing was settled now" in text_of(answer.text)) == (400, True)
    assert len(ledger(desk)) == 2


@pytest.mark.parametrize(
    ("verb", "fields", "message"),
    [
        ("settle", {"units:message": "11"}, "Not settled. message: The limit of 10 is reached for this period"),
        ("settle", {"units:message": "many"}, "Units of message must be a whole number from 0 to 9,007"),
        ("settle", {"units:message": "-1"}, "Units of message must be a whole number from 0 to 9,007"),
        ("settle", {}, "Units of message must be a whole number from 0 to 9,007"),
        ("settle", {"units:message": "5", "reason": ""}, "Reason must be 1 to 500 characters"),
        ("release", {"reason": ""}, "Reason must be 1 to 500 characters"),
    ],
)
def test_what_is_wrong_is_said_in_the_form(
    desk: Desk, editor: Visitor, verb: str, fields: Mapping[str, str], message: str
) -> None:
    """It stays open with what was typed, and the reservation stands."""
    number = reserve(desk, message=7)
    answer = editor.post(form(verb, number), **{"key": "k", "reason": "r", **fields})
    assert answer.status_code == 400
    assert message in text_of(answer.text)
    opened = re.findall(r'id="(\w+)-\d+" role="dialog" aria-labelledby="[^"]*">', answer.text)
    assert opened == [verb]
    typed = re.search(r'name="units:message"[^>]* value="([^"]*)"', answer.text)
    assert typed is not None
    assert typed[1] == (fields.get("units:message", "") if verb == "settle" else "7")
    assert status(desk, number) is ReservationStatus.OPEN


def test_what_is_settled_cannot_be_released_or_settled_again(desk: Desk, editor: Visitor) -> None:
    """The page says so, though the reservation is not listed any more."""
    number = reserve(desk, message=7)
    desk.served.run(desk.served.engine.reserving.settle(TEST, number, [Line("message", 5)]))
    for answer in (
        editor.post(form("release", number), reason="r"),
        editor.post(form("settle", number), **{"key": "k", "reason": "r", "units:message": "1"}),
    ):
        assert answer.status_code == 400
        assert re.search(r"Reservations [^.]*settled", text_of(answer.text))


def test_what_is_settled_too_late_counts_like_new_usage(desk: Desk, editor: Visitor) -> None:
    """And the page says so."""
    number = reserve(desk, message=7)
    desk.served.clock.advance(minutes=15)
    fields = {"key": "k", "reason": "r", "units:message": "5"}
    said = said_after(editor, editor.post(form("settle", number), **fields))
    assert "The reservation was over, so this was decided like new usage." in said
    assert f"Use 5 Reservation {number}, which was over" in said


@pytest.mark.parametrize("verb", ["release", "settle"])
def test_a_lost_answer_keeps_the_form(desk: Desk, editor: Visitor, monkeypatch: pytest.MonkeyPatch, verb: str) -> None:
    """With its key, so that sent again it counts once."""

    async def lost(*_: object, **__: object) -> None:
        raise OutcomeUnknown("lost")

    number = reserve(desk, message=7)
    fields = {"key": "kept", "reason": "r", "units:message": "5"}
    with monkeypatch.context() as patch:
        patch.setattr(ReservingEngine, verb, lost)
        answer = editor.post(form(verb, number), **fields)
    assert answer.status_code == 503
    assert "The answer was lost. If the reservation is still listed, send the form again" in text_of(answer.text)
    assert re.findall(r'id="(\w+)-\d+" role="dialog" aria-labelledby="[^"]*">', answer.text) == [verb]
    assert verb == "release" or 'name="key" value="kept"' in answer.text
    said_after(editor, editor.post(form(verb, number), **fields))


def test_another_users_is_not_there(desk: Desk, editor: Visitor) -> None:
    """Nor that of the other environment, nor what is no id."""
    number = reserve(desk, user_id="user-1", message=7)
    for verb in ("release", "settle"):
        for address in (form(verb, number), form(verb, "x"), form(verb, 1), form(verb, number).replace("test", "live")):
            answer = editor.post(address, key="k", reason="r", **{"units:message": "1"})
            assert answer.status_code == 404, address
    assert status(desk, number) is ReservationStatus.OPEN


def test_viewers_change_nothing(desk: Desk) -> None:
    """Neither a menu nor a form; sent anyhow it is refused."""
    number = reserve(desk, message=7)
    viewer = desk.colleague(Role.VIEWER)
    page = viewer.get(PAGE)
    assert "7 of Messages" in text_of(page)
    assert "user/reservation/" not in page
    assert "Actions for reservation" not in page
    answers = [viewer.post(form(verb, number), reason="r").status_code for verb in ("release", "settle")]
    assert (answers, status(desk, number)) == ([403, 403], ReservationStatus.OPEN)


def test_a_page_lists_the_first_to_end(desk: Desk, editor: Visitor) -> None:
    """A page does not grow without bounds; those that are not shown come when others have gone."""
    numbers = [reserve(desk, 60 - each, support=1) for each in range(OPEN_MAX + 1)]
    html = editor.get(PAGE)
    assert re.findall(r'id="settle-(\d+)" ', html) == [str(each) for each in numbers[:0:-1]]
    assert f"The first {OPEN_MAX} to end are shown." in text_of(html)


def test_what_is_held_is_seen_among_the_grants(desk: Desk, editor: Visitor) -> None:
    """Of each source of units, and where one asks why."""
    run, engine = desk.served.run, desk.served.engine
    run(engine.giving.create_top_up(TEST, "user-0", "message", 5, reason="a gift", by=TESTER))
    reserve(desk, message=12)
    said = text_of(editor.get(PAGE))
    assert "0 of 15 12 held" in said
    assert "Basic Plan 10 0 10 held 0" in said
    assert "Top-up a gift 5 0 2 held 3" in said
    why = text_of(editor.get("/test/user/why?id=user-0&feature=message"))
    assert "0 of 10, 10 held" in why
    assert "0 of 5, 2 held" in why
