"""The resolvers of usage: check, record and show."""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import dataclass

from ariadne import MutationType, QueryType

from kana.api.admin.context import Info
from kana.api.admin.inputs import Input, given_id, given_ids
from kana.api.bulk import UsageAnswer, answer_of, read_each, record_each
from kana.engine.usage.usage import PAST_PERIODS, Shown
from kana.errors import KanaError
from kana.model.entitlement import Decision, Outcome
from kana.model.environment import Environment
from kana.model.text import whole_number
from kana.model.usage import Action, Usage

query = QueryType()
mutation = MutationType()


@dataclass(frozen=True, slots=True)
class DecisionRow:
    """The decisions for one user as lists in the order of the features, which are fast to write by the thousand."""

    user_id: str
    decisions: list[Decision]

    @property
    def access(self) -> list[bool]:
        """Whether the user may use each feature."""
        return [decision.access for decision in self.decisions]

    @property
    def reason(self) -> list[str]:
        """The reason for each feature."""
        return [decision.reason for decision in self.decisions]

    @property
    def outcome(self) -> list[Outcome]:
        """The same for programs, for each."""
        return [decision.outcome for decision in self.decisions]

    @property
    def used(self) -> list[int | None]:
        """The used units of each feature; None if it is not counted."""
        return [None if (c := decision.consumption) is None else c.used for decision in self.decisions]

    @property
    def budget(self) -> list[int | None]:
        """The budget of each feature; None if it is not counted or unlimited."""
        return [None if (c := decision.consumption) is None else c.budget for decision in self.decisions]

    @property
    def overage_enabled(self) -> list[bool | None]:
        """Whether the user may exceed each budget; None if the feature is not counted."""
        return [None if (c := decision.consumption) is None else c.overage_enabled for decision in self.decisions]

    @property
    def in_grace(self) -> list[bool]:
        """Whether a hard limit is passed, for each."""
        return [decision.in_grace for decision in self.decisions]

    @property
    def affords(self) -> list[int | None]:
        """For how many units of each feature its credit suffices; None if it costs none, or without a limit."""
        return [decision.affords for decision in self.decisions]


@query.field("canUseFeature")
def can_use_feature(
    _root: object, info: Info, *, user_id: str, feature_id: str, delta: int | None
) -> Awaitable[Decision]:
    """Return whether a user may use a feature now. A refusal is an answer with a reason."""
    context = info.context
    return context.engine.usage.check(
        context.environment,
        given_id(user_id, field="userId"),
        given_id(feature_id, field="featureId"),
        delta=whole_number(delta, field="delta"),
    )


@query.field("canUseFeatures")
async def can_use_features(
    _root: object, info: Info, *, user_ids: list[str], feature_ids: list[str], delta: int | None
) -> list[DecisionRow]:
    """Return the decisions for all users and features at one moment."""
    context = info.context
    rows = await context.engine.usage.check_many(
        context.environment,
        given_ids(user_ids, field="userIds"),
        given_ids(feature_ids, field="featureIds"),
        delta=whole_number(delta, field="delta"),
    )
    return [DecisionRow(user_id, decisions) for user_id, decisions in zip(user_ids, rows, strict=True)]


@query.field("showUsage")
async def show_usage(_root: object, info: Info, *, user_id: str, feature_id: str, past: int | None = None) -> Shown:
    """Return usage in the current period and in finished ones."""
    context = info.context
    return await context.engine.usage.show(
        context.environment,
        given_id(user_id, field="userId"),
        given_id(feature_id, field="featureId"),
        past=PAST_PERIODS if past is None else past,
    )


@mutation.field("recordUsage")
async def record_usage(_root: object, info: Info, *, input: Input) -> UsageAnswer:  # noqa: A002 - Kana's word
    """Record a usage, and answer when it is on disk."""
    context = info.context
    return answer_of(await context.engine.usage.record(_usage(context.environment, input)))


@mutation.field("recordUsageBatch")
async def record_usage_batch(_root: object, info: Info, *, inputs: list[Input | KanaError]) -> list[UsageAnswer]:
    """Record the valid usages, and answer all in their order."""
    context = info.context
    usages = read_each(inputs, lambda given: _usage(context.environment, given))
    return await record_each(context.engine.usage, usages, request_id=context.request_id)


def _usage(environment: Environment, given: Input) -> Usage:
    action = given.get("action")
    return Usage(
        environment=environment,
        user_id=given_id(given["user_id"], field="userId"),
        feature_id=given_id(given["feature_id"], field="featureId"),
        delta=whole_number(given.get("delta", 1), field="delta"),
        action=Action.ADD if action is None else action,
        key=given.get("idempotency_key"),
        timestamp=given.get("timestamp"),
        metadata=given.get("metadata"),
    )
