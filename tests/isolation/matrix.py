"""One valid call for every field of both APIs and for every address: what test_matrix.py walks."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import httpx
from arro3.io import read_parquet

from kana.model.segment import MessageType
from tests.api.admin import calls
from tests.api.admin import webhook_calls as webhooks
from tests.api.client.calls import WHOLE_USER
from tests.api.segment import calls as segment
from tests.isolation.sides import ADA, DELETED, FRESH, LEAVER, MERGED, MOVER, RENAMED, Side

Variables = Callable[[Side], dict[str, Any]]

SUBSCRIPTION = f"id userId status startedAt endsAt package {{ {calls.PACKAGE} }}"
FEATURE = (
    f"{calls.FEATURE} packages {{ {calls.PACKAGE} features {{ entitlement {{ {calls.ENTITLEMENT} }} }} }}"
    f' entitlement(userId: "{ADA}") {{ access reason outcome inGrace affords {calls.CONSUMPTION} }}'
)
BATCHED = f"recorded reason outcome id duplicate inGrace {calls.CONSUMPTION} error {{ code name message retryAfter }}"
ENTRY = (
    f"id featureId action delta change outcome reason inGrace {calls.CONSUMPTION} timestamp recordedAt metadata"
    " hasIdempotencyKey reverses decisionId step reservationId costOf"
    " postings { sourceId carriedOver held resetPeriod periodStart change }"
)
CHECK = calls.CHECK.replace(calls.CONSUMPTION, f"inGrace affords {calls.CONSUMPTION}")
RECORD = calls.RECORD.replace(calls.CONSUMPTION, f"inGrace {calls.CONSUMPTION}")
EXPLAIN = calls.EXPLAIN.replace("fitsAt", "affords fitsAt")
REVERSE = (
    f'mutation($id: String!) {{ reverseUsage(entryId: $id, reason: "wrong", userId: "{ADA}")'
    " { recorded reason outcome id duplicate inGrace } }"
)
CHECK_MANY = calls.CHECK_MANY.replace("access reason", "access inGrace affords reason")
CURRENT_USER = WHOLE_USER.replace("access reason", "access inGrace affords reason")
SETTINGS = "environment requiresSecureMode timeZone"
OUTLOOK = "userId featureId packageId used limit overageEnabled share resetsAt runsOutAt"
DAYS = '(from: "2020-01-01T00:00:00Z", to: "2036-01-01T00:00:00Z"'
RANGE = f"{DAYS}, by: WEEK"


@dataclass(frozen=True)
class Call:
    """A document and its variables. ``leaves_mark``: asked by its own side, it shows or changes something of it."""

    query: str
    variables: Variables = lambda _side: {}
    leaves_mark: bool = True


def lines_of(side: Side, key: str) -> dict[str, Any]:
    """One line of ada's, with a key that both sides use."""
    lines = [{"featureId": "message", "units": side.number}]
    return {"userId": ADA, "lines": lines, "idempotencyKey": key, "metadata": {"of": side.word}}


def usage(side: Side, key: str) -> dict[str, Any]:
    """A usage of ada's, with a key that both sides use."""
    return {"userId": ADA, "featureId": "message", "delta": 1, "idempotencyKey": key, "metadata": {"of": side.word}}


def gift(side: Side) -> dict[str, Any]:
    """What fresh is given of messages; the reason says by whom."""
    return {"userId": FRESH, "featureId": "message", "reason": f"{side.word} asked"}


