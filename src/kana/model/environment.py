"""The two environments of a workspace, who acts in them, and where a user's data lives."""

from __future__ import annotations

import zlib

from kana.model.value import value_object
from kana.model.word import Word

BUCKETS = 1024
"""How many buckets users are spread over. Fixed for ever: it is part of every user's primary key."""


class Environment(Word):
    """A workspace's two worlds. A key belongs to one; nothing crosses."""

    TEST = "test"
    LIVE = "live"


@value_object(kw_only=True)
class Actor:
    """Who makes an administrative change, as the audit log names them.

    ``kind`` is one of "key", "person", "cli", "segment"; ``name`` a masked key, an e-mail or a user of the machine.
    """

    kind: str
    name: str


def bucket_of(environment: Environment, user_id: str) -> int:
    """Return the bucket of a user created with this id: 0 to 1023, the same in every process and release."""
    return zlib.crc32(f"{environment}/{user_id}".encode()) % BUCKETS
