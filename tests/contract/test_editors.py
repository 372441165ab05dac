"""Two who edit one package at once: one of them is told, and nothing is lost."""

from __future__ import annotations

import asyncio

import pytest

from kana.engine.catalog.catalog import PackageChanges
from kana.engine.ports.store import Store
from kana.errors import Conflict
from tests.support.stores import Place
from tests.support.world import TEST, TESTER, World, a_package


async def both_rename(store: Store, place: Place, *, seen: bool) -> list[str | Conflict]:
    """Two processes rename a package to "Ada's" and "Bob's" at once, in the same millisecond; what each is answered."""
    another = await place.open()
    worlds = (World(store), World(another))
    await worlds[0].furnish(a_package("basic"))
    fingerprints = [(await world.catalog.read(TEST)).package("basic").fingerprint for world in worlds]

    async def rename(world: World, fingerprint: str, name: str) -> str | Conflict:
        known = fingerprint if seen else None
        changes = PackageChanges(name=name)
        try:
            renamed = await world.catalog.update_package(
                TEST, "basic", changes, confirm_impact=True, seen=known, by=TESTER
            )
        except Conflict as error:
            return error
        return renamed.name

    answers = await asyncio.gather(*map(rename, worlds, fingerprints, ("Ada's", "Bob's")))
    await another.close()
    return answers


async def test_of_two_editors_at_once_one_is_told(store: Store, place: Place) -> None:
    """The check is in the change itself: whoever comes second changes nothing, and the first one's name stands."""
    answers = await both_rename(store, place, seen=True)

    [told] = [answer for answer in answers if isinstance(answer, Conflict)]
    [name] = [answer for answer in answers if isinstance(answer, str)]
    assert told.message.startswith("Nothing was saved: somebody changed this package in the meantime.")
    catalog = await store.catalogs.catalog(TEST)
    assert (catalog.package("basic").name, catalog.version) == (name, 2)
    lines = await store.insights.log(TEST, limit=9, before=None, subject_id="basic", shared=False)
    assert [line.action for line in lines] == ["updated", "created"]


async def test_without_what_they_saw_one_is_lost(store: Store, place: Place) -> None:
    """The control: two who do not say what they saw are both answered, and one of the names is nowhere."""
    assert await both_rename(store, place, seen=False) == ["Ada's", "Bob's"]
    catalog = await store.catalogs.catalog(TEST)
    assert (catalog.package("basic").name in ("Ada's", "Bob's"), catalog.version) == (True, 3)


@pytest.mark.parametrize("there_and_back", [False, True])
async def test_a_fingerprint_is_of_one_package_at_one_state(world: World, there_and_back: bool) -> None:
    """Changes of other packages leave it; changed and changed back is another state, as it was changed later."""
    await world.furnish(a_package("basic"))
    seen = (await world.catalog.read(TEST)).package("basic").fingerprint
    await world.furnish(a_package("other"))
    assert (await world.catalog.read(TEST)).package("basic").fingerprint == seen
    if there_and_back:
        world.clock.advance(seconds=1)
        for metadata in ({"a": 1}, {}):
            await world.catalog.update_package(TEST, "basic", {"metadata": metadata}, by=TESTER)
    assert ((await world.catalog.read(TEST)).package("basic").fingerprint == seen) is not there_and_back
