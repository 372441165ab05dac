"""The catalogues that a process remembers, and the marks that tell whether they are still current."""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

from kana.model.catalog import Catalog
from kana.model.environment import Environment

Mark: TypeAlias = tuple[int, int]
"""The mark of a catalogue: its version, and the number of the change that made it.

After a failed commit another change, perhaps of another process, gets the same version; the random number
distinguishes the two. A plain tuple, because every check compares one.
"""


class Marked(NamedTuple):
    """A catalogue and its mark."""

    mark: Mark
    catalog: Catalog


class Memory:
    """The catalogues of one environment that are likely to be needed next, so that they are not read again.

    These are the newest one; the one before, for transactions that began earlier; and the one that is being
    committed, for reads directly after the commit. If that fails, nobody ever asks for its mark.
    """

    def __init__(self, environment: Environment) -> None:
        self._newest = self._before = self.coming = Marked((-1, -1), Catalog(environment=environment, version=-1))

    def find(self, mark: Mark) -> Catalog | None:
        """Return the catalogue with this mark; None if it is unknown."""
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
        """Return the newest known catalogue older than a version, to which the later changes can be applied."""
        older = (each for each in (self._newest, self._before) if each.catalog.version < version)
        found = max(older, key=lambda each: each.catalog.version, default=None)
        return Catalog(environment=self._newest.catalog.environment, version=-1) if found is None else found.catalog
