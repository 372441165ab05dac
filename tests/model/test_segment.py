"""Whom an identify is about, what a track stands for, and which rule counts."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kana.errors import InvalidValue
from kana.model.environment import bucket_of
from kana.model.segment import (
    CONDITIONS_MAX,
    EventStatus,
    Identity,
    MappingRule,
    Message,
    MessageType,
    PropertyCondition,
    SegmentEvent,
    identity_of,
    is_import,
    leaves,
    mapped,
    received,
    same_person,
    tried_again,
    usage_key,
)
from kana.model.text import UNITS_MAX, shown
from tests.support.world import NOON, TEST, a_user

HOUR = timedelta(hours=1)


def a_message(kind: MessageType = MessageType.TRACK, **changes: Any) -> Message:
    """A message of ada's, with the JSON text that its parts make."""
    values: dict[str, Any] = {
        "id": "m-1", "type": kind, "user_id": "ada", "event": "Sent", "properties": {}, "traits": {}, "timestamp": None,
    } | changes  # fmt: skip
    raw = json.dumps({"properties": values["properties"], "traits": values["traits"]})
    return Message(raw=raw, **values)


def a_rule(event_name: str | None = "Sent", *conditions: tuple[str, str], **changes: Any) -> MappingRule:
    """A rule that makes messages of events."""
    values: dict[str, Any] = {
        "environment": TEST, "id": "1", "name": "rule", "event_name": event_name, "feature_id": "message",
        "conditions": tuple(PropertyCondition(path=path, value=value) for path, value in conditions),
        "created_at": NOON, "updated_at": NOON,
    } | changes  # fmt: skip
    return MappingRule(**values)


def kept(message: Message, *rules: MappingRule) -> SegmentEvent:
    """A message as it is kept at noon."""
    return received(message, rules, environment=TEST, number=5, now=NOON)


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        ({}, NOON),
        ({"timestamp": NOON - HOUR, "original_timestamp": NOON, "sent_at": NOON}, NOON - HOUR),
        ({"original_timestamp": NOON - HOUR}, NOON - HOUR),
        ({"sent_at": NOON - HOUR}, NOON),
        ({"original_timestamp": NOON - 9 * HOUR, "sent_at": NOON - 8 * HOUR}, NOON - HOUR),
        ({"original_timestamp": NOON + 8 * HOUR, "sent_at": NOON + 9 * HOUR}, NOON - HOUR),
        ({"original_timestamp": NOON + HOUR, "sent_at": NOON - HOUR}, NOON),
        ({"original_timestamp": datetime.min.replace(tzinfo=UTC), "sent_at": NOON}, datetime(1970, 1, 1, tzinfo=UTC)),
    ],
)
def test_the_senders_clock_may_be_wrong(times: dict[str, Any], expected: datetime) -> None:
    """The timestamp holds; without one, as long before now as it was old when it was sent, and never ahead."""
    assert kept(a_message(**times)).happened_at == expected


@given(st.datetimes(timezones=st.just(UTC)), st.datetimes(timezones=st.just(UTC)), st.timedeltas(HOUR * -99, HOUR * 99))
def test_any_two_times_of_a_sender_are_a_time(original: datetime, sent: datetime, wrong: timedelta) -> None:
    """Between 1970 and now, and the same however wrong the sender's clock is."""
    expected = kept(a_message(original_timestamp=original, sent_at=sent)).happened_at
    assert datetime(1970, 1, 1, tzinfo=UTC) <= expected <= NOON
    with suppress(OverflowError):
        shifted = a_message(original_timestamp=original + wrong, sent_at=sent + wrong)
        assert kept(shifted).happened_at == expected


def test_a_track_is_kept_with_all_that_its_usage_needs() -> None:
    """Feature and amount of the properties, the message's own time, and a key that follows from its id."""
    earlier = NOON - timedelta(hours=1)
    event = kept(a_message(properties={"featureId": "message", "delta": 3}, timestamp=earlier))
    usage = event.usage()

    assert (event.status, event.number, event.bucket) == (EventStatus.PENDING, 5, bucket_of(TEST, "ada"))
    assert (usage.user_id, usage.feature_id, usage.delta, usage.timestamp) == ("ada", "message", 3, earlier)
    assert usage.key == usage_key("m-1")
    assert usage.metadata == {"segment": {"messageId": "m-1", "event": "Sent"}}


