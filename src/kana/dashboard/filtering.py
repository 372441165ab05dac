"""Filters: what is wrong with one is said beside its field, and the form stays."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TypeVar

from kana.dashboard.forms import Errors
from kana.errors import BadInput, FeatureNotFound, InvalidValue, PackageNotFound, UserNotFound

_FIELDS = {"from", "to", "step", "feature", "package", "user", "outcome"}
_NAMED_BY: Mapping[type[BadInput], str] = {FeatureNotFound: "feature", PackageNotFound: "package", UserNotFound: "user"}

_Found = TypeVar("_Found")


async def found(errors: Errors, read: Callable[[], Awaitable[_Found]], *, otherwise: _Found) -> _Found:
    """Return what is read; ``otherwise``, if the filter is wrong already or turns out to be, which ``errors`` then say.

    Raises:
        BadInput: something else is wrong, which no field of a filter is about.
    """
    if errors:
        return otherwise
    try:
        return await read()
    except BadInput as error:
        note(error, errors)
        return otherwise


def note(error: BadInput, errors: Errors) -> None:
    """Add an error to those of the field that it is about.

    Raises:
        BadInput: the error itself, if it is about no field of a filter.
    """
    name = error.field if isinstance(error, InvalidValue) else _NAMED_BY.get(type(error))
    if name not in _FIELDS:
        raise error
    errors.add(name, error.message)
