"""Publishing any configuration over any other: it comes to what the file says, and the words say whether it differs."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from kana.model.change import describe
from kana.model.config import read_config
from kana.model.period import ResetPeriod
from kana.model.plan import plan
from tests.support.world import MILLISECOND, NOON, a_catalog, examples

LATER = NOON + MILLISECOND

some_held = st.builds(
    lambda limit, overage, reset: {"limit": limit, "overage_enabled": overage, "reset_period": reset},
    st.none() | st.integers(0, 99),
    st.booleans(),
    st.sampled_from([None, *ResetPeriod]),
)


def a_package_of(id: str, has_bases: bool) -> st.SearchStrategy[dict[str, Any]]:  # noqa: A002
    held = st.fixed_dictionaries({}, optional={"a": some_held, "b": st.just({})})
    features = held.map(lambda found: [{"id": key, **value} for key, value in found.items()])
    fixed = {"id": st.just(id), "name": st.sampled_from(["one", "two"]), "features": features}
    bases = {"base_packages": st.lists(st.sampled_from(["p", "q"]), unique=True)} if has_bases else {}
    return st.fixed_dictionaries({**fixed, **bases})


@st.composite
def files(draw: st.DrawFn) -> dict[str, Any]:
    """Files over a few ids, so that two of them often meet."""
    features = [{"id": "a", "type": "CONSUMABLE"}, {"id": "b", "type": "BINARY"}]
    lists: dict[str, dict[str, list[Any]]] = {
        "packages": {"draft": [], "published": []},
        "addons": {"draft": [], "published": []},
    }
    for name, ids in (("packages", "pqr"), ("addons", "xy")):
        for id in ids:  # noqa: A001
            status = draw(st.sampled_from(["draft", "published", None]))
            if status is not None:
                lists[name][status].append(draw(a_package_of(id, name == "addons")))
    return {"features": features, **lists}


@given(old=files(), new=files())
@examples(120)
def test_publishing_makes_what_the_file_says_and_says_what_it_makes(old: dict[str, Any], new: dict[str, Any]) -> None:
    """After a publish the same file changes nothing more, and there were lines exactly when something changed."""
    first = plan(a_catalog(), read_config(old), now=NOON)
    if first.problems:
        return
    second = plan(first.catalog, read_config(new), now=LATER)
    changes = describe(first.catalog, second.catalog)
    assert (changes == []) is (second.catalog == first.catalog)
    if not second.problems:
        again = plan(second.catalog, read_config(new), now=LATER)
        assert (again.problems, again.catalog) == ((), second.catalog)
