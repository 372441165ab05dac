from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from kana.sdk.conversation import Steps
from kana.sdk.decision import Decision, DecisionRow
from kana.sdk.operation import D, Group, operation
from kana.sdk.pages import by_id, every_page
from kana.sdk.results import Action, Feature, FeatureType, RecordedUsage, Usage
from kana.sdk.wire import UNSET, Units, Unset, given, moment, mutation, query, whole

CREATE: Final = mutation("createFeature(input: CreateFeatureInput!)", Feature)
UPDATE: Final = mutation("updateFeature(id: String!, input: UpdateFeatureInput!)", Feature)
RETRIEVE: Final = query("feature(id: String!)", Feature)
LIST: Final = query("features(first: Int, after: String)", list[Feature])
CAN_USE: Final = query("canUseFeature(userId: String!, featureId: String!, delta: Int)", Decision)
CAN_USE_MANY: Final = query(
    "canUseFeatures(userIds: [String!]!, featureIds: [String!]!, delta: Int)", list[DecisionRow]
)
SHOW_USAGE: Final = query("showUsage(userId: String!, featureId: String!, past: Int)", Usage)
REVERSE_USAGE: Final = mutation("reverseUsage(entryId: String!, reason: String!, userId: String)", RecordedUsage)
RECORD_USAGE: Final = mutation("recordUsage(input: CreateUsageEventInput!)", RecordedUsage)


def usage_input(
    *,
    user_id: str,
    feature_id: str,
    delta: Units,
    action: Action | str = Action.ADD,
    idempotency_key: str | None = None,
    timestamp: datetime | None = None,
    metadata: Any = None,
) -> dict[str, Any]:
    """Return the API's input for one usage, with a new idempotency key if none is given.

    Raises:
        InvalidValue: delta is not a whole number, or the timestamp has no time zone.
    """
    usage: dict[str, Any] = {
        "userId": user_id,
        "featureId": feature_id,
        "delta": whole(delta, "delta"),
        "action": action,
        "idempotencyKey": new_key() if idempotency_key is None else idempotency_key,
    }
    if timestamp is not None:
        usage["timestamp"] = moment(timestamp, "timestamp")
    if metadata is not None:
        usage["metadata"] = metadata
    return usage


def new_key() -> str:
    """Return an idempotency key for one call."""
    # Imported here, as importing it takes longer than any call to it.
    import uuid

    return str(uuid.uuid4())


