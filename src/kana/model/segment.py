"""Segment: messages that say who somebody is and what they did, and the rules that turn them into users and usage.

Source: docs.usekana.com/non-technical/integrations/segment-integration; segment.com, "Spec".
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from hashlib import sha256

from kana.errors import InvalidValue
from kana.model.environment import Environment, bucket_of
from kana.model.period import from_milliseconds
from kana.model.text import identifier, new_identifier, optional_identifier, shown, textual, whole_number
from kana.model.usage import Usage
from kana.model.user import User
from kana.model.value import value_object
from kana.model.word import Word

RULES_MAX = 500
"""Most mapping rules of one environment: each event is compared with all of them."""

CONDITIONS_MAX = 20
"""Most property conditions of one rule."""


class MessageType(Word):
    """The type of a message. Only IDENTIFY and TRACK have an effect; the others are just stored."""

    IDENTIFY = "identify"
    TRACK = "track"
    PAGE = "page"
    SCREEN = "screen"
    GROUP = "group"
    ALIAS = "alias"


class EventStatus(Word):
    """What happened to a stored event. The first three are open: they may still lead to something."""

    PENDING = "PENDING"
    """Stored and about to be processed, also after a crash."""
    UNMAPPED = "UNMAPPED"
    """A track that names no feature and matches no rule; a rule that is added later can match it."""
    WAITING = "WAITING"
    """Its user or feature does not exist yet."""
    RECORDED = "RECORDED"
    """Usage was recorded."""
    REFUSED = "REFUSED"
    """Usage was refused, as by `recordUsage`: a limit, or no subscription."""
    IDENTIFIED = "IDENTIFIED"
    """The user was created or changed."""
    IGNORED = "IGNORED"
    """Nothing to do: a page, or a visitor without a user id."""
    FAILED = "FAILED"
    """Could not be processed; the reason says why."""


@value_object(kw_only=True)
class Message:
    """One message as it came. ``raw`` is its JSON text; ``problem`` says what is wrong with it, if anything.

    ``timestamp`` is when it happened. If there is none, ``original_timestamp`` and ``sent_at`` say so by the
    sender's clock, which may be wrong.
    """

    id: str
    type: MessageType
    user_id: str | None
    event: str | None
    properties: Mapping[str, object]
    traits: Mapping[str, object]
    timestamp: datetime | None
    original_timestamp: datetime | None = None
    sent_at: datetime | None = None
    raw: str
    problem: str | None = None

    def happened_at(self, now: datetime) -> datetime:
        """Return when it happened, for a message that is received now.

        The time between happening and sending is right even by a wrong clock; it is subtracted from now.

        Source: segment.com, "Spec: Common Fields", timestamps.
        """
        if self.timestamp is not None:
            return self.timestamp
        if self.original_timestamp is None:
            return now
        if self.sent_at is None:
            return self.original_timestamp
        ago = max(self.sent_at - self.original_timestamp, timedelta())
        return now - min(ago, now - from_milliseconds(0))


@value_object(kw_only=True)
class SegmentEvent:
    """A message that is stored, what is to be done with it, and what happened to it.

    ``number`` grows in order of arrival. The event is stored with its user's data, so ``bucket`` follows from
    the user's id, or from the message's id if it names no user. ``happened_at`` is the message's own time.
    """

    environment: Environment
    bucket: int
    message_id: str
    number: int
    type: MessageType
    user_id: str | None
    event: str | None
    status: EventStatus
    reason: str | None = None
    feature_id: str | None = None
    rule_id: str | None = None
    delta: int = 1
    happened_at: datetime
    received_at: datetime
    raw: str

    def usage(self) -> Usage:
        """Return the usage that a mapped track means; the message's id makes it count once.

        Raises:
            InvalidValue: a field is not allowed.
        """
        assert self.user_id is not None, "a track without a user is never processed"
        assert self.feature_id is not None, "nor is one without a feature"
        return Usage(
            environment=self.environment,
            user_id=self.user_id,
            feature_id=self.feature_id,
            delta=self.delta,
            key=usage_key(self.message_id),
            timestamp=self.happened_at,
            metadata={"segment": {"messageId": self.message_id, "event": self.event}},
        )


def usage_key(message_id: str) -> str:
    """Return the idempotency key of a message's usage: a prefix and a digest, which no other key equals by chance."""
    return "segment-" + sha256(message_id.encode()).hexdigest()


