"""Of each environment the catalogues are remembered that are asked for next."""

from __future__ import annotations

from kana.model.catalog import Catalog
from kana.store.catalog_memory import Marked, Memory
from tests.support.world import TEST


def marked(version: int, change: int = 0) -> Marked:
    """A catalogue at a version."""
    return Marked((version, change), Catalog(environment=TEST, version=version))


def test_the_newest_two_are_remembered() -> None:
    """A transaction that began before the last change finds its catalogue too; an older one does not."""
    memory = Memory(TEST)
    for version in (1, 2, 3):
        memory.learn(marked(version))

    found = [memory.find((version, 0)) for version in (1, 2, 3)]
    assert [each and each.version for each in found] == [None, 2, 3]
    assert [memory.base(version).version for version in (2, 3, 4, 9)] == [-1, 2, 3, 3]


def test_an_older_one_that_was_read_again_never_becomes_the_newest() -> None:
    """It is found, in the place of the one before."""
    memory = Memory(TEST)
    for version in (3, 4, 1):
        memory.learn(marked(version))

    found = [memory.find((version, 0)) for version in (1, 3, 4)]
    assert [each and each.version for each in found] == [1, None, 4]
    assert memory.base(9).version == 4


def test_what_is_on_its_way_is_found_by_its_own_mark_alone() -> None:
    """If its commit failed, another change makes the version, and nothing is built on the one that failed."""
    memory = Memory(TEST)
    memory.learn(marked(1))
    memory.coming = marked(2, change=7)

    assert memory.find((2, 8)) is None
    assert memory.base(3).version == 1
    assert memory.find((2, 7)) is memory.coming.catalog
    assert memory.base(3).version == 2
