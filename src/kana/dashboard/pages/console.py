"""The console: queries to the Admin API, sent from the browser with a key that the colleague types."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from graphql import build_schema, introspection_from_schema
from starlette.responses import Response

from kana.dashboard.context import Context
from kana.dashboard.page_request import PageRequest
from kana.dashboard.route import get
from kana.model.feature import FeatureType


@dataclass(frozen=True, slots=True)
class Example:
    """An example query."""

    title: str
    query: str
    variables: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsolePage(Context):
    """The console with one of the examples in it. ``command`` sends the same query from a terminal."""

    template = "console.html"
    examples: Sequence[Example]
    number: int
    example: Example
    command: str
    definitions: str


_CHECK = """\
query Check($userId: String!, $featureId: String!) {
  canUseFeature(userId: $userId, featureId: $featureId, delta: 1) {
    access
    reason
    consumption { used budget overageEnabled }
  }
}"""
_RECORD = """\
mutation Record($input: CreateUsageEventInput!) {
  recordUsage(input: $input) {
    recorded
    reason
    duplicate
    consumption { used budget }
  }
}"""
_SHOW = """\
query Show($userId: String!, $featureId: String!) {
  showUsage(userId: $userId, featureId: $featureId) {
    current { periodStart periodEnd consumption { used budget } }
    past { periodStart periodEnd consumption { used budget } }
  }
}"""
_PACKAGES = """\
query Packages {
  packages(status: "PUBLISHED") {
    id
    name
    isAddon
    features { id name type limit overageEnabled resetPeriod }
  }
}"""
_SUBSCRIBE = """\
mutation Subscribe($userId: String!, $packageIds: [String!]!) {
  subscribe(userId: $userId, packageIds: $packageIds) { id status package { id name } }
}"""


async def show_console(request: PageRequest) -> Response:
    """Show the console."""
    examples = await _examples(request)
    asked = request.asked("example")
    number = int(asked) if asked in map(str, range(len(examples))) else 0
    page = ConsolePage(
        examples=examples,
        number=number,
        example=examples[number],
        command=_command(request.site.origin, examples[number]),
        definitions=request.services.definitions,
    )
    return request.show(page)


async def show_schema(request: PageRequest) -> Response:
    """Return the schema as introspection does, for the console's help. It is the same for everyone."""
    return Response(_introspection(request.services.definitions), media_type="application/json")


async def _examples(request: PageRequest) -> tuple[Example, ...]:
    """Return the examples, with ids that exist if there are any."""
    catalog = await request.engine.catalog.read(request.environment)
    counted = [each.id for each in catalog.features.values() if each.type is FeatureType.CONSUMABLE]
    feature_id = next(iter(counted), "messages")
    package_id = next((each.id for each in catalog.packages.values() if not each.is_addon), "basic-plan")
    users = await request.engine.accounts.users(request.environment, first=1, after=None)
    user_id = users[0].id if users else "124"
    pair = {"userId": user_id, "featureId": feature_id}
    usage = {**pair, "delta": 1, "action": "ADD", "idempotencyKey": "console-1"}
    return (
        Example("Check a feature", _CHECK, _written(pair)),
        Example("Record usage", _RECORD, _written({"input": usage})),
        Example("Show usage", _SHOW, _written(pair)),
        Example("List packages", _PACKAGES, ""),
        Example("Subscribe a user", _SUBSCRIBE, _written({"userId": user_id, "packageIds": [package_id]})),
    )


def _written(variables: Mapping[str, object]) -> str:
    return json.dumps(variables, indent=2, ensure_ascii=False)


def _command(origin: str, example: Example) -> str:
    """Return the curl command. It takes the key from the shell, so that no page contains one."""
    body: dict[str, object] = {"query": example.query}
    if example.variables:
        body["variables"] = json.loads(example.variables)
    sent = shlex.quote(json.dumps(body, ensure_ascii=False))
    return (
        f'curl {shlex.quote(f"{origin}/graphql")} -H "Authorization: $KANA_KEY" '
        f"-H 'Content-Type: application/json' --data {sent}"
    )


@lru_cache(maxsize=1)
def _introspection(definitions: str) -> str:
    return json.dumps(introspection_from_schema(build_schema(definitions)))


ROUTES = (get("/console", show_console), get("/console/schema.json", show_schema))