@value_object(kw_only=True)
class PropertyCondition:
    """Matches events whose property at ``path`` has the text ``value``. A path can lead into objects: ``object.name``.

    Raises:
        InvalidValue: path or value is not a text of 1 to 255 characters.
    """

    path: str
    value: str

    def __post_init__(self) -> None:
        identifier(self.path, field="path")
        identifier(self.value, field="value")

    def holds(self, properties: Mapping[str, object]) -> bool:
        """Whether one of the values at the path has the text that is asked for."""
        return any(_text_of(found) == self.value for found in _at(properties, self.path))


@value_object(kw_only=True)
class MappingRule:
    """Says that events with a name, or with certain properties, each count as one unit of a feature.

    All conditions must match, and there is at least one. ``revision`` counts changes; a rule that
    ``is_replayed`` has been compared with all events that no rule matched when they came.

    Raises:
        InvalidValue: a field is not allowed; the message names it.
    """

    environment: Environment
    id: str
    name: str
    event_name: str | None
    conditions: tuple[PropertyCondition, ...]
    feature_id: str
    revision: int = 1
    is_replayed: bool = False
    created_at: datetime
    updated_at: datetime

    def __post_init__(self) -> None:
        identifier(self.name, field="name")
        optional_identifier(self.event_name, field="eventName")
        identifier(self.feature_id, field="featureId")
        if len(self.conditions) > CONDITIONS_MAX:
            raise InvalidValue(
                f"conditions must be at most {CONDITIONS_MAX}, got {len(self.conditions)}", field="conditions"
            )
        if self.event_name is None and not self.conditions:
            raise InvalidValue("a rule needs an eventName or at least one condition", field="eventName")

    def matches(self, event: str | None, properties: Mapping[str, object]) -> bool:
        """Whether all conditions match an event."""
        named = self.event_name is None or self.event_name == event
        return named and all(condition.holds(properties) for condition in self.conditions)


def received(
    message: Message, rules: Sequence[MappingRule], *, environment: Environment, number: int, now: datetime
) -> SegmentEvent:
    """Return a message as an event to store, with what is to be done with it by the present rules."""
    event = SegmentEvent(
        environment=environment,
        bucket=bucket_of(environment, message.id if message.user_id is None else message.user_id),
        message_id=message.id,
        number=number,
        type=message.type,
        user_id=message.user_id,
        event=message.event,
        status=EventStatus.PENDING,
        happened_at=message.happened_at(now),
        received_at=now,
        raw=message.raw,
    )
    if message.problem is not None:
        return replace(event, status=EventStatus.FAILED, reason=message.problem)
    if message.type not in (MessageType.IDENTIFY, MessageType.TRACK):
        return replace(event, status=EventStatus.IGNORED)
    if message.user_id is None:
        return replace(event, status=EventStatus.IGNORED, reason="no userId")
    if message.type is MessageType.IDENTIFY:
        return event
    if message.properties.get("featureId") in (None, ""):
        return mapped(replace(event, status=EventStatus.UNMAPPED), rules, properties=message.properties)
    return _named(event, message.properties)


def tried_again(event: SegmentEvent, message: Message, rules: Sequence[MappingRule]) -> SegmentEvent:
    """Return a failed event as if its message, which is read again, were just received; unchanged if it fails again.

    It keeps the feature that it was mapped to, and its time. If the message now names another user, the event
    would need another key, so it stays failed.
    """
    if event.feature_id is not None:
        return replace(event, status=EventStatus.PENDING, reason=None)
    again = received(message, rules, environment=event.environment, number=event.number, now=event.received_at)
    if again.status is EventStatus.FAILED or again.user_id != event.user_id:
        return event
    happened_at = event.happened_at if message.timestamp is None else message.timestamp
    return replace(again, bucket=event.bucket, message_id=event.message_id, happened_at=happened_at)


def _named(event: SegmentEvent, properties: Mapping[str, object]) -> SegmentEvent:
    """Return a track with the feature and the amount that its own properties name."""
    try:
        delta = whole_number(properties.get("delta", 1), field="properties.delta")
        event = replace(event, feature_id=_feature_id(properties["featureId"]), delta=delta)
        event.usage()  # Refuses an amount that no usage may have, before it is stored.
    except InvalidValue as error:
        return replace(event, feature_id=None, delta=1, status=EventStatus.FAILED, reason=error.message)
    return event


def _feature_id(value: object) -> str:
    value = textual(value)
    if not isinstance(value, str):
        raise InvalidValue(f"properties.featureId must be a text, got {shown(value)}")
    return identifier(value, field="properties.featureId")


