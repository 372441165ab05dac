"""The decorator for value objects: classes whose fields are set once, which mypy checks and Python does not.

Python's frozen dataclasses check each assignment at run time, which makes creating one two to three times as
expensive, and several are created for every usage. Only our own typed code handles value objects, so ``make check``
gives the same protection at no cost. The standard library's ``replace`` works with them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import TypeVar, dataclass_transform

__all__ = ["value_object"]

_T = TypeVar("_T")


@dataclass_transform(frozen_default=True, field_specifiers=(dataclasses.field,))
def value_object(*, kw_only: bool = False, eq: bool = True) -> Callable[[type[_T]], type[_T]]:
    """Make a class of value objects: with slots, and if they compare by their fields, with a hash of them."""
    return dataclasses.dataclass(slots=True, kw_only=kw_only, eq=eq, unsafe_hash=eq)