def test_a_message_without_a_time_happened_when_it_came() -> None:
    """The time is fixed when it is kept, so that a repetition has the same."""
    event = kept(a_message(properties={"featureId": "message"}))
    assert (event.happened_at, event.received_at, event.usage().delta) == (NOON, NOON, 1)


@pytest.mark.parametrize(
    ("properties", "reason"),
    [
        ({"featureId": 7.5}, "properties.featureId must be a text, got 7.5"),
        ({"featureId": ["message"]}, "properties.featureId must be a text, got ['message']"),
        (
            {"featureId": "x" * 256},
            f"properties.featureId must be 1 to 255 characters, got 256: {shown('x' * 256)}",
        ),
        (
            {"featureId": "message", "delta": None},
            f"properties.delta must be a whole number from -{UNITS_MAX} to {UNITS_MAX}, got null",
        ),
        ({"featureId": "message", "delta": 0}, "delta must not be 0 with ADD: there is nothing to record"),
    ],
)
def test_a_track_that_names_no_usage_has_failed(properties: dict[str, object], reason: str) -> None:
    """It is kept with the reason, and nothing of it is carried out."""
    event = kept(a_message(properties=properties))
    assert (event.status, event.reason, event.feature_id, event.delta) == (EventStatus.FAILED, reason, None, 1)


@pytest.mark.parametrize(("delta", "expected"), [(2.0, 2), (-3, -3), ("4", 4), (UNITS_MAX, UNITS_MAX)])
def test_whole_numbers_count_however_they_are_written(delta: object, expected: int) -> None:
    """2.0 is 2, text is its digits, and a negative amount gives back."""
    assert kept(a_message(properties={"featureId": "message", "delta": delta})).usage().delta == expected


@pytest.mark.parametrize(
    ("message", "status", "reason"),
    [
        (a_message(MessageType.PAGE), EventStatus.IGNORED, None),
        (a_message(user_id=None), EventStatus.IGNORED, "no userId"),
        (a_message(MessageType.IDENTIFY, user_id=None), EventStatus.IGNORED, "no userId"),
        (a_message(problem="odd"), EventStatus.FAILED, "odd"),
        (a_message(MessageType.IDENTIFY), EventStatus.PENDING, None),
        (a_message(), EventStatus.UNMAPPED, None),
    ],
)
def test_what_is_to_be_done_with_a_message(message: Message, status: EventStatus, reason: str | None) -> None:
    """Identifies and tracks of a user are carried out; all else is kept."""
    event = kept(message)
    assert (event.status, event.reason) == (status, reason)
    assert event.bucket == bucket_of(TEST, message.user_id or message.id)


def test_the_first_rule_that_matches_counts() -> None:
    """An event is one unit of one feature, whatever other rules match it too."""
    rules = [a_rule("Other", id="1"), a_rule(id="2", feature_id="b"), a_rule(id="3", feature_id="c")]
    event = kept(a_message(properties={"delta": 7}), *rules)
    assert (event.status, event.rule_id, event.feature_id, event.delta) == (EventStatus.PENDING, "2", "b", 1)


def test_the_documented_rule_matches_the_documented_event() -> None:
    """The example of the published guide: the event's name and one property, both of which must hold."""
    rule = a_rule("Package Created", ("type", "addon"), feature_id="Add-on Packages")
    event = kept(a_message(event="Package Created", properties={"type": "addon"}), rule)
    assert (event.feature_id, event.delta) == ("Add-on Packages", 1)
    for other in (
        a_message(event="Package Created", properties={"type": "base"}),
        a_message(event="Package Created"),
        a_message(event="Package created", properties={"type": "addon"}),
    ):
        assert kept(other, rule).status is EventStatus.UNMAPPED