def mapped(
    event: SegmentEvent, rules: Sequence[MappingRule], *, properties: Mapping[str, object] | None = None
) -> SegmentEvent:
    """Return an unmapped event with the feature of the first rule that matches it; unchanged if none does.

    It counts once, even if other rules match it too.
    """
    found = properties_of(event) if properties is None else properties
    rule = next((rule for rule in rules if rule.matches(event.event, found)), None)
    if rule is None:
        return event
    return replace(event, status=EventStatus.PENDING, feature_id=rule.feature_id, rule_id=rule.id, delta=1)


def properties_of(event: SegmentEvent) -> Mapping[str, object]:
    """Return the properties of a stored event."""
    return _object_of(json.loads(event.raw), "properties")


def _object_of(fields: Mapping[str, object], name: str) -> Mapping[str, object]:
    found = fields.get(name)
    return found if isinstance(found, dict) else {}


def leaves(properties: Mapping[str, object], *, prefix: str = "") -> Iterator[tuple[str, str]]:
    """Yield each path of an event's properties that a condition can name, with the text of the value there."""
    for key, value in properties.items():
        path = f"{prefix}{key}"
        if isinstance(value, dict):
            yield from leaves(value, prefix=f"{path}.")
        elif (text := _text_of(value)) is not None:
            yield path, text


def _at(value: object, path: str) -> Iterator[object]:
    """Yield the values at a path. Keys may contain dots, so there can be more than one."""
    if not isinstance(value, dict):
        return
    if path in value:
        yield value[path]
    parts = path.split(".")
    for count in range(1, len(parts)):
        yield from _at(value.get(".".join(parts[:count])), ".".join(parts[count:]))


def _text_of(value: object) -> str | None:
    """Return a text unchanged and a number, true or false as JSON writes it; None for anything else."""
    if isinstance(value, str):
        return value
    return json.dumps(value) if isinstance(value, bool | int | float) else None


@value_object(kw_only=True)
class Identity:
    """What an identify says about a user. None says nothing: the old value stays.

    Raises:
        InvalidValue: a trait is not allowed; the message names it.
    """

    user_id: str
    name: str | None = None
    email: str | None = None
    billing_id: str | None = None

    def merged(self, user: User) -> User:
        """Return a user with this id, and with the values that the message gives."""
        return replace(
            user,
            id=new_identifier(self.user_id, field="userId", old=user.id),
            name=user.name if self.name is None else self.name,
            email=user.email if self.email is None else self.email,
            billing_id=user.billing_id if self.billing_id is None else self.billing_id,
        )


def identity_of(event: SegmentEvent) -> Identity:
    """Return what an identify says. Of its traits only name, email and billingUserId, or billingId, are used.

    Raises:
        InvalidValue: one of them is not a text of 1 to 255 characters.
    """
    assert event.user_id is not None, "an identify without a user is never processed"
    fields = json.loads(event.raw)
    # RudderStack's libraries put them into the context.
    traits = _object_of(fields, "traits") or _object_of(_object_of(fields, "context"), "traits")
    billing = "billingUserId" if traits.get("billingUserId") is not None else "billingId"
    return Identity(
        user_id=event.user_id,
        name=_trait(traits, "name"),
        email=_trait(traits, "email"),
        billing_id=_trait(traits, billing),
    )


def _trait(traits: Mapping[str, object], name: str) -> str | None:
    value = traits.get(name)
    if value in (None, "", [], {}) or value is False:  # How PHP and Ruby write an absent value.
        return None
    value = textual(value)
    if isinstance(value, float):
        value = _text_of(value)
    if not isinstance(value, str):
        raise InvalidValue(f"traits.{name} must be a text, got {shown(value)}", field=name)
    return identifier(value, field=f"traits.{name}")


def is_import(user: User) -> bool:
    """Whether a user came from the billing provider and has no id from the customer yet: their e-mail serves as id.

    Source: docs.usekana.com/non-technical/integrations/stripe-integration: "created users get their e-mail as id".
    """
    return user.billing_id is not None and user.id in (user.email, user.billing_id)


def same_person(by_id: User | None, by_email: Sequence[User]) -> User | None:
    """Return the user that an identify is about; None if they are new.

    That is the user with the id, whatever their e-mail and whoever else has it; otherwise the oldest import
    with the e-mail, who then gets the id. Users with ids from the customer are never merged, as several may
    share an e-mail.

    Source: docs.usekana.com/…/segment-integration/identify-users-segment, diagram.
    """
    if by_id is not None:
        return by_id
    imports = [user for user in by_email if is_import(user)]
    return min(imports, key=lambda user: (user.created_at, user.key), default=None)
