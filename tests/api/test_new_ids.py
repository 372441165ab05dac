"""Ids with a blank at an end: nothing new is called so on any face, and what is called so already is found."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from kana.model.environment import Environment
from kana.model.key import KeyKind
from kana.model.text import identifier
from tests.support.serving import Served
from tests.support.stores import SqlitePlace
from tests.support.world import TEST, TESTER

BLANKS = [" ", "\u00a0", "\u200b"]
WORDS = "must not begin or end with a space"
BASIC: dict[str, Any] = {"name": "n", "type": "CONSUMABLE"}


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    """A server of this test's own, with something of each noun."""
    with Served(SqlitePlace(tmp_path / "kana.db")) as served:
        served.ask('mutation { createFeature(input: {id: "message", name: "m", type: CONSUMABLE}) { id } }')
        served.ask('mutation { createPackage(input: {id: "basic", name: "b", features: []}) { id } }')
        served.ask('mutation { createUser(input: {id: "ada"}) { id } }')
        yield served


def mutation(text: str) -> Callable[[Served, str], str]:
    """What the Admin API says when something is to be called so."""

    def run(served: Served, new_id: str) -> str:
        return str(served.error(f"mutation($id: String!) {{ {text} }}", {"id": new_id})["message"])

    return run


def publish(**lists: Any) -> Callable[[Served, str], str]:
    """What publishing a file says that names something so."""

    def run(served: Served, new_id: str) -> str:
        named = {name: [{**item, "id": new_id} for item in items] for name, items in lists.items()}
        packages = {"draft": named.pop("packages", []), "published": []}
        config = {"features": [], "packages": packages, **named}
        key = served.keys[Environment.TEST][KeyKind.PRIVATE]
        return served.http.post("/cli/publish", json=config, headers={"Authorization": key}).text

    return run


FACES: dict[str, Callable[[Served, str], str]] = {
    "createUser": mutation("createUser(input: {id: $id}) { id }"),
    "updateUser": mutation('updateUser(id: "ada", input: {id: $id}) { id }'),
    "createFeature": mutation('createFeature(input: {id: $id, name: "n", type: BINARY}) { id }'),
    "createPackage": mutation('createPackage(input: {id: $id, name: "n", features: []}) { id }'),
    "duplicatePackage": mutation('duplicatePackage(id: "basic", newId: $id) { id }'),
    "a feature of a file": publish(features=[BASIC]),
    "a package of a file": publish(packages=[{"name": "n", "features": []}]),
}


@pytest.mark.parametrize("face", FACES)
def test_nothing_new_is_called_so(served: Served, face: str) -> None:
    """The error says which field and why, and nothing is there afterwards."""
    before = served.run(served.engine.catalog.read(TEST))
    for blank in BLANKS:
        for new_id in (blank, f"x{blank}", f"{blank}x"):
            assert WORDS in FACES[face](served, new_id), (face, new_id)
    assert served.run(served.engine.catalog.read(TEST)) == before
    assert [user.id for user in served.run(served.engine.accounts.users(TEST))] == ["ada"]


def test_what_is_called_so_is_found_changed_and_renamed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From before there was the rule: by its id as it is, which a change of something else leaves alone."""
    place = SqlitePlace(tmp_path / "old.db")
    with Served(place) as served, monkeypatch.context() as before:
        before.setattr("kana.engine.users.accounts.new_identifier", identifier)
        served.ask('mutation { createUser(input: {id: "old "}) { id } }')
    with Served(place) as served:
        assert served.ask('{ user(id: "old ") { id } }') == {"user": {"id": "old "}}
        named = served.ask('mutation { updateUser(id: "old ", input: {id: "old ", name: "Ada"}) { id name } }')
        assert named == {"updateUser": {"id": "old ", "name": "Ada"}}
        assert WORDS in served.error('mutation { updateUser(id: "old ", input: {id: "new "}) { id } }')["message"]
        renamed = served.ask('mutation { updateUser(id: "old ", input: {id: "new"}) { id name } }')
        assert renamed == {"updateUser": {"id": "new", "name": "Ada"}}


def test_a_file_may_keep_what_is_called_so(served: Served) -> None:
    """What was pulled with such an id is published as it is."""

    def with_blank(catalog: Any, _: Any) -> Any:
        feature = catalog.feature("message")
        return replace(catalog, features={**catalog.features, "old ": replace(feature, id="old ")})

    served.run(served.engine.catalog.apply(TEST, with_blank, by=TESTER))
    key = {"Authorization": served.keys[Environment.TEST][KeyKind.PRIVATE]}
    pulled = served.http.get("/cli/pull", headers=key).json()
    assert served.http.post("/cli/publish", json=pulled, headers=key).status_code == 200
