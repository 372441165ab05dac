"""The catalogues that a process remembers, and by what it knows that they still hold."""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

from kana.model.catalog import Catalog
from kana.model.environment import Environment

Mark: TypeAlias = tuple[int, int]
"""Which catalogue is the newest one: its version, and the number of the change that made it.

A commit that failed leaves its version to another change, of another process maybe; the number, drawn at random,
tells the two apart. A plain tuple, as every check compares one.
"""


class Marked(NamedTuple):
    """A catalogue and its mark."""

    mark: Mark
    catalog: Catalog


class Memory:
    """The catalogues of one environment that are asked for next, so that none of them is read again.

    The newest one; the one before, for transactions that began earlier; and the one whose commit is on its way:
    whoever reads as soon as that is done finds it here. If it fails, nobody ever asks for its mark.
    """

    def __init__(self, environment: Environment) -> None:
        self._newest = self._before = self.coming = Marked((-1, -1), Catalog(environment=environment, version=-1))

    def find(self, mark: Mark) -> Catalog | None:
        """Return the catalogue of this mark, None where it is not known."""
        newest, before, coming = self._newest, self._before, self.coming
        if newest.mark == mark:
            return newest.catalog
        if coming.mark == mark:
            self.learn(coming)
            return coming.catalog
        return before.catalog if before.mark == mark else None

    def learn(self, read: Marked) -> None:
        """Keep a catalogue that was committed."""
        if read.mark > self._newest.mark:
            self._before, self._newest = self._newest, read
        else:
            self._before = read

    def base(self, version: int) -> Catalog:
        """Return the newest catalogue older than a version; what was changed since then makes that one of it."""
        older = (each for each in (self._newest, self._before) if each.catalog.version < version)
        found = max(older, key=lambda each: each.catalog.version, default=None)
        return Catalog(environment=self._newest.catalog.environment, version=-1) if found is None else found.catalog
