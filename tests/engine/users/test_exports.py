"""What is kept of a user as JSON, and cursors that were made up."""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from dataclasses import replace
from typing import Any

import pytest

from kana.engine.users import exports
from kana.engine.users.exports import PAGE_MAX, document, record_of
from kana.errors import InvalidValue, UserNotFound
from kana.model.bulk_change import BulkOutcome, BulkResult
from kana.model.given import OverrideTerms
from kana.model.grant import CounterKey
from kana.model.line import DecisionLine, Line
from kana.model.segment import Message, MessageType
from tests.support.world import DAY, NOON, ONE_DAY, TEST, TESTER, World, a_package, a_usage, allows, an_entry

COUNTER = CounterKey(7, 1, "message", None, NOON)


@pytest.fixture
async def shop(world: World) -> World:
    """A user of whom a bit of everything is kept."""
    await world.furnish(a_package("basic", allows(9)))
    await world.accounts.create_user(TEST, id="ada", name="Ä", by=TESTER)
    giving = world.engine.giving
    await giving.create_top_up(TEST, "ada", "message", 5, reason="sold", by=TESTER, expires_at=NOON + ONE_DAY)
    terms = OverrideTerms(limit=7, reset_period=DAY, keeps_reset_period=False)
    await giving.set_override(TEST, "ada", "message", terms, reason="asked", by=TESTER)
    await world.usage.record(a_usage(2, timestamp=NOON, metadata={"a": [1]}))
    await world.usage.record(a_usage(1000))
    await world.accounts.subscribe(TEST, "ada", ["basic"])
    await world.engine.segment.receive(TEST, [a_page()])
    return world


def a_page() -> Message:
    """A message that does nothing."""
    return Message(
        id="m",
        type=MessageType.PAGE,
        user_id="ada",
        event=None,
        properties={},
        traits={},
        timestamp=None,
        raw='{"é":1}',
    )


async def records(world: World) -> dict[str, list[dict[str, Any]]]:
    """All records, by their kind."""
    found: dict[str, list[dict[str, Any]]] = {}
    async for page in world.engine.exports.records(TEST, "ada"):
        for record in page:
            found.setdefault(record.pop("kind"), []).append(record)
    return found


async def test_every_kind_is_told_in_full(shop: World) -> None:
    """Times have a zone, and ids that Kana made are text."""
    found = await records(shop)
    assert set(found) == {
        "user", "id", "subscription", "topUp", "override", "counter", "entry", "segmentEvent", "logLine"
    }  # fmt: skip
    noon = "2026-03-10T12:00:00.000Z"
    assert found["user"] == [
        {
            "id": "ada",
            "name": "Ä",
            "email": None,
            "billingId": None,
            "timeZone": None,
            "metadata": {},
            "createdAt": noon,
        }
    ]
    [subscription] = found["subscription"]
    assert subscription.pop("id").isdigit()
    assert subscription == {
        "packageId": "basic",
        "status": "ACTIVE",
        "startedAt": noon,
        "endsAt": None,
        "trialEndsAt": None,
        "anchorAt": noon,
        "timeZone": None,
    }
    [top_up], [override] = found["topUp"], found["override"]
    assert (top_up["amount"], top_up["endsAt"], top_up["reason"]) == (5, "2026-03-11T12:00:00.000Z", "sold")
    assert (override["limit"], override["resetPeriod"], override["denied"], override["by"]) == (
        7,
        "DAY",
        False,
        "tester",
    )
    used, refused = found["entry"]
    assert (used["delta"], used["timestamp"], used["metadata"], used["recordedAt"]) == (2, noon, {"a": [1]}, noon)
    assert (refused["outcome"], refused["change"], refused["postings"]) == ("LIMIT_EXCEEDED", 0, [])
    assert refused["consumption"]["overageEnabled"] is False
    [posting] = used["postings"]
    [counter] = found["counter"]
    assert (posting.pop("change"), counter.pop("used")) == (2, 2)
    assert posting == counter
    [event] = found["segmentEvent"]
    assert (event["message"], event["type"], event["userId"], event["receivedAt"]) == ('{"é":1}', "page", "ada", noon)
    assert [line["subjectKind"] for line in found["logLine"]] == ["user", "top-up", "override"]
    assert found["logLine"][0]["after"]["name"] == "Ä"