ADMIN: dict[str, Call] = {
    "Query.environmentSettings": Call(f"{{ environmentSettings {{ {SETTINGS} }} }}", leaves_mark=False),
    "Query.feature": Call(f'{{ feature(id: "message") {{ {FEATURE} }} }}'),
    "Query.features": Call(f"{{ features {{ {FEATURE} }} }}"),
    "Query.canUseFeature": Call(CHECK, lambda _: {"userId": ADA, "featureId": "message"}),
    "Query.canUseFeatures": Call(CHECK_MANY, lambda _: {"userIds": [ADA, MOVER], "featureIds": ["message"]}),
    "Query.explain": Call(EXPLAIN, lambda _: {"userId": ADA, "featureId": "message", "delta": 1_000_000}),
    "Query.showUsage": Call(calls.SHOW, lambda _: {"userId": ADA, "featureId": "message"}),
    "Query.package": Call(f'{{ package(id: "basic") {{ {calls.PACKAGE} }} }}'),
    "Query.packages": Call(f'{{ packages(status: "ALL") {{ {calls.PACKAGE} }} }}'),
    "Query.user": Call(f'{{ user(id: "{ADA}") {{ {calls.USER} }} }}'),
    "Query.users": Call(f"{{ users {{ {calls.USER} }} }}"),
    "Query.subscription": Call(
        f"query($id: String!) {{ subscription(id: $id) {{ {SUBSCRIPTION} }} }}",
        lambda side: {"id": side.subscriptions[ADA]},
    ),
    "Query.subscriptions": Call(f"{{ subscriptions {{ {SUBSCRIPTION} }} }}"),
    "Query.notifications": Call("{ notifications { id type userId occurredAt data } }"),
    "Query.entries": Call(f'{{ entries(userId: "{ADA}") {{ {ENTRY} }} }}'),
    "Query.entry": Call(
        f'query($id: String!) {{ entry(userId: "{ADA}", id: $id) {{ {ENTRY} }} }}', lambda side: {"id": side.entry}
    ),
    "Query.previewSubscriptionChanges": Call(
        calls.PREVIEW_CHANGES, lambda _: {"input": {"userIds": [ADA, FRESH], "packageId": "other"}}, leaves_mark=False
    ),
    "Query.subscriptionChanges": Call(calls.SHOW_CHANGES, lambda side: {"id": side.changes}),
    "Query.webhookEndpoints": Call(webhooks.LIST),
    "Query.webhookDeliveries": Call(webhooks.DELIVERIES, lambda side: {"id": side.webhook}),
    "Query.topUps": Call(calls.TOP_UPS, lambda _: {"userId": MOVER}),
    "Query.overrides": Call(calls.OVERRIDES, lambda _: {"userId": MOVER}),
    "Query.usageInsights": Call(
        f'{{ usageInsights{RANGE}, userId: "{ADA}") {{ at featureId packageId units entries refusals }} }}'
    ),
    "Query.creditInsights": Call(
        f'{{ creditInsights{RANGE}, featureId: "message") {{ at featureId units entries refusals }} }}',
        leaves_mark=False,
    ),
    "Query.adoption": Call(f"{{ adoption{DAYS}) {{ featureId entitled used share }} }}", leaves_mark=False),
    "Query.topUsers": Call(f'{{ topUsers{DAYS}, featureId: "message") {{ userId units entries refusals }} }}'),
    "Query.nearLimit": Call(f"{{ nearLimit {{ {OUTLOOK} }} }}", leaves_mark=False),
    "Query.limitOutlook": Call(f'{{ limitOutlook(userId: "{ADA}") {{ {OUTLOOK} }} }}'),
    "Query.refusals": Call(f"{{ refusals{DAYS}) {{ userId featureId reason count lastAt }} }}", leaves_mark=False),
    "Query.adminLog": Call("{ adminLog { id at actorKind actorName action subjectKind subjectId before after } }"),
    "Query.exportUser": Call(f'{{ exportUser(userId: "{ADA}") {{ records endCursor }} }}'),
    "Query.mappingRules": Call(f"{{ mappingRules {{ {segment.RULE} }} }}"),
    "Query.segmentEvents": Call(f"{{ segmentEvents {{ {segment.EVENT} }} }}"),
    "Query.segmentEventCounts": Call(
        "{ segmentEventCounts { total unmapped waiting failed lastReceivedAt } }", leaves_mark=False
    ),
    "Query.unmappedEventNames": Call("{ unmappedEventNames { event unmapped } }"),
    "Query.unmappedEventProperties": Call("{ unmappedEventProperties { path value unmapped } }"),
    "Mutation.createFeature": Call(calls.CREATE_FEATURE, lambda _: {"input": {"id": "new", "type": "BINARY"}}),
    "Mutation.updateFeature": Call(calls.UPDATE_FEATURE, lambda _: {"id": "support", "input": {"name": "changed"}}),
    "Mutation.createPackage": Call(
        calls.CREATE_PACKAGE, lambda _: {"input": {"id": "new", "features": [{"id": "message"}]}}
    ),
    "Mutation.updatePackage": Call(calls.UPDATE_PACKAGE, lambda _: {"id": "other", "input": {"metadata": {"a": 1}}}),
    "Mutation.publishPackage": Call(calls.PUBLISH, lambda _: {"id": "to-publish"}),
    "Mutation.archivePackage": Call(calls.ARCHIVE, lambda _: {"id": "to-archive"}),
    "Mutation.unarchivePackage": Call(calls.UNARCHIVE, lambda _: {"id": "archived"}),
    "Mutation.duplicatePackage": Call(calls.DUPLICATE, lambda _: {"id": "basic", "newId": "copy"}),
    "Mutation.deletePackage": Call(calls.DELETE, lambda _: {"id": "to-delete"}),
    "Mutation.createUser": Call(calls.CREATE_USER, lambda _: {"input": {"id": "new"}}),
    "Mutation.updateUser": Call(calls.UPDATE_USER, lambda _: {"id": RENAMED, "input": {"id": "renamed", "name": "n"}}),
    "Mutation.subscribe": Call(calls.SUBSCRIBE, lambda _: {"userId": FRESH, "packageIds": ["basic"]}),
    "Mutation.changeSubscription": Call(calls.CHANGE, lambda _: {"userId": MOVER, "packageId": "other"}),
    "Mutation.changeSubscriptions": Call(
        calls.CHANGE_MANY,
        lambda _: {"input": {"userIds": [FRESH], "packageId": "other", "idempotencyKey": "many"}},
    ),
    "Mutation.takeBackSubscriptionChanges": Call(calls.TAKE_BACK_CHANGES, lambda side: {"id": side.changes}),
    "Mutation.cancelSubscription": Call(calls.CANCEL, lambda side: {"id": side.subscriptions[LEAVER]}),
    "Mutation.resumeSubscription": Call(calls.RESUME, lambda side: {"id": side.subscriptions[ADA]}),
    "Mutation.createTopUp": Call(
        calls.CREATE_TOP_UP, lambda side: {"input": {**gift(side), "amount": side.number, "idempotencyKey": "top-up"}}
    ),
    "Mutation.createWebhookEndpoint": Call(webhooks.CREATE, lambda side: {"input": side.endpoint}),
    "Mutation.updateWebhookEndpoint": Call(
        webhooks.UPDATE, lambda side: {"id": side.webhook, "input": {"url": f"https://8.8.4.4/{side.word}"}}
    ),
    "Mutation.rotateWebhookSecret": Call(webhooks.ROTATE, lambda side: {"id": side.webhook}),
    "Mutation.replayWebhooks": Call(webhooks.REPLAY, lambda side: {"id": side.webhook}),
    "Mutation.resendWebhook": Call(webhooks.RESEND, lambda side: {"id": side.webhook, "notificationId": side.delivery}),
    "Mutation.deleteWebhookEndpoint": Call(webhooks.DELETE, lambda side: {"id": side.webhook}),
    "Mutation.endTopUp": Call(calls.END_TOP_UP, lambda side: {"id": side.top_up}),
    "Mutation.setOverride": Call(calls.SET_OVERRIDE, lambda side: {"input": {**gift(side), "limit": side.number}}),
    "Mutation.endOverride": Call(calls.END_OVERRIDE, lambda side: {"id": side.override}),
    "Mutation.recordUsage": Call(RECORD, lambda side: {"input": usage(side, "one")}),
    "Mutation.reverseUsage": Call(REVERSE, lambda side: {"id": side.entry}),
    "Query.reservations": Call(f'{{ reservations(userId: "{LEAVER}") {{ {calls.RESERVATION} }} }}'),
    "Query.reservation": Call(
        f"query($id: String!) {{ reservation(id: $id) {{ {calls.RESERVATION} }} }}",
        lambda side: {"id": side.reservation},
    ),
    "Mutation.consume": Call(calls.CONSUME, lambda side: {"input": lines_of(side, "consumed")}),
    "Mutation.reserve": Call(calls.RESERVE, lambda side: {"input": lines_of(side, "reserved")}),
    "Mutation.settleReservation": Call(
        calls.SETTLE,
        lambda side: {"id": side.reservation, "final": False, "lines": lines_of(side, "settled")["lines"]},
    ),
    "Mutation.extendReservation": Call(calls.EXTEND, lambda side: {"id": side.reservation, "ttlSeconds": 86_400}),
    "Mutation.releaseReservation": Call(calls.RELEASE, lambda side: {"id": side.reservation}),
    "Mutation.recordUsageBatch": Call(
        f"mutation($inputs: [CreateUsageEventInput!]!) {{ recordUsageBatch(inputs: $inputs) {{ {BATCHED} }} }}",
        lambda side: {"inputs": [usage(side, "two"), usage(side, "three"), {"userId": "nobody", "featureId": "x"}]},
    ),
    "Mutation.generateSubscriptionLink": Call(
        calls.LINK,
        lambda _: {"userId": ADA, "templateId": "t", "successUrl": "https://a.b/c", "cancelUrl": "https://a.b/c"},
        leaves_mark=False,  # no billing provider is connected, and the error names nothing
    ),
    "Mutation.setSecureModeRequired": Call(
        f"mutation {{ setSecureModeRequired(required: false) {{ {SETTINGS} }} }}", leaves_mark=False
    ),
    "Mutation.setTimeZone": Call(f'mutation {{ setTimeZone(timeZone: "UTC") {{ {SETTINGS} }} }}', leaves_mark=False),
    "Mutation.createMappingRule": Call(
        segment.CREATE_RULE, lambda _: {"input": {"name": "new", "eventName": "never", "featureId": "message"}}
    ),
    "Mutation.updateMappingRule": Call(
        segment.UPDATE_RULE, lambda side: {"id": side.rules["to change"], "input": {"name": "changed"}}
    ),
    "Mutation.retrySegmentEvent": Call(
        "mutation($id: String!) { retrySegmentEvent(id: $id) { id event } }", lambda side: {"id": side.failed}
    ),
    "Mutation.retryFailedSegmentEvents": Call("mutation { retryFailedSegmentEvents }", leaves_mark=False),
    "Mutation.deleteMappingRule": Call(segment.DELETE_RULE, lambda side: {"id": side.rules["to delete"]}),
    "Mutation.generateUserToken": Call(calls.TOKEN, lambda _: {"userId": ADA}),
    "Mutation.revokeUserTokens": Call(
        f"mutation($userId: String!) {{ revokeUserTokens(userId: $userId) {{ {calls.USER} }} }}",
        lambda _: {"userId": ADA},
    ),
    "Mutation.mergeUsers": Call(
        f"mutation($from: String!, $into: String!) {{ mergeUsers(from: $from, into: $into) {{ {calls.USER} }} }}",
        lambda _: {"from": MERGED, "into": ADA},
    ),
    "Mutation.deleteUser": Call(
        "mutation($userId: String!) { deleteUser(userId: $userId) { id isCleared } }", lambda _: {"userId": DELETED}
    ),
}

