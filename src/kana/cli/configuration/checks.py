"""The checks that Kana's command line makes before it calls the server, in its order and its words.

Source: github.com/usekana/cli 0.1.0. Ours also names the place, checks add-ons, and refuses a negative
limit, as the message always said.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, NamedTuple

from kana.cli.configuration.reader import Document, at
from kana.errors import InvalidValue
from kana.model.config import Config, UnknownField, looks_whole, read_config
from kana.model.period import ResetPeriod
from kana.model.text import whole_number


class _Item(NamedTuple):
    """A mapping in the file, and its path."""

    path: str
    fields: dict[str, Any]

    @property
    def held(self) -> list[_Item]:
        return _items(self.fields.get("features"), f"{self.path}.features")


@dataclass(frozen=True, slots=True)
class _Setup:
    """The well-formed parts of the file. The rest is left out here and refused afterwards."""

    features: list[_Item]
    packages: list[_Item]
    addons: list[_Item]

    @property
    def all_packages(self) -> list[_Item]:
        return [*self.packages, *self.addons]


class _Check(NamedTuple):
    find: Callable[[_Setup], str | None]
    failure: str
    success: str


class ConfigInvalid(InvalidValue):
    """The file is not a valid configuration; the message says where."""


def check(document: Document, passed: Callable[[str], None]) -> Config:
    """Return the configuration in a file that passes all checks; ``passed`` is called for each of Kana's.

    Raises:
        ConfigInvalid: a check fails.
    """
    _refuse_unknown_fields(document)
    root = document.value if isinstance(document.value, dict) else {}
    setup = _Setup(
        features=_items(root.get("features"), "features"),
        packages=_of_both(root.get("packages"), "packages"),
        addons=_of_both(root.get("addons"), "addons"),
    )
    for find, failure, success in _CHECKS:
        path = find(setup)
        if path is not None:
            raise ConfigInvalid(at(document.position(path), failure), field=path)
        passed(success)
    try:
        return read_config(document.value)
    except InvalidValue as error:
        raise _placed(error, document) from None


def _refuse_unknown_fields(document: Document) -> None:
    """Report a misspelt field first: other checks would only report that a field is missing."""
    try:
        read_config(document.value)
    except UnknownField as error:
        raise _placed(error, document) from None
    except InvalidValue:
        pass  # Kana's own checks come first; what they miss is refused after them.


def _placed(error: InvalidValue, document: Document) -> ConfigInvalid:
    return ConfigInvalid(at(document.position(error.field), error.message), field=error.field)


def _of_both(value: object, path: str) -> list[_Item]:
    lists = value if isinstance(value, dict) else {}
    return [item for name in ("draft", "published") for item in _items(lists.get(name), f"{path}.{name}")]


def _items(value: object, path: str) -> list[_Item]:
    found = enumerate(value) if isinstance(value, list) else ()
    return [_Item(f"{path}[{number}]", fields) for number, fields in found if isinstance(fields, dict)]


def _no_features(setup: _Setup) -> str | None:
    return None if setup.features else "features"


def _no_packages(setup: _Setup) -> str | None:
    return None if setup.packages else "packages"


def _repeated(items: list[_Item]) -> str | None:
    seen: set[str] = set()
    for item in items:
        identifier = str(item.fields.get("id"))
        if identifier in seen:
            return f"{item.path}.id"
        seen.add(identifier)
    return None


def _without_features(setup: _Setup) -> str | None:
    return next((package.path for package in setup.all_packages if not package.held), None)


def _without_limit(setup: _Setup) -> str | None:
    consumable = {str(item.fields.get("id")) for item in setup.features if item.fields.get("type") == "CONSUMABLE"}
    return next(
        (
            f"{held.path}.limit"
            for held in _held(setup)
            if str(held.fields.get("id")) in consumable and not _is_limit(held.fields.get("limit", -1))
        ),
        None,
    )


def _is_limit(value: object) -> bool:
    if value is None or looks_whole(value):
        return True  # A text is refused afterwards, with a message about the quotes.
    with suppress(InvalidValue):
        return whole_number(value, field="limit") >= 0
    return type(value) is int and value > 0  # Too large, which is refused afterwards.


def _unknown_reset(setup: _Setup) -> str | None:
    allowed = [None, *ResetPeriod]
    return next(
        (f"{held.path}.reset_period" for held in _held(setup) if held.fields.get("reset_period") not in allowed), None
    )


def _held(setup: _Setup) -> Iterator[_Item]:
    return (held for package in setup.all_packages for held in package.held)


_SHORTEST_FIRST = [f'"{reset}"' for reset in reversed(ResetPeriod)]
_RESETS = f"{', '.join(_SHORTEST_FIRST[:-1])}, or {_SHORTEST_FIRST[-1]}"

_CHECKS = (
    _Check(_no_features, "your setup must contain at least one feature!", "Config contains at least one feature."),
    _Check(
        lambda setup: _repeated(setup.features),
        "duplicate feature IDs are not allowed!",
        "All feature IDs are unique.",
    ),
    _Check(_no_packages, "your setup must contain at least one package!", "Config contains at least one package."),
    _Check(
        lambda setup: _repeated(setup.all_packages),
        "all package IDs must be unique!",
        "All package IDs are unique",
    ),
    _Check(
        _without_features,
        "all packages must link to at least one feature!",
        "All packages contain at least one feature",
    ),
    _Check(
        _without_limit,
        'all package features of "CONSUMABLE" type must be defined with null or a positive numeric value',
        "All package features link to an existing feature.",
    ),
    _Check(
        _unknown_reset,
        f"package feature reset periods must be {_RESETS}!",
        "All packages feature reset periods are valid",
    ),
)
