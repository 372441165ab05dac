"""Headers from outside do not stay in memory."""

from __future__ import annotations

import sys
from collections.abc import Callable

import pytest

from kana.api.graphql.negotiation import KEPT_BYTES_MAX, is_json, preferred


@pytest.mark.parametrize("read", [is_json, preferred])
def test_no_long_header_is_remembered(read: Callable[[bytes | None], object]) -> None:
    """A short one is held by what remembers it, which is the control; one that is longer by a byte by nobody."""
    held = {}
    for length in (KEPT_BYTES_MAX, KEPT_BYTES_MAX + 1):
        header = b"application/json;".ljust(length)
        before = sys.getrefcount(header)
        assert read(header) == read(b"application/json")
        held[length] = sys.getrefcount(header) - before
    assert held == {KEPT_BYTES_MAX: 1, KEPT_BYTES_MAX + 1: 0}