MANY_YEARS = {"from": "2020-01-01T00:00:00Z", "to": "2036-01-01T00:00:00Z"}

V1: dict[str, Variables] = {
    "feature": lambda _: {"id": "message"},
    "package": lambda _: {"id": "basic"},
    "packages": lambda _: {"status": "ALL"},
    "user": lambda _: {"id": ADA},
    "entitlements": lambda _: {"userId": ADA},
    "entries": lambda _: {"userId": ADA},
    "entry": lambda side: {"userId": ADA, "id": side.entry},
    "reservations": lambda _: {"userId": LEAVER},
    "limitOutlook": lambda _: {"userId": ADA},
    "exportUser": lambda _: {"userId": ADA},
    "webhookDeliveries": lambda side: {"endpointId": side.webhook},
    "replayWebhooks": lambda side: {"endpointId": side.webhook, "from": "2020-01-01T00:00:00Z"},
    "resendWebhook": lambda side: {"endpointId": side.webhook, "notificationId": side.delivery},
    "usageInsights": lambda _: {**MANY_YEARS, "by": "WEEK", "userId": ADA},
    "creditInsights": lambda _: {**MANY_YEARS, "by": "WEEK", "featureId": "message"},
    "adoption": lambda _: MANY_YEARS,
    "refusals": lambda _: MANY_YEARS,
    "topUsers": lambda _: {**MANY_YEARS, "featureId": "message"},
    "reverseUsage": lambda side: {"entryId": side.entry, "reason": "wrong", "userId": ADA},
    "setSecureModeRequired": lambda _: {"required": False},
    "setTimeZone": lambda _: {"timeZone": "UTC"},
    "previewSubscriptionChangesUsers": lambda _: {"userIds": [ADA, FRESH], "packageId": "other"},
    "subscriptionChangesResults": lambda side: {"id": side.changes},
}
"""What is asked at an address of `/v1` where the documents of ``ADMIN`` say it themselves, or have no such field."""

