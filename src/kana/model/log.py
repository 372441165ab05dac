"""The administrative log: who changed what, with the values before and after."""

from __future__ import annotations

from datetime import datetime

from kana.model.environment import Actor, Environment
from kana.model.value import value_object

NOT_USERS = frozenset({
    "colleague", "feature", "invitation", "key", "mapping rule", "package", "settings", "signing secret", "users",
    "webhook endpoint", "webhook secret", "workspace",
})  # fmt: skip
"""The kinds of subjects whose ids are not those of users. What a line of another kind is about is a user."""


@value_object(kw_only=True)
class LogLine:
    """One change, of an environment or of the workspace.

    ``before`` and ``after`` are the values as JSON; None if there was nothing.
    ``subject_kind`` is "feature", "package", "key", "settings", "signing secret", "webhook endpoint", "webhook secret",
    "user", "subscription" (whose id is the user's), "users" (a file of them) or "user tokens"; ``action`` "created",
    "updated", "deleted", "revoked", "imported" or "merged". What a product does to its users by the API is not an
    administrative change and not in the log. Ids grow with time.
    """

    id: int
    environment: Environment | None
    at: datetime
    actor: Actor
    action: str
    subject_kind: str
    subject_id: str
    before: object
    after: object
