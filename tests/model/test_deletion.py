"""What is cleared of a deleted user, and what others wrote that only looks like them."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from kana.errors import InvalidValue
from kana.model.deletion import FORGOTTEN, Deletion, IdSpan, is_telling, new_surrogate, texts_of
from kana.model.log import NOT_USERS, LogLine
from kana.model.segment import EventStatus, MessageType, SegmentEvent
from kana.model.text import new_identifier
from tests.support.world import LIVE, NOON, TEST, TESTER, a_user

SURROGATE = new_surrogate()
ONE_HOUR = timedelta(hours=1)


def a_deletion(*spans: IdSpan, texts: tuple[str, ...] = ()) -> Deletion:
    """A deletion of somebody with the id "pro", unless other ids are given."""
    return Deletion(
        environment=TEST, bucket=7, key=1, surrogate=SURROGATE, deleted_at=NOON,
        spans=spans or (IdSpan("pro", None, None),), texts=texts,
    )  # fmt: skip


def a_line(kind: str = "package", subject: str = "basic", at: datetime = NOON, **changes: Any) -> LogLine:
    """A line of the log."""
    values: dict[str, Any] = {"before": None, "after": None, "environment": TEST, **changes}
    return LogLine(id=1, at=at, actor=TESTER, action="updated", subject_kind=kind, subject_id=subject, **values)


def an_event(user_id: str | None = "bob", raw: object = "", at: datetime = NOON, **changes: Any) -> SegmentEvent:
    """An event of somebody else."""
    values: dict[str, Any] = {
        "environment": TEST, "bucket": 7, "message_id": "m", "number": 5, "type": MessageType.TRACK, "event": "Sent",
        "status": EventStatus.UNMAPPED, "happened_at": at, **changes,
    }  # fmt: skip
    text = raw if isinstance(raw, str) else json.dumps(raw)
    return SegmentEvent(user_id=user_id, received_at=at, raw=text, **values)


def test_a_surrogate_can_be_nobody_s_id() -> None:
    """It is random, and refused as a new id; what only begins like one is not."""
    assert re.fullmatch("deleted-user:[0-9a-f]{32}", SURROGATE)
    assert new_surrogate() != SURROGATE
    with pytest.raises(InvalidValue, match="id must not be what stands for a deleted user, got 'deleted-user:"):
        new_identifier(SURROGATE, field="id")
    assert new_identifier(SURROGATE, field="id", old=SURROGATE) == SURROGATE
    assert new_identifier("deleted-user:1", field="id") == "deleted-user:1"


def test_what_says_who_a_user_is() -> None:
    """Name, e-mail and billing id, as far as there are any."""
    assert texts_of(a_user(name="N", email="e@x", billing_id="b")) == ("N", "e@x", "b")
    assert texts_of(a_user(name="N")) == ("N",)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("a@b", True), ("user-126", True), ("Ada Lovelace", True), ("user-12", False), ("customer", False), ("", False)],
)
def test_what_is_telling(text: str, *, expected: bool) -> None:
    """An e-mail, or what is long and not a mere word."""
    assert is_telling(text) is expected


@pytest.mark.parametrize(
    ("since", "until", "expected"),
    [
        (None, None, True), (NOON, None, False), (NOON - ONE_HOUR, None, True), (None, NOON, True),
        (None, NOON - ONE_HOUR, False), (NOON - ONE_HOUR, NOON + ONE_HOUR, True),
    ],
)  # fmt: skip
def test_when_an_id_was_a_user_s(since: datetime | None, until: datetime | None, *, expected: bool) -> None:
    """Until the moment it was given back, which belongs to it; the next user has it after that."""
    assert IdSpan("pro", since, until).covers(NOON) is expected


@pytest.mark.parametrize("kind", ["user", "subscription", "user tokens", "what may come"])
def test_of_a_line_about_the_user_the_fact_is_left(kind: str) -> None:
    """Who did what and when; its values go, and so does the id, of whatever kind the line is."""
    line = a_line(kind, "pro", before={"name": "x"}, after={"name": "y"})
    assert a_deletion().may_change_line(kind, "pro", NOON)
    assert a_deletion().line(line) == replace(line, subject_id=SURROGATE, before=None, after=None)


@pytest.mark.parametrize(
    "line",
    [
        *(a_line(kind, "pro", after={"id": "pro"}) for kind in sorted(NOT_USERS)),
        a_line("user", "pro", NOON + ONE_HOUR, after={"id": "pro"}),
        a_line("user", "bob", after={"name": "pro", "email": "xuser-126", "metadata": ["user-1261", "a user-12 6"]}),
        a_line("user", "pro", environment=LIVE, after="user-126"),
        a_line("colleague", "user-126", environment=None),
    ],
)
def test_a_line_about_something_else_stays(line: LogLine) -> None:
    """A package with the same id, a user who had the id later, a longer word, another environment, a colleague."""
    deletion = a_deletion(IdSpan("pro", None, NOON), IdSpan("user-126", None, NOON))
    assert deletion.line(line) is line


def test_what_tells_who_the_user_is_goes_from_every_line() -> None:
    """In any capitals, between other words, in keys and values however deep; the rest stays."""
    deletion = a_deletion(IdSpan("user-126", None, None), texts=("Ada@Example.com", "Ada", "Ada Lovelace"))
    after = {
        "why": ["for ADA LOVELACE (user-126), as Ada asked", 5, None],
        "ada@example.com": {"x": "ada@example.com."},
    }
    line = a_line("users", "user-126.csv", after=after)
    assert deletion.may_change_line("users", "file.csv", NOON, None, json.dumps(after))
    cleared = deletion.line(line)
    assert cleared.subject_id == f"{SURROGATE}.csv"
    assert cleared.after == {
        "why": [f"for {SURROGATE} ({SURROGATE}), as Ada asked", 5, None], SURROGATE: {"x": f"{SURROGATE}."}
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "expected"),
    [('{"a":"b"}', False), ('{"a":"USER-126"}', True), ('{"a":"\\u0075ser-126"}', True), ('{"a":"pro"}', False)],
)
def test_only_what_may_name_the_user_is_read(text: str, *, expected: bool) -> None:
    """A text with an escape may say anything, so it is read too."""
    deletion = a_deletion(IdSpan("user-126", None, None), IdSpan("pro", None, None))
    assert deletion.may_change_line("package", "pro", NOON, text) is expected
    assert deletion.may_change_event(MessageType.TRACK, text, NOON) is expected
    assert not a_deletion().may_change_event(MessageType.TRACK, text, NOON)


@pytest.mark.parametrize("status", EventStatus)
def test_of_the_user_s_own_event_what_it_counted_for_is_left(status: EventStatus) -> None:
    """One that was open is over, since it can never count for anybody else."""
    is_open = status in (EventStatus.PENDING, EventStatus.UNMAPPED, EventStatus.WAITING, EventStatus.FAILED)
    event = an_event("pro", {"userId": "pro"}, status=status, reason="r")
    expected = (EventStatus.IGNORED, FORGOTTEN) if is_open else (status, "r")
    cleared = a_deletion().event(event)
    assert (cleared.status, cleared.reason) == expected
    assert (cleared.user_id, cleared.raw, cleared.message_id, cleared.event) == (SURROGATE, "{}", "m", "Sent")


def test_a_message_s_id_that_names_the_user_goes() -> None:
    """However short the id is: it is their own message."""
    deletion = a_deletion(texts=("ada",))
    assert deletion.event(an_event("pro", message_id="2026-pro")).message_id == f"{SURROGATE}/5"
    assert deletion.event(an_event("pro", message_id="Ada:1")).message_id == f"{SURROGATE}/5"
    assert deletion.event(an_event("pro", message_id="product")).message_id == "product"


def test_an_event_of_another_s_stays_except_for_what_tells_who_the_user_is() -> None:
    """Also under an id that the user had at another time; an alias names users, so short ids go from it."""
    deletion = a_deletion(IdSpan("pro", NOON - ONE_HOUR, NOON), texts=("ada@x",))
    for same in (an_event("bob", {"plan": "pro"}), an_event("pro", {"plan": "pro"}, NOON + ONE_HOUR), an_event(None)):
        assert deletion.event(same) is same
    mentioned = an_event(None, '{"traits":{"email":"\\u0041da@x","n":1}}')
    assert json.loads(deletion.event(mentioned).raw) == {"traits": {"email": SURROGATE, "n": 1}}
    alias = an_event("bob", {"previousId": "pro", "plan": "pro 2"}, type=MessageType.ALIAS)
    assert deletion.may_change_event(MessageType.ALIAS, alias.raw, NOON)
    assert json.loads(deletion.event(alias).raw) == {"previousId": SURROGATE, "plan": "pro 2"}
    escaped = an_event("bob", {"text": '"'})
    assert deletion.event(escaped) is escaped


def test_a_message_that_cannot_be_read_is_emptied() -> None:
    """If it may name the user: nothing says where in it."""
    assert a_deletion(texts=("ada@x",)).event(an_event(None, "ada@x {")).raw == "{}"