V1_LEAVES_NO_MARK = {"previewSubscriptionChangesUsers", "subscriptionChangesResults"}
"""The operations that only `/v1` has, and that show the same of both sides."""

CLIENT: dict[str, Call] = {"Query.currentUser": Call(CURRENT_USER)}

BY_ID: dict[str, tuple[str, Callable[[Side], str]]] = {
    "Query.subscription": (
        "query($id: String!) { subscription(id: $id) { id } }",
        lambda side: side.subscriptions[MOVER],
    ),
    "Query.subscriptionChanges": (calls.SHOW_CHANGES, lambda side: side.changes),
    "Mutation.takeBackSubscriptionChanges": (calls.TAKE_BACK_CHANGES, lambda side: side.changes),
    "Mutation.cancelSubscription": (calls.CANCEL, lambda side: side.subscriptions[MOVER]),
    "Mutation.updateWebhookEndpoint": (webhooks.DISABLE, lambda side: side.webhook),
    "Mutation.rotateWebhookSecret": (webhooks.ROTATE, lambda side: side.webhook),
    "Mutation.replayWebhooks": (webhooks.REPLAY, lambda side: side.webhook),
    "Mutation.resendWebhook": (
        webhooks.RESEND.replace(", $notificationId: String!", "").replace("$notificationId", '"1"'),
        lambda side: side.webhook,
    ),
    "Query.webhookDeliveries": (webhooks.DELIVERIES, lambda side: side.webhook),
    "Mutation.deleteWebhookEndpoint": (webhooks.DELETE, lambda side: side.webhook),
    "Mutation.endTopUp": (calls.END_TOP_UP, lambda side: side.top_up),
    "Mutation.endOverride": (calls.END_OVERRIDE, lambda side: side.override),
    "Query.entry": (
        f'query($id: String!) {{ entry(userId: "{ADA}", id: $id) {{ id }} }}',
        lambda side: side.entry,
    ),
    "Mutation.reverseUsage": (REVERSE, lambda side: side.entry),
    "Query.reservation": ("query($id: String!) { reservation(id: $id) { id } }", lambda side: side.reservation),
    "Mutation.settleReservation": (
        'mutation($id: String!) { settleReservation(id: $id, lines: [{featureId: "message", units: 1}]) { granted } }',
        lambda side: side.reservation,
    ),
    "Mutation.extendReservation": (
        "mutation($id: String!) { extendReservation(id: $id, ttlSeconds: 9) { id } }",
        lambda side: side.reservation,
    ),
    "Mutation.releaseReservation": (calls.RELEASE, lambda side: side.reservation),
    "Query.entries": (
        f'query($id: String!) {{ entries(userId: "{ADA}", after: $id) {{ id }} }}',
        lambda side: side.entry,
    ),
    "Mutation.resumeSubscription": (calls.RESUME, lambda side: side.subscriptions[MOVER]),
}
"""What takes an id that Kana made, which differs between the sides, and one that exists on a side."""


