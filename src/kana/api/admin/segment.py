"""The resolvers of Segment events and mapping rules."""

from __future__ import annotations

from typing import cast

from ariadne import MutationType, ObjectType, QueryType

from kana.api.admin.context import Info
from kana.api.admin.inputs import Input, fields_of, given_id
from kana.engine.segment.mapping import EventCounts, RuleChanges, UnmappedEventName, UnmappedProperty
from kana.errors import InvalidValue
from kana.model.segment import EventStatus, MappingRule, PropertyCondition, SegmentEvent
from kana.model.text import number_in, shown

query = QueryType()
mutation = MutationType()
event_type = ObjectType("SegmentEvent")

FIRST = 100
"""How many items a list has by default."""


@query.field("mappingRules")
async def mapping_rules(_root: object, info: Info) -> list[MappingRule]:
    """Return all rules."""
    return await info.context.engine.mapping.rules(info.context.environment)


@query.field("segmentEvents")
async def segment_events(
    _root: object,
    info: Info,
    *,
    status: EventStatus | None = None,
    first: int | None = None,
    after: str | None = None,
) -> list[SegmentEvent]:
    """Return events, the newest first."""
    return await info.context.engine.mapping.events(
        info.context.environment,
        status=status,
        first=FIRST if first is None else first,
        before=None if after is None else _number(after),
    )


@query.field("segmentEventCounts")
async def segment_event_counts(_root: object, info: Info) -> EventCounts:
    """Return the number of events by status."""
    return await info.context.engine.mapping.counts(info.context.environment)


@query.field("unmappedEventNames")
async def unmapped_event_names(_root: object, info: Info, *, first: int | None = None) -> list[UnmappedEventName]:
    """Return the names of unmapped events."""
    mapping = info.context.engine.mapping
    return await mapping.unmapped_names(info.context.environment, first=FIRST if first is None else first)


@query.field("unmappedEventProperties")
async def unmapped_event_properties(_root: object, info: Info, *, first: int | None = None) -> list[UnmappedProperty]:
    """Return the properties of unmapped events."""
    mapping = info.context.engine.mapping
    return await mapping.unmapped_properties(info.context.environment, first=FIRST if first is None else first)


@mutation.field("createMappingRule")
async def create_mapping_rule(_root: object, info: Info, *, input: Input) -> MappingRule:  # noqa: A002 - as elsewhere
    """Create a rule."""
    context = info.context
    return await context.engine.mapping.create_rule(
        context.environment,
        name=input["name"],
        event_name=input.get("event_name"),
        conditions=_conditions(input.get("conditions") or []),
        feature_id=given_id(input["feature_id"], field="featureId"),
        by=context.actor,
    )


@mutation.field("updateMappingRule")
async def update_mapping_rule(_root: object, info: Info, *, id: str, input: Input) -> MappingRule:  # noqa: A002
    """Change a rule."""
    context = info.context
    changes = fields_of(input, "name", "event_name", "conditions", "feature_id")
    for name in ("name", "conditions", "feature_id"):  # Null is not allowed here.
        if changes.get(name) is None:
            changes.pop(name, None)
    if "conditions" in changes:
        changes["conditions"] = _conditions(changes["conditions"])
    return await context.engine.mapping.update_rule(
        context.environment, given_id(id), cast("RuleChanges", changes), by=context.actor
    )


@mutation.field("deleteMappingRule")
async def delete_mapping_rule(_root: object, info: Info, *, id: str) -> MappingRule:  # noqa: A002 - as elsewhere
    """Delete a rule."""
    context = info.context
    return await context.engine.mapping.delete_rule(context.environment, given_id(id), by=context.actor)


@mutation.field("retrySegmentEvent")
async def retry_segment_event(_root: object, info: Info, *, id: str) -> SegmentEvent:  # noqa: A002 - as elsewhere
    """Try a failed event again."""
    context = info.context
    return await context.engine.segment.retry(context.environment, _number(id, field="id"))


@mutation.field("retryFailedSegmentEvents")
async def retry_failed_segment_events(_root: object, info: Info) -> int:
    """Try all failed events again."""
    context = info.context
    count = await context.engine.mapping.failed(context.environment)
    context.engine.replayer.retry_failed(context.environment)
    return count


@event_type.field("id")
def event_id(event: SegmentEvent, _info: Info) -> str:
    """Return the number of the event as text."""
    return str(event.number)


@event_type.field("timestamp")
def timestamp(event: SegmentEvent, _info: Info) -> object:
    """Return when the event happened."""
    return event.happened_at


def _conditions(given: list[Input]) -> tuple[PropertyCondition, ...]:
    return tuple(PropertyCondition(path=each["path"], value=each["value"]) for each in given)


def _number(text: str, *, field: str = "after") -> int:
    number = number_in(text)
    if number is None:
        raise InvalidValue(f"{field} must be the id of an event, got {shown(text)}", field=field)
    return number
