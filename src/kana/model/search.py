"""Searching users: what those who look after them type, and in which order the answers stand."""

from __future__ import annotations

from datetime import datetime

from kana.model.environment import Environment
from kana.model.user import User
from kana.model.value import value_object
from kana.model.word import Word


class UserOrder(Word):
    """By what a list of users is ordered; of equals the id decides. ``AGE`` runs downwards: the newest first."""

    ID = "id"
    NAME = "name"
    EMAIL = "email"
    AGE = "age"


@value_object(kw_only=True)
class UserSearch:
    """The users of whom id, name or e-mail begins with ``text``, and who hold a package at ``now`` if one is named.

    Letters of the Latin alphabet are compared without their case. At most ``limit`` are answered, in the
    order asked for, from the first that stands behind ``after``.
    """

    environment: Environment
    now: datetime
    text: str = ""
    package_id: str | None = None
    order: UserOrder = UserOrder.ID
    after: User | None = None
    limit: int = 50


def without_case(text: str) -> str:
    """Return text with A to Z in lower case and all else as it is: what every database can do alike."""
    return text.encode().lower().decode()
