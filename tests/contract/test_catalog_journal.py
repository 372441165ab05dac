"""A large change of the catalogue takes many transactions, and whoever looks sees the old one or the new one."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from kana.engine.ports.store import Store
from kana.errors import Conflict, Unavailable
from kana.model.catalog import Catalog
from kana.model.package import PackageStatus
from kana.store import catalog_journal, catalogs
from kana.store.catalog_journal import LEFT_BEHIND
from kana.store.catalogs import Catalogs
from kana.store.session import Session
from tests.support.stores import Place
from tests.support.world import MILLISECOND, NOON, TEST, TESTER, World, a_feature, a_package, holds

PACKAGES = 4
LATER = NOON + LEFT_BEHIND + MILLISECOND

Between = Callable[[int], Awaitable[object]]


@pytest.fixture(autouse=True)
def _small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have changes of some rows be large ones."""
    monkeypatch.setattr(catalog_journal, "PAGE_CHARACTERS", 600)


def first(catalog: Catalog) -> Catalog:
    """Make a catalogue, with drafts that are to go."""
    for number in range(PACKAGES):
        catalog = catalog.with_feature(a_feature(f"f{number}"))
        catalog = catalog.with_package(a_package(f"p{number}", holds(f"f{number}")))
        catalog = catalog.with_package(a_package(f"d{number}", status=PackageStatus.DRAFT))
    return catalog


def renamed(catalog: Catalog, word: str = "new") -> Catalog:
    """Change every feature and package, delete the drafts, and make as much again."""
    for number in range(PACKAGES):
        catalog = catalog.with_feature(a_feature(f"f{number}", name=word)).with_feature(a_feature(f"{word}{number}"))
        catalog = catalog.with_package(replace(catalog.package(f"p{number}"), name=word))
        catalog = catalog.with_package(a_package(f"{word} p{number}", holds(f"f{number}")))
        if f"d{number}" in catalog.packages:
            catalog = catalog.without_package(f"d{number}")
    return catalog


TOUCHED = 5 * PACKAGES
"""How many lines of the log ``renamed`` makes, where there are drafts."""


async def change(store: Store, how: Callable[[Catalog], Catalog]) -> Catalog:
    """Change the catalogue."""
    return await store.catalogs.change_catalog(TEST, how, by=TESTER, now=NOON)


def transactions_of(store: Store) -> Any:
    """What the catalogue of a store is written by."""
    return store.catalogs._transactions  # type: ignore[attr-defined]


async def look(store: Store) -> tuple[Catalog, Catalog, int]:
    """What another process sees: one that knows the catalogue, one that reads all of it, and lines of the log."""
    lines = await store.insights.log(TEST, limit=999, before=None, subject_id=None, shared=False)
    anew = await Catalogs(transactions_of(store)).catalog(TEST)
    return await store.catalogs.catalog(TEST), anew, len(lines)


async def left_over(store: Store) -> int:
    """How many changes are on their way, and pages of decided ones."""

    async def count(session: Session) -> int:
        changes = await session.rows("list_catalog_changes", TEST.value, 2**62)
        return len(changes) + len(await session.rows("load_catalog_pages", TEST.value, -1))

    return await transactions_of(store).read(count)  # type: ignore[no-any-return]