async def test_what_is_set_aside_is_told(shop: World) -> None:
    """The reservation, its entries with what they do to it, and its total beside what is used."""
    held = await shop.engine.reserving.reserve(TEST, "ada", [Line("message", 3)])
    assert held.reservation is not None
    found = await records(shop)
    [reservation] = found["reservation"]
    assert reservation == {
        "id": str(held.reservation.id),
        "lines": [{"featureId": "message", "units": 3, "settled": 0, "held": 3, "costOf": None}],
        "createdAt": "2026-03-10T12:00:00.000Z",
        "endsAt": "2026-03-10T12:15:00.000Z",
        "closedAs": None,
        "closedAt": None,
    }
    assert found["entry"][-1]["line"] == {
        "decisionId": str(held.decision_id),
        "step": "RESERVED",
        "reservationId": str(held.reservation.id),
        "costOf": None,
    }
    assert {(each["held"], each["used"]) for each in found["counter"]} == {(True, 3), (False, 2)}
    used = DecisionLine(decision_id=1, size=1)
    told = record_of(replace(an_entry(1, change=1, counter=COUNTER), line=used))
    assert told["line"] == {"decisionId": "1", "step": None, "reservationId": None, "costOf": None}


def test_what_a_job_did_is_told() -> None:
    """On the way there and back."""
    result = BulkResult(
        change_id=5, number=1, user_id="ada", outcome=BulkOutcome.CHANGED, reason=None, back=None, back_reason=None
    )
    told = record_of(result)
    assert (told["kind"], told["changesId"], told["outcome"]) == ("subscriptionChange", "5", "CHANGED")


async def test_usage_of_nobody_s_counter_has_no_consumption(world: World) -> None:
    """As when no subscription answers."""
    await world.furnish()
    await world.accounts.create_user(TEST, id="ada")
    await world.usage.record(a_usage())
    [entry] = (await records(world))["entry"]
    assert entry["consumption"] is None
    assert entry["outcome"] == "NO_SUBSCRIPTION"


async def test_a_document_is_one_object(shop: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many pages it is made of; one that is cut off cannot be taken for a whole one."""
    monkeypatch.setattr(exports, "PAGE_MAX", 2)
    text = "".join([part async for part in document('"ä"', shop.engine.exports.records(TEST, "ada"))])
    read = json.loads(text)
    assert read["userId"] == '"ä"'
    assert sorted({record["kind"] for record in read["records"]}) == sorted(await records(shop))
    with pytest.raises(ValueError, match="Expecting"):
        json.loads(text[:-5])


@pytest.mark.parametrize("first", [0, PAGE_MAX + 1])
async def test_there_is_a_bound_on_pages(shop: World, first: int) -> None:
    """Of 1 to 200 records."""
    with pytest.raises(InvalidValue, match=f"first must be 1 to 200, got {first}"):
        await shop.engine.exports.page(TEST, "ada", first=first)


@pytest.mark.parametrize(
    "made_up",
    ["", "x", "é", [], 1, [1, 2], [1, 2, 3], [1, "2", []], [1, 2, [None]], [1, 2, [True]], [1, 2, ["\0"]],
     [2**63, 2, []], [1, 2, [[]]], [1, 2, {"a": 1}, 4]],
)  # fmt: skip
async def test_a_cursor_that_is_none_is_an_error(shop: World, made_up: object) -> None:
    """It names the field and the value."""
    cursor = made_up if isinstance(made_up, str) else urlsafe_b64encode(json.dumps(made_up).encode()).decode()
    with pytest.raises(InvalidValue, match="after must be the endCursor of the page before, got '"):
        await shop.engine.exports.page(TEST, "ada", after=cursor)


async def test_a_cursor_of_another_user_leads_nowhere(shop: World) -> None:
    """Whoever has the id now."""
    await shop.accounts.create_user(TEST, id="bob")
    page = await shop.engine.exports.page(TEST, "bob", first=1)
    with pytest.raises(UserNotFound, match="somebody else has this id now"):
        await shop.engine.exports.page(TEST, "ada", after=page.end_cursor)