class Features(Group[D]):
    """Features, checks whether a user may use them, and usage."""

    @operation
    def create(
        self,
        *,
        id: str,
        type: FeatureType | str,
        name: str | None = None,
        unit_label: str | None = None,
        unit_label_plural: str | None = None,
        metadata: Any = None,
    ) -> Steps[Feature]:
        """Create a feature. Its name is its id by default; only CONSUMABLE features have unit labels.

        Raises:
            Conflict: the id is taken.
            InvalidValue: a value is not allowed; the message names it.
            OutcomeUnknown: the answer was lost; check before you create it again.
        """
        fields = {
            "id": id,
            "type": type,
            "name": name,
            "unitLabel": unit_label,
            "unitLabelPlural": unit_label_plural,
            "metadata": metadata,
        }
        return self._core.ask(CREATE, input={key: value for key, value in fields.items() if value is not None})

    @operation
    def update(
        self,
        *,
        id: str,
        name: str | Unset | None = UNSET,
        unit_label: str | Unset | None = UNSET,
        unit_label_plural: str | Unset | None = UNSET,
        metadata: Any = UNSET,
    ) -> Steps[Feature]:
        """Change a feature. Omitted fields stay the same; None resets a field to its default. The type cannot change.

        Raises:
            FeatureNotFound: there is no such feature.
        """
        changes = given(name=name, unitLabel=unit_label, unitLabelPlural=unit_label_plural, metadata=metadata)
        return self._core.ask(UPDATE, id=id, input=changes)

    @operation
    def retrieve(self, *, id: str) -> Steps[Feature]:
        """Return one feature.

        Raises:
            FeatureNotFound: there is no such feature.
        """
        return self._core.ask(RETRIEVE, id=id)

    @operation
    def list(self, *, first: int | None = None, after: str | None = None) -> Steps[list[Feature]]:
        """Return all features in order of creation, or only the ``first`` ones ``after`` an id."""
        return every_page(
            lambda size, last: self._core.ask(LIST, first=size, after=last), first=first, after=after, id_of=by_id
        )

    @operation
    def can_use(self, *, user_id: str, feature_id: str, delta: Units = 1) -> Steps[Decision]:
        """Return whether a user may use ``delta`` units of a feature now. A refusal is an answer with a reason.

        Raises:
            UserNotFound, FeatureNotFound: there is no such user or feature.
            InvalidValue: delta is not a whole number of 1 or more.
            NetworkError: the server did not answer; ``check`` can handle that.
        """
        return self._core.ask(CAN_USE, userId=user_id, featureId=feature_id, delta=whole(delta, "delta"))

    @operation
    def can_use_many(
        self, *, user_ids: Sequence[str], feature_ids: Sequence[str], delta: Units = 1
    ) -> Steps[dict[str, dict[str, Decision]]]:
        """Return the decisions for up to 100 users and 100 features, by user and feature, at one moment.

        Raises:
            UserNotFound, FeatureNotFound: there is no such user or feature, and nothing is answered.
            QueryTooComplex: there are more than 100 users or features.
            InvalidValue: there are no users or features, or delta is not a whole number of 1 or more.
        """
        return self._can_use_many(user_ids, feature_ids, whole(delta, "delta"))

    @operation
    def show_usage(self, *, user_id: str, feature_id: str, past: int = 24) -> Steps[Usage]:
        """Return a user's usage of a feature, in the current period and in at most ``past`` finished ones.

        Raises:
            UserNotFound, FeatureNotFound: there is no such user or feature.
        """
        return self._core.ask(SHOW_USAGE, userId=user_id, featureId=feature_id, past=past)

    @operation
    def record_usage(
        self,
        *,
        user_id: str,
        feature_id: str,
        delta: Units = 1,
        action: Action | str = Action.ADD,
        idempotency_key: str | None = None,
        timestamp: datetime | None = None,
        metadata: Any = None,
    ) -> Steps[RecordedUsage]:
        """Record usage, give it back (a negative delta) or set the period's total (``action="SET"``).

        The answer comes when the usage is on the server's disk. A refusal is an answer:
        ``recorded=False`` and a reason. Retries use the same idempotency key, a new one if none is
        given, so the usage counts once however often it is sent. ``timestamp`` is when it happened,
        by default now.

        Raises:
            UserNotFound, FeatureNotFound: there is no such user or feature.
            InvalidValue: delta is not a whole number, or a value is not allowed.
            IdempotencyKeyReused: the key was used before for other content; nothing was recorded.
            NetworkError: the server was never reached; nothing was recorded.
            OutcomeUnknown: the usage may have been recorded; call again with the exception's idempotency_key.
        """
        usage = usage_input(
            user_id=user_id,
            feature_id=feature_id,
            delta=delta,
            action=action,
            idempotency_key=idempotency_key,
            timestamp=timestamp,
            metadata=metadata,
        )
        return self._record(usage)

    @operation
    def reverse_usage(self, *, entry_id: str, reason: str, user_id: str | None = None) -> Steps[RecordedUsage]:
        """Undo one entry exactly where it was posted, in periods that are over too; the ledger keeps both.

        It is done once, and calling it again returns the first reversal. ``recorded=False``: some of the units were
        given back since. Name the user if you know them: then nobody else is looked through.

        Raises:
            UserNotFound, EntryNotFound: there is no such user or entry.
            InvalidValue: the entry moved nothing or is a reversal, or the reason is not 1 to 500 characters.
            OutcomeUnknown: the answer was lost; it is safe to call again.
        """
        return self._core.ask(REVERSE_USAGE, entryId=entry_id, reason=reason, userId=user_id)

    def _can_use_many(
        self, user_ids: Sequence[str], feature_ids: Sequence[str], delta: int
    ) -> Steps[dict[str, dict[str, Decision]]]:
        rows = yield from self._core.ask(
            CAN_USE_MANY, userIds=list(user_ids), featureIds=list(feature_ids), delta=delta
        )
        return {row.user_id: dict(zip(feature_ids, row.decisions(), strict=True)) for row in rows}

    def _record(self, usage: dict[str, Any]) -> Steps[RecordedUsage]:
        key = usage["idempotencyKey"]
        try:
            recorded = yield from self._core.ask(RECORD_USAGE, idempotency_key=key, input=usage)
        finally:
            # Whatever the outcome, the cached answer may no longer be right.
            self._core.cache.forget(usage["userId"], usage["featureId"])
        return replace(recorded, idempotency_key=key)
