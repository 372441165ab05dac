"""The log tells what somebody gave."""

from __future__ import annotations

import json

from kana.store import log
from tests.support.world import a_feature


def test_what_a_value_works_out_is_not_told() -> None:
    """A feature's line holds the fields that were given, and not what follows from its type."""
    told = json.loads(log.described(a_feature()) or "")
    assert list(told) == ["id", "name", "type", "unit_label", "unit_label_plural", "metadata", "created_at"]
