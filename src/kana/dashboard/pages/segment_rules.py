"""The rules that map Segment events to usage, and the events that no rule maps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches

from starlette.responses import Response

from kana.dashboard.confirmation import ask
from kana.dashboard.context import Context
from kana.dashboard.forms import Errors
from kana.dashboard.page_request import PageRequest
from kana.dashboard.route import get, post
from kana.engine.segment.mapping import UnmappedEventName, UnmappedProperty
from kana.errors import BadInput, NotFound
from kana.model.catalog import Catalog
from kana.model.colleague import Role
from kana.model.feature import Feature
from kana.model.segment import MappingRule, PropertyCondition
from kana.model.text import TEXT_LENGTH_MAX, shown

NAMES = 50
"""How many names and how many properties of unmapped events the page lists."""

_SPARE = 2
_FIELDS = {"eventName": "event_name", "featureId": "feature", "path": "conditions", "value": "conditions"}


@dataclass(frozen=True, slots=True)
class TypedCondition:
    """A property and its value in the form."""

    path: str = ""
    value: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TypedRule:
    """The values in the form."""

    name: str = ""
    event_name: str = ""
    conditions: tuple[TypedCondition, ...] = ()
    feature: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RulesPage(Context):
    """The rules, and the events that are not mapped yet. ``features`` are the names of features by id."""

    template = "segment_rules.html"
    rules: Sequence[MappingRule]
    names: Sequence[UnmappedEventName]
    properties: Sequence[UnmappedProperty]
    features: dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class RulePage(Context):
    """The form for a new rule (``rule`` is None) or an existing one."""

    template = "segment_rule.html"
    rule: MappingRule | None
    typed: TypedRule
    features: Sequence[Feature]
    length_max: int = TEXT_LENGTH_MAX
    errors: dict[str, str] = field(default_factory=dict)


async def show_rules(request: PageRequest) -> Response:
    """List rules, and unmapped events by name and by property."""
    mapping, environment = request.engine.mapping, request.environment
    catalog = await request.engine.catalog.read(environment)
    page = RulesPage(
        rules=await mapping.rules(environment),
        names=await mapping.unmapped_names(environment, first=NAMES),
        properties=await mapping.unmapped_properties(environment, first=NAMES),
        features={feature.id: feature.name for feature in catalog.features.values()},
    )
    return request.show(page)


async def show_new_rule(request: PageRequest) -> Response:
    """Show the form, filled in with the event or property to map and the feature that it probably means."""
    catalog = await request.engine.catalog.read(request.environment)
    event, path, value = request.asked("event"), request.asked("property"), request.asked("value")
    typed = TypedRule(
        name=(event or (f"{path} is {value}" if path else ""))[:TEXT_LENGTH_MAX],
        event_name=event,
        conditions=(TypedCondition(path, value),) if path else (),
        feature=likely_feature(catalog, value or event),
    )
    return await _show_form(request, None, typed)


def likely_feature(catalog: Catalog, words: str) -> str:
    """Return the id of the feature whose name or id is most similar to some words; "" if none is."""
    ids = {feature.id.casefold(): feature.id for feature in catalog.features.values()}
    ids |= {feature.name.casefold(): feature.id for feature in catalog.features.values()}
    candidates = [words, *words.replace("_", " ").split()]
    for each in candidates:
        for found in get_close_matches(each.casefold(), ids, n=1):
            return ids[found]
    return ""


async def create_rule(request: PageRequest) -> Response:
    """Create the rule that was typed."""
    typed, errors = _typed(request), Errors()
    try:
        rule = await request.engine.mapping.create_rule(
            request.environment,
            name=typed.name,
            event_name=typed.event_name or None,
            conditions=_conditions(typed),
            feature_id=typed.feature,
            by=request.actor,
        )
    except BadInput as error:
        errors.take(error, fields=_FIELDS)
        return await _show_form(request, None, typed, errors)
    return _said(request, f"{rule.name} was created. It is now being applied to earlier events.")


async def show_rule(request: PageRequest) -> Response:
    """Show the form of a rule."""
    rule = await _rule(request)
    typed = TypedRule(
        name=rule.name,
        event_name=rule.event_name or "",
        conditions=tuple(TypedCondition(each.path, each.value) for each in rule.conditions),
        feature=rule.feature_id,
    )
    return await _show_form(request, rule, typed)


async def update_rule(request: PageRequest) -> Response:
    """Change a rule to what was typed."""
    rule, typed, errors = await _rule(request), _typed(request), Errors()
    try:
        changed = await request.engine.mapping.update_rule(
            request.environment,
            rule.id,
            {
                "name": typed.name,
                "event_name": typed.event_name or None,
                "conditions": _conditions(typed),
                "feature_id": typed.feature,
            },
            by=request.actor,
        )
    except BadInput as error:
        errors.take(error, fields=_FIELDS)
        return await _show_form(request, rule, typed, errors)
    return _said(request, f"{changed.name} was saved. Usage already recorded stays.")


async def show_delete_rule(request: PageRequest) -> Response:
    """Ask whether to delete a rule."""
    rule = await _rule(request)
    return ask(
        request,
        f"Delete the rule {rule.name}?",
        "New events that only this rule maps are no longer recorded as usage. Usage already recorded stays.",
        action=request.url("/integrations/segment/rule/delete", id=rule.id),
        button="Delete",
        back=request.url("/integrations/segment/rules"),
    )


async def delete_rule(request: PageRequest) -> Response:
    """Delete a rule."""
    rule = await request.engine.mapping.delete_rule(request.environment, request.id, by=request.actor)
    return _said(request, f"{rule.name} was deleted.")


async def _show_form(
    request: PageRequest, rule: MappingRule | None, typed: TypedRule, errors: Errors | None = None
) -> Response:
    """Show the form with a few empty lines for further conditions."""
    catalog = await request.engine.catalog.read(request.environment)
    spare = tuple(TypedCondition() for _ in range(_SPARE))
    page = RulePage(
        rule=rule,
        typed=TypedRule(
            name=typed.name,
            event_name=typed.event_name,
            conditions=typed.conditions + spare,
            feature=typed.feature,
        ),
        features=sorted(catalog.features.values(), key=lambda feature: feature.name.casefold()),
        errors=errors.by_field if errors else {},
    )
    return request.show(page, status=400 if errors else 200)


def _typed(request: PageRequest) -> TypedRule:
    pairs = zip(request.all("property"), request.all("value"), strict=False)
    typed = (TypedCondition(path.strip(), value.strip()) for path, value in pairs)
    return TypedRule(
        name=request.text("name"),
        event_name=request.text("event_name"),
        conditions=tuple(each for each in typed if each.path or each.value),
        feature=request.whole("feature"),
    )


def _conditions(typed: TypedRule) -> tuple[PropertyCondition, ...]:
    return tuple(PropertyCondition(path=each.path, value=each.value) for each in typed.conditions)


async def _rule(request: PageRequest) -> MappingRule:
    """Return the rule that the address names.

    Raises:
        NotFound: there is no such rule.
    """
    rules = await request.engine.mapping.rules(request.environment)
    found = next((rule for rule in rules if rule.id == request.id), None)
    if found is None:
        raise NotFound(f"Mapping rule not found: {shown(request.id)}")
    return found


def _said(request: PageRequest, text: str) -> Response:
    return request.go("/integrations/segment/rules", said=text)


ROUTES = (
    get("/integrations/segment/rules", show_rules),
    get("/integrations/segment/rule/new", show_new_rule, needs=Role.EDITOR),
    post("/integrations/segment/rule/new", create_rule),
    get("/integrations/segment/rule", show_rule),
    post("/integrations/segment/rule", update_rule),
    get("/integrations/segment/rule/delete", show_delete_rule, needs=Role.EDITOR),
    post("/integrations/segment/rule/delete", delete_rule),
)
