"""A user: a person who uses the customer's product."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from kana.model.environment import Environment
from kana.model.text import identifier, metadata, optional_identifier
from kana.model.value import value_object
from kana.model.zone import zone_named


class UserRef(NamedTuple):
    """What a decision needs to know about a user: who they are, and where their data is stored.

    ``led_to`` are the buckets and keys of the users to whom this id led before they were merged, the first one first.
    """

    environment: Environment
    bucket: int
    key: int
    id: str
    led_to: tuple[tuple[int, int], ...] = ()

    @property
    def places(self) -> tuple[tuple[int, int], ...]:
        """The buckets and keys under which calls with this id may have had an idempotency key, the first one first."""
        return (*self.led_to, (self.bucket, self.key))


@value_object(kw_only=True)
class User:
    """A person using the customer's product.

    The customer chooses ``id`` and may change it. ``key`` is Kana's and never changes: subscriptions
    and usage refer to it, and ``bucket`` says where they are stored. ``token_version`` counts how often
    their tokens were revoked: a token is valid while it has the present version. ``time_zone`` is the IANA name of the
    zone that a calendar of theirs follows; None is that of the environment.

    Raises:
        InvalidValue: a field is not allowed; the message names it.

    Source: docs.usekana.com/reference, objects "User".
    """

    environment: Environment
    bucket: int
    key: int
    id: str
    billing_id: str | None = None
    name: str | None = None
    email: str | None = None
    metadata: object = None
    created_at: datetime
    token_version: int = 0
    time_zone: str | None = None

    def __post_init__(self) -> None:
        identifier(self.id, field="id")
        optional_identifier(self.billing_id, field="billingId")
        optional_identifier(self.name, field="name")
        optional_identifier(self.email, field="email")
        metadata(self.metadata)
        if self.time_zone is not None:
            zone_named(self.time_zone)
