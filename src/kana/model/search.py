"""Searching users: what to look for, and in which order to list them."""

from __future__ import annotations

from datetime import datetime

from kana.model.environment import Environment
from kana.model.user import User
from kana.model.value import value_object
from kana.model.word import Word


class UserOrder(Word):
    """How a list of users is sorted; equals are sorted by id. ``AGE`` lists the newest first."""

    ID = "id"
    NAME = "name"
    EMAIL = "email"
    AGE = "age"


@value_object(kw_only=True)
class UserSearch:
    """Users whose id, name or e-mail begins with ``text``, and who have the package at ``now`` if one is named.

    Letters A to Z are compared without case. At most ``limit`` users are returned, in the given order,
    beginning with the first one after ``after``.
    """

    environment: Environment
    now: datetime
    text: str = ""
    package_id: str | None = None
    order: UserOrder = UserOrder.ID
    after: User | None = None
    limit: int = 50


def without_case(text: str) -> str:
    """Return text with A to Z in lower case and everything else unchanged, as every database can do."""
    return text.encode().lower().decode()
