"""Values: equal by their fields, and guarded by mypy where Python's own frozen dataclasses guard at run time."""

from __future__ import annotations

import pytest
from mypy import api as mypy

from kana.model.value import value_object

MODULE = """
from dataclasses import replace
from kana.model.entitlement import Consumption

used = Consumption(used=1, budget=2, overage_enabled=False)
used = replace(used, used=2)
used.used = 3
"""


@value_object()
class Point:
    """A value of two numbers."""

    x: int
    y: int


@value_object(eq=False)
class Node:
    """A thing that is only ever itself."""

    x: int


def test_values_of_the_same_fields_are_equal_and_hash_alike() -> None:
    """A value can be a key, and two that say the same are one."""
    assert Point(1, 2) == Point(1, 2) != Point(2, 1)
    assert {Point(1, 2): "here"}[Point(1, 2)] == "here"


def test_what_does_not_compare_by_its_fields_is_only_itself() -> None:
    """With ``eq=False`` neither equality nor the hash looks at the fields."""
    node = Node(1)

    assert node != Node(1)
    assert {node: "here"}[node] == "here"


def test_a_value_has_no_other_attributes() -> None:
    """Slots: a misspelt field is an error at run time too."""
    with pytest.raises(AttributeError):
        Point(1, 2).z = 3  # type: ignore[attr-defined]


def test_mypy_refuses_to_set_a_field_of_a_value() -> None:
    """The guard that is left: assigning to a field is an error of ``make check``, and making another value is none."""
    told, trouble, _ = mypy.run(["--cache-dir=/dev/null", "-c", MODULE])

    assert trouble == ""
    assert [line for line in told.splitlines() if ": error:" in line] == [
        '<string>:7: error: Property "used" defined in "Consumption" is read-only  [misc]'
    ]
