"""Moving many users to another package."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, Literal

from kana.sdk.conversation import Steps
from kana.sdk.features import new_key
from kana.sdk.operation import D, Group, operation
from kana.sdk.pages import by_id, every_page
from kana.sdk.results import ON_REQUEST
from kana.sdk.terms import ChangeTime, ChangeUsage
from kana.sdk.wire import mutation, query


class ChangeProspect(StrEnum):
    """What would become of a user."""

    WOULD_CHANGE = "WOULD_CHANGE"
    WOULD_BE_REFUSED = "WOULD_BE_REFUSED"
    WOULD_BE_SKIPPED = "WOULD_BE_SKIPPED"


class ChangesState(StrEnum):
    """How far a job is. Something is left to do in ``LISTING``, ``RUNNING`` and ``TAKING_BACK``."""

    LISTING = "LISTING"
    RUNNING = "RUNNING"
    DONE = "DONE"
    TAKING_BACK = "TAKING_BACK"
    TAKEN_BACK = "TAKEN_BACK"


class ChangeOutcome(StrEnum):
    """What has become of a user."""

    WAITING = "WAITING"
    CHANGED = "CHANGED"
    REFUSED = "REFUSED"
    SKIPPED = "SKIPPED"


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureOverLimit:
    """A feature of which a user would have used more than their new limit."""

    feature_id: str
    used: int
    limit: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangePreview:
    """What would become of one user: the ids of features that they would lose, and the limits that they would be over.

    ``reason`` says why they would be refused or skipped; ``package_id`` is their base package now.
    """

    user_id: str
    outcome: ChangeProspect
    reason: str | None
    package_id: str | None
    loses: tuple[str, ...]
    over: tuple[FeatureOverLimit, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangesTotals:
    """How many users would become what. ``is_whole`` is False if only the first 2,000 were looked at."""

    users: int
    would_change: int
    would_be_refused: int
    would_be_skipped: int
    losing: int
    over: int
    is_whole: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangesPreview:
    """A page of users with what would become of each; the first page has totals too."""

    users: tuple[ChangePreview, ...]
    totals: ChangesTotals | None = field(default=None, metadata=ON_REQUEST)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangesBack:
    """How many users of a job are moved back."""

    left: int
    changed: int
    refused: int
    skipped: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangesProgress:
    """How many users of a job wait for their turn (``left``), and what has become of the others."""

    users: int
    left: int
    done: int
    changed: int
    refused: int
    skipped: int
    back: ChangesBack | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriptionChanges:
    """A job that moves users to another package."""

    id: str
    state: ChangesState
    package_id: str
    from_package_id: str | None
    when: ChangeTime
    usage: ChangeUsage
    started_at: datetime
    started_by: str
    taken_back_by: str | None
    progress: ChangesProgress

    @property
    def is_finished(self) -> bool:
        """Whether nothing is left to do."""
        return self.state in (ChangesState.DONE, ChangesState.TAKEN_BACK)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeResult:
    """What has become of one user of a job, and of their way back if there was one. ``id`` is their place in it."""

    id: str
    user_id: str
    outcome: ChangeOutcome
    reason: str | None
    back: ChangeOutcome | None
    back_reason: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Results:
    results: tuple[ChangeResult, ...]


_INPUT: Final = "input: ChangeSubscriptionsInput!"
_PAGE: Final = {"users": "first: Int, after: String"}
_FIRST_PREVIEW: Final = query(
    f"previewSubscriptionChanges({_INPUT})", ChangesPreview, also=frozenset({"totals"}), nested=_PAGE
)
_PREVIEW: Final = query(f"previewSubscriptionChanges({_INPUT})", ChangesPreview, nested=_PAGE)
_START: Final = mutation(f"changeSubscriptions({_INPUT})", SubscriptionChanges)
_RETRIEVE: Final = query("subscriptionChanges(id: String!)", SubscriptionChanges)
_RESULTS: Final = query(
    "subscriptionChanges(id: String!)",
    _Results,
    nested={"results": "first: Int, after: String, outcome: SubscriptionChangeOutcome"},
)
_TAKE_BACK: Final = mutation("takeBackSubscriptionChanges(id: String!)", SubscriptionChanges)


class ManyChanges(Group[D]):
    """Jobs that move many users to another package."""

    @operation
    def preview(
        self,
        *,
        package_id: str,
        user_ids: Sequence[str] | None = None,
        from_package_id: str | None = None,
        search: str | None = None,
        when: ChangeTime | Literal["NOW", "PERIOD_END"] = "NOW",
        usage: ChangeUsage | Literal["RESET", "CARRY"] = "RESET",
        first: int = 50,
        after: str | None = None,
    ) -> Steps[ChangesPreview]:
        """Return what ``start`` with the same arguments would do to ``first`` users (1 to 100) after the id of one.

        Nothing is changed. Without ``after`` it has totals too.

        Raises:
            PackageNotFound, InvalidValue: as for ``start``.
        """
        asked = _FIRST_PREVIEW if after is None else _PREVIEW
        moved = _move(package_id, user_ids, from_package_id, search, when, usage)
        return self._core.ask(asked, input=moved, first=first, after=after)

    @operation
    def start(
        self,
        *,
        package_id: str,
        user_ids: Sequence[str] | None = None,
        from_package_id: str | None = None,
        search: str | None = None,
        when: ChangeTime | Literal["NOW", "PERIOD_END"] = "NOW",
        usage: ChangeUsage | Literal["RESET", "CARRY"] = "RESET",
        idempotency_key: str | None = None,
    ) -> Steps[SubscriptionChanges]:
        """Begin to move users to a PUBLISHED base package in the background, each as ``subscriptions.change`` does.

        Who: the users with ``user_ids`` (at most 10,000), or those who have the base package ``from_package_id`` and
        whose id, name or e-mail begins with ``search``; of the latter two one may be left out. What becomes of one
        user never harms another. Retries use the same idempotency key, a new one if none is given, so one job is begun.

        Raises:
            PackageNotFound: there is no such package.
            InvalidValue: nobody is named, or in two ways, or the package is not available; the message names it.
            IdempotencyKeyReused: the key was used before for other content; nothing was begun.
            OutcomeUnknown: it may have begun; call again with the exception's idempotency_key.
        """
        key = new_key() if idempotency_key is None else idempotency_key
        moved = _move(package_id, user_ids, from_package_id, search, when, usage)
        return self._core.ask(_START, idempotency_key=key, input={**moved, "idempotencyKey": key})

    @operation
    def retrieve(self, *, id: str) -> Steps[SubscriptionChanges]:
        """Return a job, and how far it is.

        Raises:
            BulkChangeNotFound: there is no such job.
        """
        return self._core.ask(_RETRIEVE, id=id)

    @operation
    def results(
        self,
        *,
        id: str,
        outcome: ChangeOutcome | Literal["WAITING", "CHANGED", "REFUSED", "SKIPPED"] | None = None,
        first: int | None = None,
        after: str | None = None,
    ) -> Steps[list[ChangeResult]]:
        """Return what has become of the users of a job, in its order: all, those of an outcome, or ``first`` ones.

        Raises:
            BulkChangeNotFound: there is no such job.
        """

        def ask(size: int, last: str | None) -> Steps[list[ChangeResult]]:
            found = yield from self._core.ask(_RESULTS, id=id, first=size, after=last, outcome=outcome)
            return list(found.results)

        return every_page(ask, first=first, after=after, id_of=by_id)

    @operation
    def take_back(self, *, id: str) -> Steps[SubscriptionChanges]:
        """Begin to move the users of a job back to what they had, in the background; again it changes nothing.

        What they used since then counts on. Changes that are still to come are taken back. Who was changed by somebody
        else since then is skipped, and who was not moved yet will not be.

        Raises:
            BulkChangeNotFound: there is no such job.
            OutcomeUnknown: the answer was lost; it is safe to call again.
        """
        return self._core.ask(_TAKE_BACK, id=id)


def _move(
    package_id: str,
    user_ids: Sequence[str] | None,
    from_package_id: str | None,
    search: str | None,
    when: str,
    usage: str,
) -> dict[str, Any]:
    who = {
        "userIds": None if user_ids is None else list(user_ids),
        "fromPackageId": from_package_id,
        "search": search,
    }
    named = {name: value for name, value in who.items() if value is not None}
    return {"packageId": package_id, "when": when, "usage": usage, **named}
