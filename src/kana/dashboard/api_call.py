"""The API call that does the same as a button, ready to paste into a terminal."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass

CALLS: Mapping[str, str] = {
    "createUser": "mutation ($input: CreateUserInput!) { createUser(input: $input) { id } }",
    "updateUser": "mutation ($id: String!, $input: UpdateUserInput!) { updateUser(id: $id, input: $input) { id } }",
    "explain": "query ($userId: String!, $featureId: String!, $delta: Int, $at: DateTime) {"
    " explain(userId: $userId, featureId: $featureId, delta: $delta, at: $at) {"
    " access reason fitsAt grants { source used remaining } notHeld { cause reason }"
    " unlocks { way package { id } } } }",
    "recordUsage": "mutation ($input: CreateUsageEventInput!) { recordUsage(input: $input) { recorded reason } }",
    "createTopUp": "mutation ($input: CreateTopUpInput!) { createTopUp(input: $input) { id remaining } }",
    "setOverride": "mutation ($input: SetOverrideInput!) { setOverride(input: $input) { id limit endsAt } }",
    "subscribe": "mutation ($userId: String!, $packageIds: [String!]!) {"
    " subscribe(userId: $userId, packageIds: $packageIds) { id status } }",
    "changeSubscription": "mutation ($userId: String!, $packageId: String!, $when: ChangeTime, $usage: ChangeUsage) {"
    " changeSubscription(userId: $userId, packageId: $packageId, when: $when, usage: $usage) { id status } }",
    "resumeSubscription": "mutation ($id: String!) { resumeSubscription(id: $id) { id status } }",
    "settleReservation": "mutation ($id: String!, $lines: [LineInput!]!, $idempotencyKey: String) {"
    " settleReservation(id: $id, lines: $lines, idempotencyKey: $idempotencyKey) { granted reason } }",
    "releaseReservation": "mutation ($id: String!) { releaseReservation(id: $id) { id status } }",
    "cancelSubscription": "mutation ($id: String!, $atPeriodEnd: Boolean!) {"
    " cancelSubscription(id: $id, atPeriodEnd: $atPeriodEnd) { id status } }",
}


@dataclass(frozen=True, slots=True)
class ApiCall:
    """One call: its name in the API, and the command that makes it with the key in ``KANA_KEY``."""

    name: str
    command: str


def api_call(origin: str, name: str, **variables: object) -> ApiCall:
    """Return the command that makes a call to the Admin API of a server."""
    body = json.dumps({"query": CALLS[name], "variables": variables}, ensure_ascii=False)
    lines = (
        f"curl {shlex.quote(f'{origin}/graphql')}",
        '-H "Authorization: $KANA_KEY"',
        "-H 'Content-Type: application/json'",
        f"-d {shlex.quote(body)}",
    )
    return ApiCall(name, " \\\n  ".join(lines))