def after_each(store: Store, do: Between, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have something done after each transaction that writes the catalogue; it is told how many there were."""
    transactions = transactions_of(store)
    write, count = transactions.write, 0

    async def watched(work: Any) -> Any:
        nonlocal count
        result = await write(work)
        count += 1
        await do(count)
        return result

    monkeypatch.setattr(transactions, "write", watched)


def dies_after(store: Store, steps: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have no transaction write the catalogue after so many."""
    transactions = transactions_of(store)
    write, count = transactions.write, 0

    async def dying(work: Any) -> Any:
        nonlocal count
        count += 1
        if count > steps:
            raise Unavailable("this process is gone")
        return await write(work)

    monkeypatch.setattr(transactions, "write", dying)


async def test_a_large_change_is_seen_whole_or_not_at_all(
    store: Store, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After each of its transactions, whoever knows the catalogue and whoever reads it anew; its log lines too."""
    old, another, seen = await change(store, first), await place.open(), []
    lines = (await look(another))[2]

    async def see(_: int) -> None:
        seen.append(await look(another))

    with monkeypatch.context() as patched:
        after_each(store, see, patched)
        new = await change(store, renamed)

    before = [each for each in seen if each == (old, old, lines)]
    after = [each for each in seen if each == (new, new, lines + TOUCHED)]
    assert seen == before + after
    assert min(len(before), len(after)) > 5
    assert await left_over(another) == 0
    assert await look(another) == (new, new, lines + TOUCHED)
    await another.close()


async def test_without_the_pages_a_mix_is_seen(store: Store, place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: who does not read what was decided and is not merged yet sees parts of the old and of the new."""
    old, another, mixes = await change(store, first), await place.open(), []

    async def nothing(*_: object, **__: object) -> dict[str, list[object]]:
        return {"put_features": [], "put_packages": [], "delete_packages": []}

    async def see(_: int) -> None:
        with monkeypatch.context() as patched:
            patched.setattr(catalogs, "load_decided", nothing)
            mixes.append(await Catalogs(transactions_of(another)).catalog(TEST))

    with monkeypatch.context() as patched:
        after_each(store, see, patched)
        new = await change(store, renamed)

    assert [each for each in mixes if each not in (old, new)]
    await another.close()


async def test_a_process_that_dies_leaves_the_old_one_or_the_new_one(
    store: Store, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After any of the transactions; another finishes what it decided, and forgets the rest ten minutes later."""
    old, another, outcomes, left = await change(store, first), await place.open(), list[bool](), 0
    while left or True not in outcomes:
        lines = (await look(another))[2]
        with monkeypatch.context() as patched:
            dies_after(store, 2 * len(outcomes), patched)
            try:
                new = await change(store, partial(renamed, word=f"word {len(outcomes)}"))
            except Unavailable:
                new = old
        outcomes.append(new != old)
        seen = await look(another)
        assert seen[:2] == (new, new)
        assert (seen[2] > lines) is outcomes[-1]
        left = await left_over(another)
        await another.catalogs.settle(TEST, now=NOON + LEFT_BEHIND)
        assert await left_over(another) == (0 if outcomes[-1] else left)
        await another.catalogs.settle(TEST, now=LATER)
        assert await left_over(another) == 0
        assert await look(another) == seen
        old = new
    assert outcomes == sorted(outcomes)
    assert (outcomes.count(True), outcomes.count(False)) > (1, 3)
    await another.close()


async def dies_when_decided(store: Store, another: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make a large change and end when it is decided, with nothing of it merged."""
    await change(store, first)

    async def note(_: int) -> None:
        if (await another.catalogs.catalog(TEST)).version == 2:
            raise Unavailable("this process is gone")

    with monkeypatch.context() as patched:
        after_each(store, note, patched)
        with pytest.raises(Unavailable):
            await change(store, renamed)
    assert await left_over(another) > 2


async def test_a_change_merges_first_what_was_decided_before(
    store: Store, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A small change of what a large one left to merge comes after it."""
    another = await place.open()
    await dies_when_decided(store, another, monkeypatch)

    newest = await change(another, lambda catalog: catalog.with_feature(a_feature("f0", name="newest")))

    assert await left_over(another) == 0
    assert newest.version == 3
    assert await look(store) == (newest, newest, (await look(another))[2])
    await another.close()


async def test_a_start_finishes_what_was_decided(store: Store, place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody sees a difference."""
    another = await place.open()
    await dies_when_decided(store, another, monkeypatch)
    seen = await look(another)

    await World(another).catalog.settle(TEST)

    assert await left_over(another) == 0
    assert await look(another) == seen
    await another.close()


@pytest.mark.parametrize("at", ["the first page", "the decision"])
async def test_a_change_that_was_given_up_changes_nothing(
    store: Store, place: Place, at: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever takes it for left behind forgets it, and the one that was slow is told."""
    old, another = await change(store, first), await place.open()
    before = await look(another)
    written = catalogs._written(old, renamed, by=TESTER, now=NOON)
    assert written is not None
    when = 1 if at == "the first page" else 1 + len(written.pages)

    async def give_up(number: int) -> None:
        if number == when:
            assert await left_over(another) == 1
            await another.catalogs.settle(TEST, now=LATER)
            assert await left_over(another) == 0

    with monkeypatch.context() as patched:
        after_each(store, give_up, patched)
        with pytest.raises(Conflict, match="took so long"):
            await change(store, renamed)
    assert await look(another) == before == (old, old, before[2])
    assert await left_over(another) == 0
    await another.close()


async def test_large_changes_at_once_are_all_kept(store: Store, place: Place) -> None:
    """Of two processes the one that decides second makes its change again."""
    await change(store, first)
    another = await place.open()

    words = [f"word {number}" for number in range(4)]
    await asyncio.gather(
        *(change(each, partial(renamed, word=word)) for each, word in zip((store, another) * 2, words, strict=True))
    )

    catalog = await store.catalogs.catalog(TEST)
    assert catalog.version == 5
    assert {f"{word}{number}" for word in words for number in range(PACKAGES)} < catalog.features.keys()
    assert await look(another) == (catalog, catalog, (await look(store))[2])
    assert await left_over(another) == 0
    await another.close()
