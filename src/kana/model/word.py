"""Enumerations of words."""

from __future__ import annotations

from enum import StrEnum


class Word(StrEnum):
    """A word out of a fixed set, which is its own text on the wire and in a row.

    It hashes as its text does. ``Enum`` would do so in Python code, and the hot path looks
    words up by the thousand.
    """

    __hash__ = str.__hash__
