from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from kana.sdk.conversation import Steps
from kana.sdk.operation import D, Group, operation
from kana.sdk.pages import by_id, every_page
from kana.sdk.results import DeletedUser, Entry, GeneratedUserToken, Outcome, User, UserExport
from kana.sdk.wire import UNSET, Unset, given, moment, mutation, query

CREATE: Final = mutation("createUser(input: CreateUserInput!)", User)
UPDATE: Final = mutation("updateUser(id: String!, input: UpdateUserInput!)", User)
RETRIEVE: Final = query("user(id: String!)", User)
LIST: Final = query("users(first: Int, after: String)", list[User])
GENERATE_TOKEN: Final = mutation("generateUserToken(userId: String!)", GeneratedUserToken)
ENTRIES: Final = query(
    "entries(userId: String!, featureId: String, from: DateTime, to: DateTime, outcome: Outcome,"
    " first: Int, after: String)",
    list[Entry],
)
ENTRY: Final = query("entry(userId: String!, id: String!)", Entry)
REVOKE_TOKENS: Final = mutation("revokeUserTokens(userId: String!)", User)
EXPORT: Final = query("exportUser(userId: String!, first: Int, after: String)", UserExport)
MERGE: Final = mutation("mergeUsers(from: String!, into: String!)", User)
DELETE: Final = mutation("deleteUser(userId: String!)", DeletedUser)


EXPORT_PAGE: Final = 200
"""How many records are requested at a time."""


class Users(Group[D]):
    """The people who use the customer's product."""

    @operation
    def create(
        self,
        *,
        id: str,
        billing_id: str | None = None,
        name: str | None = None,
        email: str | None = None,
        time_zone: str | None = None,
        metadata: Any = None,
    ) -> Steps[User]:
        """Create a user. ``billing_id`` is the billing provider's id of the customer.

        ``time_zone`` is the IANA name of the zone of their calendar; None is that of the environment.

        Raises:
            Conflict: the id is taken.
            OutcomeUnknown: the answer was lost; check before you create them again.
        """
        fields = {"id": id, "billingId": billing_id, "name": name, "email": email, "metadata": metadata}
        fields["timeZone"] = time_zone
        return self._core.ask(CREATE, input={key: value for key, value in fields.items() if value is not None})

    @operation
    def update(
        self,
        *,
        id: str,
        new_id: str | Unset = UNSET,
        name: str | Unset | None = UNSET,
        metadata: Any = UNSET,
        time_zone: str | Unset | None = UNSET,
    ) -> Steps[User]:
        """Change a user. Omitted fields stay the same, None clears a field; subscriptions and usage follow a new id.

        Raises:
            UserNotFound: there is no such user.
            Conflict: the new id is taken.
        """
        changes = given(id=new_id, name=name, metadata=metadata, timeZone=time_zone)
        return self._core.ask(UPDATE, id=id, input=changes)

    @operation
    def retrieve(self, *, id: str) -> Steps[User]:
        """Return one user.

        Raises:
            UserNotFound: there is no such user.
        """
        return self._core.ask(RETRIEVE, id=id)

    @operation
    def entries(
        self,
        *,
        user_id: str,
        feature_id: str | None = None,
        start: datetime | None = None,
        end: datetime | None = None,
        outcome: Outcome | str | None = None,
        first: int | None = None,
        after: str | None = None,
    ) -> Steps[list[Entry]]:
        """Return a user's ledger, refusals included, newest first: all of it, or the ``first`` ones ``after`` an id.

        Only entries of a feature and with an outcome, if they are named, that happened in ``[start, end)``. A page
        has at most 1,000; a list that is shorter than ``first`` is the last one.

        Raises:
            UserNotFound, FeatureNotFound: there is no such user or feature.
            InvalidValue: a value is not allowed, or of 100,000 entries too few match; the message says how to go on.
        """
        wanted: dict[str, Any] = {
            "userId": user_id,
            "featureId": feature_id,
            "from": None if start is None else moment(start, "start"),
            "to": None if end is None else moment(end, "end"),
            "outcome": outcome,
        }
        return every_page(
            lambda size, last: self._core.ask(ENTRIES, **wanted, first=size, after=last),
            first=first,
            after=after,
            id_of=by_id,
        )

    @operation
    def entry(self, *, user_id: str, id: str) -> Steps[Entry]:
        """Return one entry of a user's ledger.

        Raises:
            UserNotFound, EntryNotFound: there is no such user or entry.
        """
        return self._core.ask(ENTRY, userId=user_id, id=id)

    @operation
    def list(self, *, first: int | None = None, after: str | None = None) -> Steps[list[User]]:
        """Return all users in the order of their ids, or only the ``first`` ones ``after`` an id."""
        return every_page(
            lambda size, last: self._core.ask(LIST, first=size, after=last), first=first, after=after, id_of=by_id
        )

    @operation
    def generate_token(self, *, user_id: str) -> Steps[GeneratedUserToken]:
        """Return a token that gives this user's browser access to the Client API for 30 days.

        Raises:
            UserNotFound: there is no such user.
        """
        return self._core.ask(GENERATE_TOKEN, userId=user_id)

    @operation
    def revoke_tokens(self, *, user_id: str) -> Steps[User]:
        """Revoke all existing tokens of this user at once; new ones work as before.

        Raises:
            UserNotFound: there is no such user.
            OutcomeUnknown: the answer was lost; it is safe to call again.
        """
        return self._core.ask(REVOKE_TOKENS, userId=user_id)

    @operation
    def export(self, *, user_id: str) -> Steps[Sequence[dict[str, Any]]]:
        """Return all that is kept of one user, as records of JSON. The ``kind`` of each says what it is.

        Pages are requested one after the other; what is added in the meantime may be left out.

        Raises:
            UserNotFound: there is no such user, or they were deleted meanwhile.
        """
        records: Sequence[dict[str, Any]] = ()
        after: str | None = None
        while True:
            page = yield from self._core.ask(EXPORT, userId=user_id, first=EXPORT_PAGE, after=after)
            records = [*records, *page.records]
            after = page.end_cursor
            if after is None:
                return records

    @operation
    def merge(self, *, source: str, into: str) -> Steps[User]:
        """Merge the user ``source`` into the user ``into``, and return the latter; it cannot be undone.

        The id ``source`` leads to the other user from then on, whose counters include what both used in the current
        periods of features that both have.

        Raises:
            UserNotFound: there is no such user.
            Conflict: both are the same user, or ``source`` was merged before.
            OutcomeUnknown: the answer was lost; call again, and Conflict means that they were merged.
        """
        users: dict[str, Any] = {"from": source, "into": into}
        return self._core.ask(MERGE, **users)

    @operation
    def delete(self, *, user_id: str) -> Steps[DeletedUser]:
        """Delete a user with everything that says who they are; what they used stays in every sum.

        It cannot be undone. Their id can be used for somebody else once ``is_cleared``.

        Raises:
            UserNotFound: there is no such user.
            OutcomeUnknown: the answer was lost; call again, and UserNotFound means that the user was deleted.
        """
        return self._core.ask(DELETE, userId=user_id)
