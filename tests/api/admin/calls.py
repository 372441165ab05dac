"""The documents that the tests of the Admin API send, and a small business to send them to."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from itertools import count
from typing import Any

from kana.model.environment import Environment
from kana.model.feature import Feature
from kana.model.package import Package, PackageStatus
from tests.support.ledger import entries_of
from tests.support.serving import Served
from tests.support.world import (
    MILLISECOND,
    NOON,
    TESTER,
    a_catalog,
    a_feature,
    a_package,
    allows,
    holds,
)

FEATURE = "id name type unitLabel unitLabelPlural metadata"
HELD = "id name type limit unitLabel unitLabelPlural metadata overageEnabled resetPeriod combine"
ENTITLEMENT = (
    "limit resetPeriod overageEnabled combine rollover { limit periods } gracePercent cost { featureId units }"
)
PACKAGE = (
    f"id name isAddon status updatedAt metadata basePackageIds trialDays features {{ {HELD} }}"
    " prices { id provider amount displayAmount currency interval }"
)
SUBSCRIPTION = "id userId status startedAt endsAt trialEndsAt anchorAt timeZone package { id }"
USER = "id billingId name email metadata timeZone"
TOP_UP = "id userId featureId amount used remaining startsAt expiresAt reason givenBy createdAt"
OVERRIDE = "id userId featureId limit resetPeriod overageEnabled denied startsAt endsAt reason givenBy createdAt"
CONSUMPTION = "consumption { used budget overageEnabled }"
PERIOD = f"periodStart periodEnd {CONSUMPTION}"

CREATE_FEATURE = f"mutation($input: CreateFeatureInput!) {{ createFeature(input: $input) {{ {FEATURE} }} }}"
UPDATE_FEATURE = (
    f"mutation($id: String!, $input: UpdateFeatureInput!) {{ updateFeature(id: $id, input: $input) {{ {FEATURE} }} }}"
)
CREATE_PACKAGE = f"mutation($input: CreatePackageInput!) {{ createPackage(input: $input) {{ {PACKAGE} }} }}"
UPDATE_PACKAGE = (
    f"mutation($id: String!, $input: UpdatePackageInput!) {{ updatePackage(id: $id, input: $input) {{ {PACKAGE} }} }}"
)
PUBLISH = f"mutation($id: String!) {{ publishPackage(id: $id) {{ {PACKAGE} }} }}"
ARCHIVE = f"mutation($id: String!) {{ archivePackage(id: $id) {{ {PACKAGE} }} }}"
UNARCHIVE = f"mutation($id: String!) {{ unarchivePackage(id: $id) {{ {PACKAGE} }} }}"
DUPLICATE = (
    "mutation($id: String!, $newId: String!, $name: String)"
    f" {{ duplicatePackage(id: $id, newId: $newId, name: $name) {{ {PACKAGE} }} }}"
)
DELETE = f"mutation($id: String!) {{ deletePackage(id: $id) {{ {PACKAGE} }} }}"
CHANGES = (
    "id state packageId fromPackageId when usage startedAt startedBy takenBackBy"
    " progress { users left done changed refused skipped back { left changed refused skipped } }"
    " results { id userId outcome reason back backReason }"
)
PREVIEW_CHANGES = (
    "query($input: ChangeSubscriptionsInput!, $first: Int, $after: String)"
    " { previewSubscriptionChanges(input: $input)"
    " { totals { users wouldChange wouldBeRefused wouldBeSkipped losing over isWhole }"
    " users(first: $first, after: $after) { userId outcome reason packageId loses over { featureId used limit } } } }"
)
CHANGE_MANY = f"mutation($input: ChangeSubscriptionsInput!) {{ changeSubscriptions(input: $input) {{ {CHANGES} }} }}"
SHOW_CHANGES = f"query($id: String!) {{ subscriptionChanges(id: $id) {{ {CHANGES} }} }}"
TAKE_BACK_CHANGES = f"mutation($id: String!) {{ takeBackSubscriptionChanges(id: $id) {{ {CHANGES} }} }}"
CREATE_USER = f"mutation($input: CreateUserInput!) {{ createUser(input: $input) {{ {USER} }} }}"
UPDATE_USER = f"mutation($id: String!, $input: UpdateUserInput!) {{ updateUser(id: $id, input: $input) {{ {USER} }} }}"
TOKEN = "mutation($userId: String!) { generateUserToken(userId: $userId) { token } }"
SUBSCRIBE = (
    "mutation($packageIds: [String!]!, $userId: String!)"
    f" {{ subscribe(packageIds: $packageIds, userId: $userId) {{ {SUBSCRIPTION} }} }}"
)
CHANGE = (
    "mutation($userId: String!, $packageId: String!)"
    f" {{ changeSubscription(userId: $userId, packageId: $packageId) {{ {SUBSCRIPTION} }} }}"
)
CANCEL = (
    "mutation($id: String!, $atPeriodEnd: Boolean)"
    f" {{ cancelSubscription(id: $id, atPeriodEnd: $atPeriodEnd) {{ {SUBSCRIPTION} }} }}"
)
RESUME = f"mutation($id: String!) {{ resumeSubscription(id: $id) {{ {SUBSCRIPTION} }} }}"
CREATE_TOP_UP = f"mutation($input: CreateTopUpInput!) {{ createTopUp(input: $input) {{ {TOP_UP} }} }}"
END_TOP_UP = f"mutation($id: String!) {{ endTopUp(id: $id) {{ {TOP_UP} }} }}"
SET_OVERRIDE = f"mutation($input: SetOverrideInput!) {{ setOverride(input: $input) {{ {OVERRIDE} }} }}"
END_OVERRIDE = f"mutation($id: String!) {{ endOverride(id: $id) {{ {OVERRIDE} }} }}"
TOP_UPS = (
    "query($userId: String!, $first: Int, $after: String)"
    f" {{ topUps(userId: $userId, first: $first, after: $after) {{ {TOP_UP} }} }}"
)
OVERRIDES = (
    "query($userId: String!, $first: Int, $after: String)"
    f" {{ overrides(userId: $userId, first: $first, after: $after) {{ {OVERRIDE} }} }}"
)
LINK = (
    "mutation($userId: String, $templateId: String!, $successUrl: String!, $cancelUrl: String!)"
    " { generateSubscriptionLink(userId: $userId, templateId: $templateId, successUrl: $successUrl,"
    " cancelUrl: $cancelUrl) { url } }"
)
RECORD = (
    "mutation($input: CreateUsageEventInput!)"
    f" {{ recordUsage(input: $input) {{ recorded reason outcome id duplicate {CONSUMPTION} }} }}"
)
CHECK = (
    "query($userId: String!, $featureId: String!, $delta: Int)"
    " { canUseFeature(userId: $userId, featureId: $featureId, delta: $delta)"
    f" {{ access reason outcome {CONSUMPTION} }} }}"
)
CHECK_MANY = (
    "query($userIds: [String!]!, $featureIds: [String!]!, $delta: Int)"
    " { canUseFeatures(userIds: $userIds, featureIds: $featureIds, delta: $delta)"
    " { userId access reason outcome used budget overageEnabled } }"
)
SHOW = (
    "query($userId: String!, $featureId: String!, $past: Int)"
    f" {{ showUsage(userId: $userId, featureId: $featureId, past: $past)"
    f" {{ current {{ {PERIOD} }} past {{ {PERIOD} }} }} }}"
)
_GIVEN = "given { id source reason givenBy startsAt endsAt }"
EXPLAIN = (
    "query($userId: String!, $featureId: String!, $delta: Int, $at: DateTime)"
    " { explain(userId: $userId, featureId: $featureId, delta: $delta, at: $at)"
    f" {{ at access reason outcome {CONSUMPTION} fitsAt"
    " grants { source reason amount used remaining overageEnabled startsAt endsAt"
    f" subscription {{ {SUBSCRIPTION} }} {_GIVEN} }}"
    f" notHeld {{ cause reason package {{ {PACKAGE} }} subscription {{ {SUBSCRIPTION} }} {_GIVEN} }}"
    f" unlocks {{ way package {{ {PACKAGE} }} price {{ id amount currency interval }} }} }} }}"
)

TEST, LIVE = Environment.TEST, Environment.LIVE


def furnish(served: Served, environment: Environment = TEST) -> None:
    """Features message (counted) and support (a switch); ada on basic, bob on nothing, eve on open from now on."""
    engine, run = served.engine, served.run
    nouns: list[Feature | Package] = [
        a_feature("message", unit_label="message"),
        a_feature("support", binary=True),
        a_package("basic", allows(10), holds("support")),
        a_package("open", allows(10, overage=True)),
        a_package("endless", holds("message")),
        a_package("extra", holds("support"), is_addon=True),
        a_package("draft", status=PackageStatus.DRAFT),
    ]
    # One after the other, an hour ago: lists are in the order of creation.
    moments = (NOON - timedelta(hours=1) + number * MILLISECOND for number in count())
    catalog = replace(a_catalog(*(replace(noun, created_at=next(moments)) for noun in nouns)), environment=environment)
    run(engine.catalog.apply(environment, lambda old, _: replace(catalog, version=old.version), by=TESTER))
    for user_id in ("ada", "bob", "eve"):
        run(engine.accounts.create_user(environment, id=user_id))
    for user_id, package_id in (("ada", "basic"), ("eve", "open")):
        run(engine.accounts.subscribe(environment, user_id, [package_id]))


def record(served: Served, delta: int = 1, *, key: str | None = None, **fields: Any) -> dict[str, Any]:
    """Record usage of messages by ada, unless fields say otherwise."""
    given = {"userId": "ada", "featureId": "message", "delta": delta, **fields}
    answer: dict[str, Any] = served.ask(RECORD, {"input": given}, key=key)["recordUsage"]
    return answer


def state(served: Served) -> tuple[Any, ...]:
    """All that an API call could have changed, to compare with what it is later."""
    engine, run = served.engine, served.run
    users = run(engine.accounts.users(TEST))
    return (
        run(engine.catalog.read(TEST)),
        run(engine.catalog.read(LIVE)),
        users,
        run(engine.accounts.users(LIVE)),
        run(engine.accounts.subscriptions(TEST)),
        [run(entries_of(served.store, user.id)) for user in users],
        run(served.store.audits.audit()),
    )


def name_of(error: dict[str, Any]) -> tuple[str, str]:
    """What programs branch on: the code and Kana's name of an error."""
    return error["extensions"]["code"], error["extensions"]["exception"]["name"]


RESERVATION = "id userId status endsAt createdAt lines { featureId units unbounded settled held costOf }"
CONSUMED = (
    f"granted outcome reason duplicate decisionId reservation {{ {RESERVATION} }}"
    f" lines {{ featureId units outcome reason entryId costOf {CONSUMPTION} }}"
)
CONSUME = f"mutation($input: ConsumeInput!) {{ consume(input: $input) {{ {CONSUMED} }} }}"
RESERVE = f"mutation($input: ReserveInput!) {{ reserve(input: $input) {{ {CONSUMED} }} }}"
SETTLE = (
    "mutation($id: String!, $lines: [LineInput!]!, $final: Boolean, $key: String) {"
    f" settleReservation(id: $id, lines: $lines, final: $final, idempotencyKey: $key) {{ {CONSUMED} }} }}"
)
RELEASE = f"mutation($id: String!) {{ releaseReservation(id: $id) {{ {RESERVATION} }} }}"
EXTEND = (
    "mutation($id: String!, $ttlSeconds: Int!) {"
    f" extendReservation(id: $id, ttlSeconds: $ttlSeconds) {{ {RESERVATION} }} }}"
)