@pytest.mark.parametrize(
    ("path", "value", "properties", "expected"),
    [
        ("object.name", "x", {"object": {"name": "x"}}, True),
        ("object.name", "x", {"object.name": "x"}, True),
        ("a.b.c", "x", {"a.b": {"c": "x"}}, True),
        ("a.b.c", "x", {"a": {"b.c": "x"}}, True),
        ("a.b", "x", {"a.b": "y", "a": {"b": "x"}}, True),
        ("object.name", "x", {"object": "x"}, False),
        ("object.name", "x", {"object": ["x"]}, False),
        ("n", "1", {"n": 1}, True),
        ("n", "1.5", {"n": 1.5}, True),
        ("b", "true", {"b": True}, True),
        ("b", "True", {"b": True}, False),
        ("o", "{}", {"o": {}}, False),
        ("z", "null", {"z": None}, False),
    ],
)
def test_a_condition_holds_where_the_path_reads_as_the_value(
    path: str, value: str, properties: dict[str, object], expected: bool
) -> None:
    """Paths lead into objects; numbers, true and false read as JSON writes them; keys may hold dots."""
    assert PropertyCondition(path=path, value=value).holds(properties) is expected


def test_a_rule_without_a_name_matches_by_properties_alone() -> None:
    """All of its conditions must hold."""
    rule = a_rule(None, ("a", "1"), ("b.c", "x"))
    assert rule.matches(None, {"a": 1, "b": {"c": "x"}})
    assert not rule.matches("any", {"a": 1})


@pytest.mark.parametrize(
    "make",
    [
        lambda: a_rule(None),
        lambda: a_rule(""),
        lambda: a_rule(name=""),
        lambda: a_rule(feature_id=""),
        lambda: a_rule("Sent", *[("a", "b")] * (CONDITIONS_MAX + 1)),
        lambda: PropertyCondition(path="", value="x"),
        lambda: PropertyCondition(path="x", value=""),
    ],
)
def test_what_is_no_rule_is_refused(make: Any) -> None:
    """A rule needs something to match, and texts that can be kept."""
    with pytest.raises(InvalidValue):
        make()


def test_a_kept_event_is_held_against_rules_by_its_text() -> None:
    """Nothing but the kept text says what its properties were; without a match it is the same event."""
    event = kept(a_message(properties={"type": "addon"}))
    assert mapped(event, [a_rule("Sent", ("type", "base"))]) is event
    assert mapped(event, [a_rule("Sent", ("type", "addon"))]).status is EventStatus.PENDING


def test_leaves_are_what_conditions_can_name() -> None:
    """Each path with the value as a condition would have to say it; lists and nulls have none."""
    properties = {"a": 1, "b": {"c": "x", "d": {"e": True}}, "l": [1], "n": None}
    assert dict(leaves(properties)) == {"a": "1", "b.c": "x", "b.d.e": "true"}


@pytest.mark.parametrize(
    ("traits", "expected"),
    [
        ({"name": "John Doe", "email": "j@e.com", "billingUserId": "cus_1"}, ("John Doe", "j@e.com", "cus_1")),
        ({"billingId": "cus_2", "plan": "pro", "age": 7}, (None, None, "cus_2")),
        ({"billingUserId": "cus_1", "billingId": "cus_2"}, (None, None, "cus_1")),
        ({"name": None, "email": ""}, (None, None, None)),
        ({"name": [], "email": False, "billingId": {}}, (None, None, None)),
        ({"name": 42, "email": 1.5, "billingId": 7.0}, ("42", "1.5", "7")),
        ({}, (None, None, None)),
    ],
)
def test_three_traits_count(traits: dict[str, object], expected: tuple[str | None, ...]) -> None:
    """Name, e-mail, and the billing id under either of its names; others are dropped, and empty ones say nothing."""
    identity = identity_of(kept(a_message(MessageType.IDENTIFY, traits=traits)))
    assert (identity.user_id, identity.name, identity.email, identity.billing_id) == ("ada", *expected)


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"context": {"traits": {"name": "Ada"}}}, "Ada"),
        ({"context": {"traits": {"name": "Ada"}}, "traits": {}}, "Ada"),
        ({"context": {"traits": {"name": "Ada"}}, "traits": {"name": "Eve"}}, "Eve"),
        ({"context": {"traits": "Ada"}}, None),
        ({"context": ["traits"]}, None),
    ],
)
def test_traits_may_stand_in_the_context(fields: dict[str, object], name: str | None) -> None:
    """Where RudderStack's libraries put them; those of the message itself come first, and what is none says nothing."""
    event = replace(kept(a_message(MessageType.IDENTIFY)), raw=json.dumps(fields))
    assert identity_of(event).name == name


