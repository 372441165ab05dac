"""What a value is: a dataclass whose fields are set once, which mypy watches over and Python does not.

Python's own frozen dataclasses guard each field at run time, and making one costs two to three times as much,
several of which are made for every usage. Nothing but our own typed code ever holds a value, so the guard
that ``make check`` is says the same at no cost. The words are the standard library's, so that mypy,
``replace`` and a reader take it for what it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__all__ = ["dataclass"]

if TYPE_CHECKING:
    from dataclasses import dataclass
else:
    import dataclasses

    def dataclass(*, frozen: bool, slots: bool, kw_only: bool = False, eq: bool = True) -> Any:
        """Make a class of values: with slots, and with a hash of their fields where they compare by them."""
        if not (frozen and slots):
            raise TypeError("a value is frozen and has slots; use the standard library's dataclass for what is not")
        return dataclasses.dataclass(slots=True, kw_only=kw_only, eq=eq, unsafe_hash=eq)
