"""What templates are given: ``page``, a context of the page's own, and ``frame``, what all pages have around them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar
from urllib.parse import urlencode

from kana.model.colleague import Colleague, Role
from kana.model.environment import Environment


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What one template uses, as ``page``: all of it, and nothing that it does not use. A test compares the two.

    A subclass names its template.
    """

    template: ClassVar[str]


class Tone(StrEnum):
    """How a notice is told: what was asked for is done, is not done yet, or failed."""

    SUCCESS = "success"
    WARNING = "warning"
    DANGER = "danger"


@dataclass(frozen=True, slots=True)
class Notice:
    """A sentence shown once on the next page: what came of a form."""

    text: str
    tone: Tone


@dataclass(frozen=True, slots=True, kw_only=True)
class MenuEntry:
    """A link of the top bar. ``here`` says that the page shown is behind it."""

    text: str
    url: str
    here: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """What every page has around it. ``csrf`` goes into each form, in a hidden field of that name."""

    colleague: Colleague | None
    environment: Environment
    is_in_environment: bool
    csrf: str
    theme: str | None
    notice: Notice | None
    menu: Sequence[MenuEntry]
    path: str
    here: str

    def url(self, path: str, **query: object) -> str:
        """Return the address of a page of this environment; a query of None or "" is left out."""
        return address(f"/{self.environment}{path}", **query)

    def other_url(self, environment: str) -> str:
        """Return the address of the page shown in another environment; of its list where it shows one thing."""
        return f"/{environment}{self.path if self.is_in_environment else '/packages'}"

    def may(self, role: str) -> bool:
        """Whether the colleague has at least this role, so that a button is shown only to who may press it."""
        return self.colleague is not None and self.colleague.role.covers(Role(role))


def address(path: str, **query: object) -> str:
    """Return a path with its query; what is None, False or empty is left out."""
    given = {name: str(value) for name, value in query.items() if value not in (None, "", False)}
    return f"{path}?{urlencode(given)}" if given else path