@pytest.mark.parametrize("traits", [{"name": True}, {"email": "a\0b"}, {"billingId": ["cus"]}])
def test_traits_that_cannot_be_kept_are_refused(traits: dict[str, object]) -> None:
    """The message names the trait."""
    with pytest.raises(InvalidValue, match=rf"traits\.{next(iter(traits))}"):
        identity_of(kept(a_message(MessageType.IDENTIFY, traits=traits)))


def test_what_was_said_is_put_over_what_was_known() -> None:
    """What an identify does not say stays."""
    user = a_user("ada", name="Ada", email="old@e.com", billing_id="cus_1")
    merged = Identity(user_id="ada", email="new@e.com").merged(user)
    assert (merged.name, merged.email, merged.billing_id) == ("Ada", "new@e.com", "cus_1")


def test_an_import_is_known_by_its_id() -> None:
    """The billing provider's customers have their e-mail as id; a user whom the customer named is none."""
    assert is_import(a_user("x@g.com", email="x@g.com", billing_id="cus_1"))
    assert is_import(a_user("cus_1", email="x@g.com", billing_id="cus_1"))
    assert not is_import(a_user("2", email="x@g.com", billing_id="cus_1"))
    assert not is_import(a_user("x@g.com", email="x@g.com"))


def test_whoever_has_the_id_is_meant() -> None:
    """Whatever their e-mail, and whoever else has the one that was said."""
    by_id = a_user("1", email="z@g.com")
    imported = a_user("x@g.com", key=2, email="x@g.com", billing_id="cus_1")
    assert same_person(by_id, [imported]) is by_id


def test_of_several_imports_the_oldest_is_meant() -> None:
    """By when they were made; those whom the customer named never are, however old."""
    named = a_user("2", key=1, email="x@g.com", billing_id="cus_0", created_at=NOON - timedelta(days=9))
    newer = a_user("x@g.com", key=2, email="x@g.com", billing_id="cus_2", created_at=NOON + timedelta(days=1))
    older = a_user("cus_1", key=3, email="x@g.com", billing_id="cus_1")
    assert same_person(None, [named, newer, older]) is older
    assert same_person(None, [named]) is None


FAILED = EventStatus.FAILED


def test_what_failed_after_it_was_mapped_is_tried_as_it_is() -> None:
    """What it was mapped to it stays, whatever rules say by now."""
    event = replace(kept(a_message()), status=FAILED, reason="too late", feature_id="message", rule_id="1", delta=3)
    assert tried_again(event, a_message(), []) == replace(event, status=EventStatus.PENDING, reason=None)


def test_what_failed_to_be_read_is_read_anew() -> None:
    """Under its own id, and at its own time: that of the message if it can be read now."""
    odd = kept(a_message(properties={"featureId": "message", "delta": "many"}))
    assert odd.status is FAILED
    message = a_message(id="made up", properties={"featureId": "message", "delta": 3})

    again = tried_again(odd, message, [])
    assert (again.status, again.feature_id, again.delta, again.reason) == (EventStatus.PENDING, "message", 3, None)
    assert (again.message_id, again.number, again.bucket) == (odd.message_id, odd.number, odd.bucket)
    assert (again.happened_at, again.received_at) == (odd.happened_at, odd.received_at)
    earlier = NOON - timedelta(days=1)
    assert tried_again(odd, replace(message, timestamp=earlier), []).happened_at == earlier


def test_a_rule_may_map_what_failed() -> None:
    """What names no feature any more is held against the rules of now."""
    odd = kept(a_message(problem="odd", properties={}))
    assert tried_again(odd, a_message(), []).status is EventStatus.UNMAPPED


@pytest.mark.parametrize(
    "message", [a_message(problem="still odd"), a_message(properties={"featureId": 7.5}), a_message(user_id="bob")]
)
def test_what_fails_as_before_stays(message: Message) -> None:
    """And so does one of another user, who has other rows."""
    odd = kept(a_message(problem="odd"))
    assert tried_again(odd, message, []) is odd
