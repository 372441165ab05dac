"""Deleting a user: what says who they are, how it is found again in what others wrote, and what takes its place."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime

from kana.model.environment import Environment
from kana.model.log import NOT_USERS, LogLine
from kana.model.segment import EventStatus, MessageType, SegmentEvent
from kana.model.text import SURROGATE
from kana.model.user import User
from kana.model.value import value_object

TELLING_LENGTH = 8
"""A text that says who somebody is even between other words: an e-mail, or one so long that is more than a word."""

FORGOTTEN = "its user was deleted"
"""The reason in place of why units were given to a user, and of their events of Segment that were still open."""

_EMPTY = "{}"
_OPEN = (EventStatus.PENDING, EventStatus.UNMAPPED, EventStatus.WAITING, EventStatus.FAILED)


def new_surrogate() -> str:
    """Return what stands in the place of a deleted user's id: 128 random bits, which nobody can guess or choose."""
    return f"{SURROGATE}{secrets.token_hex(16)}"


@value_object()
class IdSpan:
    """When an id was a user's: after ``since``, when the user before them gave it back, until ``until``.

    ``since`` is None for the first user of an id, so that events that waited for them are theirs; ``until`` for the
    last one, so that what still comes under the id is theirs too.
    """

    id: str
    since: datetime | None
    until: datetime | None

    def covers(self, moment: datetime) -> bool:
        """Whether a moment lies in it."""
        return (self.since is None or self.since < moment) and (self.until is None or moment <= self.until)


def had_id(spans: Iterable[IdSpan], user_id: str | None, moment: datetime) -> bool:
    """Whether a user with these spans had an id at a moment."""
    return any(span.id == user_id and span.covers(moment) for span in spans)


def texts_of(*users: User) -> tuple[str, ...]:
    """Return the texts besides their ids that say who users are, each once."""
    texts = (text for user in users for text in (user.name, user.email, user.billing_id) if text is not None)
    return tuple(dict.fromkeys(texts))


def is_telling(text: str) -> bool:
    """Whether a text says who somebody is wherever it stands; a short one or a mere word may mean something else."""
    return "@" in text or (len(text) >= TELLING_LENGTH and not text.isalpha())


@value_object(kw_only=True)
class Deletion:
    """A user who was deleted: where what they used stays, what stands in place of their id, and what to look for.

    ``texts`` are their name, e-mail and billing id. ``merged`` are the buckets and keys of those who were merged into
    them, of whom everything is deleted too. What belongs to the user is cleared whole. In what others wrote,
    only *telling* texts are replaced, so that the id "pro" does not change what is said about a package of that name.
    """

    environment: Environment
    bucket: int
    key: int
    surrogate: str
    deleted_at: datetime
    spans: tuple[IdSpan, ...]
    texts: tuple[str, ...]
    merged: tuple[tuple[int, int], ...] = ()

    def had(self, user_id: str | None, moment: datetime) -> bool:
        """Whether the user had an id at a moment."""
        return had_id(self.spans, user_id, moment)

    def may_change_line(self, kind: str, subject_id: str, at: datetime, *texts: str | None) -> bool:
        """Whether a line with these texts of JSON is worth reading: none that this denies is changed by ``line``."""
        return self._is_about(kind, subject_id, at) or any(
            _may_contain(text, self._telling(at)) for text in (subject_id, *texts) if text is not None
        )

    def line(self, line: LogLine) -> LogLine:
        """Return a line of the log without the user; the same object if it says nothing of them.

        Of a line about the user only who did what kind of thing and when is left.
        """
        if line.environment is not self.environment:
            return line
        if self._is_about(line.subject_kind, line.subject_id, line.at):
            return replace(line, subject_id=self.surrogate, before=None, after=None)
        telling = self._telling(line.at)
        subject_id, before, after = (
            self._cleared(value, telling) for value in (line.subject_id, line.before, line.after)
        )
        cleared = replace(line, subject_id=str(subject_id), before=before, after=after)
        return line if cleared == line else cleared

    def _is_about(self, kind: str, subject_id: str, at: datetime) -> bool:
        return kind not in NOT_USERS and self.had(subject_id, at)

    def may_change_event(self, type: MessageType, raw: str, at: datetime) -> bool:  # noqa: A002 - the word of messages
        """Whether somebody else's event is worth reading: none that this denies is changed by ``event``."""
        return _may_contain(raw, [*self._telling(at), *self._ids_in(type, at)])

    def event(self, event: SegmentEvent) -> SegmentEvent:
        """Return an event of Segment without the user; the same object if it says nothing of them.

        Of the user's own event its kind, its name, its time and what it counted for are left.
        """
        moment = event.received_at
        if self.had(event.user_id, moment):
            return self._own(event)
        raw = self._raw(event.raw, self._telling(moment), whole=self._ids_in(event.type, moment))
        return event if raw == event.raw else replace(event, raw=raw)

    def _own(self, event: SegmentEvent) -> SegmentEvent:
        names_user = _standing([*self._ids(event.received_at), *self.texts]).search(event.message_id)
        is_open = event.status in _OPEN
        return replace(
            event,
            user_id=self.surrogate,
            message_id=f"{self.surrogate}/{event.number}" if names_user else event.message_id,
            status=EventStatus.IGNORED if is_open else event.status,
            reason=FORGOTTEN if is_open else event.reason,
            raw=_EMPTY,
        )

    def _ids(self, moment: datetime) -> list[str]:
        return [span.id for span in self.spans if span.covers(moment)]

    def _telling(self, moment: datetime) -> list[str]:
        return [text for text in (*self._ids(moment), *self.texts) if is_telling(text)]

    def _ids_in(self, type: MessageType, moment: datetime) -> list[str]:  # noqa: A002
        """Return the ids that are looked for whatever they are like: an alias names users alone."""
        return self._ids(moment) if type is MessageType.ALIAS else []

    def _raw(self, raw: str, telling: Sequence[str], *, whole: Sequence[str]) -> str:
        if not _may_contain(raw, [*telling, *whole]):
            return raw
        try:
            read = json.loads(raw)
        except ValueError:
            return _EMPTY
        cleared = self._cleared(read, telling, whole)
        return raw if cleared == read else json.dumps(cleared, ensure_ascii=False)

    def _cleared(self, value: object, telling: Sequence[str], whole: Sequence[str] = ()) -> object:
        """Return JSON without texts that tell who the user is, and without values that are one of ``whole``."""
        if isinstance(value, str):
            return self.surrogate if value in whole else self._without(value, telling)
        if isinstance(value, list):
            return [self._cleared(each, telling, whole) for each in value]
        if isinstance(value, dict):
            return {self._without(key, telling): self._cleared(each, telling, whole) for key, each in value.items()}
        return value

    def _without(self, text: str, telling: Sequence[str]) -> str:
        return _standing(telling).sub(self.surrogate, text) if telling else text


def _may_contain(raw: str, texts: Sequence[str]) -> bool:
    """Whether it is worth the time to read a text of JSON, which may write any character as an escape."""
    return bool(texts) and ("\\" in raw or re.search(_either(texts), raw, re.IGNORECASE) is not None)


def _standing(texts: Iterable[str]) -> re.Pattern[str]:
    """Return a pattern that finds texts that are not part of a longer word, in capitals or not."""
    return re.compile(rf"(?<!\w)(?:{_either(texts)})(?!\w)", re.IGNORECASE)


def _either(texts: Iterable[str]) -> str:
    return "|".join(map(re.escape, sorted(texts, key=len, reverse=True)))
