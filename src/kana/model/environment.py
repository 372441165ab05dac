"""The two environments of a workspace, who acts in them, and where a user's data is stored."""

from __future__ import annotations

import zlib

from kana.model.value import value_object
from kana.model.word import Word

BUCKETS = 1024
"""How many buckets users are spread over. It can never change: the bucket is part of every primary key."""


class Environment(Word):
    """The two environments of a workspace. A key belongs to one of them; nothing crosses."""

    TEST = "test"
    LIVE = "live"


@value_object(kw_only=True)
class Actor:
    """Who made an administrative change, as shown in the audit log.

    ``kind`` is one of "key", "person", "cli", "segment", "server"; ``name`` a masked key, an e-mail, an operating
    system user, or a part of the server that acts by itself.
    """

    kind: str
    name: str


def bucket_of(environment: Environment, user_id: str) -> int:
    """Return the bucket of a user created with this id: 0 to 1023, the same in every process and release."""
    return zlib.crc32(f"{environment}/{user_id}".encode()) % BUCKETS
