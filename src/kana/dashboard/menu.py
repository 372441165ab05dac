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


def menu_of(colleague: Colleague, environment: Environment, path: str) -> Sequence[MenuEntry]:
    """Return the links that a colleague has the role for."""
    return [
        MenuEntry(
            text=entry.text,
            url=f"/{environment}{entry.path}" if entry.in_environment else entry.path,
            here=path == entry.path or any(path == each or path.startswith(f"{each}/") for each in entry.belongs),
        )
        for entry in ENTRIES
        if colleague.role.covers(entry.needs)
    ]
