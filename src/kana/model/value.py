"""What a value object is: a class whose fields are set once, which mypy watches over and Python does not.

Python's own frozen dataclasses guard each field at run time, and making one costs two to three times as much,
several of which are made for every usage. Nothing but our own typed code ever holds a value object, so the guard
that ``make check`` is does the same at no cost. ``replace`` of the standard library takes them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import TypeVar, dataclass_transform

__all__ = ["value_object"]

_T = TypeVar("_T")


@dataclass_transform(frozen_default=True, field_specifiers=(dataclasses.field,))
def value_object(*, kw_only: bool = False, eq: bool = True) -> Callable[[type[_T]], type[_T]]:
    """Make a class of value objects: with slots, and with a hash of their fields where they compare by them."""
    return dataclasses.dataclass(slots=True, kw_only=kw_only, eq=eq, unsafe_hash=eq)
