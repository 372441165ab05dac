"""The console: questions to the Admin API, asked from the browser with a key that the person types."""

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
    """A question to begin with."""

    title: str
    query: str
    variables: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsolePage(Context):
    """The console with one of the examples in it. ``command`` asks the same from a terminal."""

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
    """Answer the schema as introspection does, for the console's help: it is the same for everybody."""
    return Response(_introspection(request.services.definitions), media_type="application/json")


async def _examples(request: PageRequest) -> tuple[Example, ...]:
    """Return examples with ids that exist, where there are any."""
    catalog = await request.engine.catalog.read(request.environment)
    counted = [each.id for each in catalog.features.values() if each.type is FeatureType.CONSUMABLE]
    feature_id = next(iter(counted), "messages")
    package_id = next((each.id for each in catalog.packages.values() if not each.is_addon), "basic-plan")
    users = await request.engine.accounts.users(request.environment, first=1, after=None)
    user_id = users[0].id if users else "124"
    pair = {"userId": user_id, "featureId": feature_id}
    usage = {**pair, "delta": 1, "action": "ADD", "idempotencyKey": "console-1"}
    return (
        Example("May this user use it now?", _CHECK, _written(pair)),
        Example("This user has used it", _RECORD, _written({"input": usage})),
        Example("What did they use?", _SHOW, _written(pair)),
        Example("Which packages are there?", _PACKAGES, ""),
        Example("Subscribe a user", _SUBSCRIBE, _written({"userId": user_id, "packageIds": [package_id]})),
    )


def _written(variables: Mapping[str, object]) -> str:
    return json.dumps(variables, indent=2, ensure_ascii=False)


def _command(origin: str, example: Example) -> str:
    """Return the curl command; the key is the shell's, so that it stands in no page."""
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