def event(side: Side, number: str) -> dict[str, Any]:
    """A CloudEvent that both sides send under one id and source."""
    data = {"featureId": "message", "metadata": {"of": side.word}}
    return {"specversion": "1.0", "id": number, "source": "shop", "type": "used", "subject": ADA, "data": data}


def send_event(path: str) -> Callable[[Side], httpx.Response]:
    """A call that posts an event, its id after the path."""
    headers = {"Content-Type": "application/cloudevents+json"}
    return lambda side: side.served.http.post(
        path, json=event(side, path), headers={**headers, "Authorization": side.private_key}
    )


def send_message(path: str, kind: str) -> Callable[[Side], httpx.Response]:
    """A call that posts a message of Segment's, its id after the path."""
    return lambda side: side.segment(path, {"messageId": path, "type": kind, "userId": FRESH, "event": "e"})


def download(kind: str) -> Callable[[Side], httpx.Response]:
    """A call for what mover used, as a file; numbers packed into Parquet are read back, to be seen at all."""
    given = {"from": "2020-01-01T00:00:00Z", "to": "2036-01-01T00:00:00Z", "by": "WEEK", "userId": MOVER}

    def call(side: Side) -> httpx.Response:
        headers = {"Authorization": side.private_key}
        answer = side.served.http.get(f"/v1/insights.{kind}", params=given, headers=headers)
        if kind != "parquet" or answer.status_code != 200:
            return answer
        table = read_parquet(io.BytesIO(answer.content)).read_all()
        rows = {name: [str(value) for value in table[name].to_pylist()] for name in table.column_names}
        return httpx.Response(200, json=rows, request=answer.request)

    return call


