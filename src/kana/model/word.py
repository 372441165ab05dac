"""The base class of enumerations of words."""

from __future__ import annotations

from enum import StrEnum


class Word(StrEnum):
    """A word from a fixed set; in requests and in the database it is its own text.

    It uses the fast hash of its text. ``Enum`` computes the hash in Python code, and the hot path
    looks words up by the thousand.
    """

    __hash__ = str.__hash__
