"""What templates get: ``page``, the context of one page, and ``frame``, which all pages share."""

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
    """What one template uses as ``page``, all of it and nothing else. A test compares the two.

    A subclass names its template.
    """

    template: ClassVar[str]


class Tone(StrEnum):
    """The tone of a notice: the action was done, is not done yet, or failed."""

    SUCCESS = "success"
    WARNING = "warning"
    DANGER = "danger"


@dataclass(frozen=True, slots=True)
class Notice:
    """The result of a form, shown once on the next page."""

    text: str
    tone: Tone


@dataclass(frozen=True, slots=True, kw_only=True)
class MenuEntry:
    """A link of the top bar. ``here`` says that it leads to the current page."""

    text: str
    url: str
    here: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """What every page shares.

    ``csrf`` goes into each form, in a hidden field of that name. ``elsewhere`` is the path, without an environment, of
    the page to open in another environment.
    """

    colleague: Colleague | None
    environment: Environment
    is_in_environment: bool
    csrf: str
    theme: str | None
    notice: Notice | None
    menu: Sequence[MenuEntry]
    elsewhere: str
    here: str

    def url(self, path: str, **query: object) -> str:
        """Return the address of a page of this environment; values of None or "" are left out."""
        return address(f"/{self.environment}{path}", **query)

    def other_url(self, environment: str) -> str:
        """Return the address of the current page in another environment, or of the list that it belongs to there."""
        return f"/{environment}{self.elsewhere}"

    def may(self, role: str) -> bool:
        """Whether the colleague has at least this role, so that only those who can press a button see it."""
        return self.colleague is not None and self.colleague.role.covers(Role(role))


def address(path: str, **query: object) -> str:
    """Return a path with its query; values that are None, False or empty are left out."""
    given = {name: str(value) for name, value in query.items() if value not in (None, "", False)}
    return f"{path}?{urlencode(given)}" if given else path