def pull(side: Side) -> httpx.Response:
    """The configuration of a side."""
    return side.served.http.get("/cli/pull", headers={"Authorization": side.private_key})


def post_configuration(path: str) -> Callable[[Side], httpx.Response]:
    """A call that sends a side's own configuration with a feature renamed."""

    def call(side: Side) -> httpx.Response:
        configuration = pull(side).json()
        configuration["features"][0]["name"] += " again"
        return side.served.http.post(path, json=configuration, headers={"Authorization": side.private_key})

    return call


def simple(side: Side) -> httpx.Response:
    """Ada, by the public key."""
    headers = {"Authorization": side.public_key, "X-User-ID": ADA}
    return side.served.http.post("/client/graphql", json={"query": CURRENT_USER}, headers=headers)


def secure(side: Side) -> httpx.Response:
    """Ada, by her token."""
    token = side.ask(calls.TOKEN, userId=ADA)["generateUserToken"]["token"]
    headers = {"Authorization": f"Bearer {token}"}
    return side.served.http.post("/client/graphql", json={"query": CURRENT_USER}, headers=headers)


def stream(side: Side) -> httpx.Response:
    """All that happened, as far as a stream sends it at once."""
    headers = {"Authorization": side.private_key}
    with side.served.http.stream("GET", "/v1/stream?after=0", headers=headers) as answer:
        chunks = answer.iter_bytes()
        next(chunks)  # The comment that it begins with.
        return httpx.Response(answer.status_code, content=next(chunks))


def flags(side: Side) -> httpx.Response:
    """All flags of ada."""
    headers = {"Authorization": side.private_key}
    return side.served.http.post("/ofrep/v1/evaluate/flags", json={"context": {"targetingKey": ADA}}, headers=headers)


SEGMENT = {"/segment/events": "track", "/v1/batch": "track", "/v1/import": "identify", "/v1/b": "track"} | {
    f"/v1/{kind}": kind.value for kind in MessageType
}
"""Segment's addresses, and the kind of message that each is sent."""

ROUTES: dict[str, list[Callable[[Side], httpx.Response]]] = {
    "/graphql": [lambda side: side.graphql("{ features { name } }", {})],
    "/client/graphql": [simple, secure],
    "/v1/events": [send_event("/v1/events")],
    "/api/v1/events": [send_event("/api/v1/events")],
    **{path + end: [send_message(path + end, kind)] for path, kind in SEGMENT.items() for end in ("", "/")},
    **{f"/v1/insights.{kind}": [download(kind)] for kind in ("csv", "parquet")},
    "/ofrep/v1/evaluate/flags": [flags],
    "/v1/stream": [stream],
    "/cli/pull": [pull],
    "/cli/validate": [post_configuration("/cli/validate")],
    "/cli/publish": [post_configuration("/cli/publish")],
}
"""What each address that a key opens is asked."""

WITHOUT_ENVIRONMENT = {"/schema/kana.json", "/v1/openapi.json", "/healthz", "/readyz", "/metrics"}
"""Addresses that know no environment: they answer anybody the same, and nothing of anybody's."""
