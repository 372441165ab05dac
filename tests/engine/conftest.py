"""A store of each kind, and the engines over it."""

from __future__ import annotations

from tests.support.stores import place, store, world

__all__ = ["place", "store", "world"]
