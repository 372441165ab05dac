"""The links of the top bar."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from kana.dashboard.context import MenuEntry
from kana.model.colleague import Colleague, Role
from kana.model.environment import Environment


@dataclass(frozen=True, slots=True)
class Entry:
    """A link: its label, its address below the environment, and the other addresses that belong to it."""

    text: str
    path: str
    belongs: tuple[str, ...] = ()
    needs: Role = Role.VIEWER
    in_environment: bool = True


ENTRIES: tuple[Entry, ...] = (
    Entry("Packages", "/packages", ("/package",)),
    Entry("Features", "/features", ("/feature",)),
    Entry("Subscribers", "/subscribers", ("/subscribers", "/user", "/users")),
    Entry("Insights", "/insights", ("/insights",)),
    Entry("Integrations", "/integrations", ("/integrations",)),
    Entry("Developer", "/developer", ("/developer", "/console", "/log")),
    Entry("Colleagues", "/people", ("/people",), needs=Role.OWNER, in_environment=False),
)


def list_of(path: str) -> str:
    """Return the page of the menu that a path belongs to; the packages, if it belongs to none of an environment."""
    return next((entry.path for entry in ENTRIES if entry.in_environment and _is_below(entry, path)), ENTRIES[0].path)


def menu_of(colleague: Colleague, environment: Environment, path: str) -> Sequence[MenuEntry]:
    """Return the links that a colleague has the role for."""
    return [
        MenuEntry(
            text=entry.text,
            url=f"/{environment}{entry.path}" if entry.in_environment else entry.path,
            here=_is_below(entry, path),
        )
        for entry in ENTRIES
        if colleague.role.covers(entry.needs)
    ]


def _is_below(entry: Entry, path: str) -> bool:
    return path == entry.path or any(path == each or path.startswith(f"{each}/") for each in entry.belongs)
