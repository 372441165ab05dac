"""What a file may call something new, and what it may go on calling something that is there."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from kana.model.catalog import Catalog
from kana.model.config import read_config
from kana.model.plan import plan
from tests.support.world import NOON, a_catalog, a_feature, a_package, allows


def problems(catalog: Catalog, **lists: Any) -> list[tuple[str, str]]:
    """What forbids publishing a file that has these lists."""
    packages = {"draft": lists.pop("packages", [])}
    found = plan(catalog, read_config({"features": [], "packages": packages, **lists}), now=NOON)
    return [(problem.path, problem.text) for problem in found.problems]


def test_a_new_id_with_a_blank_at_an_end_is_a_problem_with_its_place() -> None:
    """Of features, packages and add-ons alike, each said for itself."""
    feature = {"id": "new ", "type": "BINARY"}
    package = {"id": " new", "features": []}
    why = "id must not begin or end with a space or an invisible character, got"
    assert problems(
        a_catalog(), features=[feature], packages=[package], addons={"published": [package | {"id": " "}]}
    ) == [
        ("features[0].id", f"{why} 'new '."),
        ("packages.draft[0].id", f"{why} ' new'."),
        ("addons.published[0].id", f"{why} ' '."),
    ]


def test_what_is_called_so_already_may_stay() -> None:
    """A file that was pulled is published as it is."""
    feature, package = a_feature("old "), a_package(" old", allows(5, None, feature="old "))
    catalog = replace(a_catalog(), features={feature.id: feature}, packages={package.id: package})
    kept = {"id": " old", "features": [{"id": "old ", "limit": 5}]}
    config = {"features": [{"id": "old ", "type": "CONSUMABLE"}], "packages": {"published": [kept]}}
    assert plan(catalog, read_config(config), now=NOON).problems == ()
