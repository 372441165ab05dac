"""What an allowance admits."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kana.errors import InvalidValue
from kana.model.allowance import UNLIMITED, Allowance
from kana.model.text import UNITS_MAX
from tests.support.world import examples


@pytest.mark.parametrize(
    ("limit", "overage", "used", "delta", "admitted"),
    [
        (10, False, 9, 1, True),
        (10, False, 10, 1, False),
        (10, False, 9, 2, False),
        (10, False, 0, 10, True),
        (10, False, 0, 11, False),
        (0, False, 0, 1, False),
        (0, True, 0, 1, True),
        (10, True, 10, 1, True),
        (None, False, UNITS_MAX - 1, 1, True),
        (10, False, 20, -1, True),
        (10, False, 20, 0, True),
        (0, False, 0, -1, True),
    ],
)
def test_what_fits(limit: int | None, overage: bool, used: int, delta: int, admitted: bool) -> None:
    """Up to the limit and not past it; with overage and without a limit anything; giving back always."""
    assert Allowance(limit=limit, overage_enabled=overage).admits(delta, used=used) is admitted


@examples(200)
@given(st.integers(0, 50), st.integers(1, 50), st.integers(0, 100))
def test_a_limit_is_exact(limit: int, delta: int, used: int) -> None:
    """More is admitted exactly where the sum stays within the limit."""
    assert Allowance(limit=limit).admits(delta, used=used) == (used + delta in range(limit + 1))


@pytest.mark.parametrize("limit", [-1, UNITS_MAX + 1])
def test_limits_are_amounts(limit: int) -> None:
    """A negative limit is no way to say unlimited."""
    with pytest.raises(InvalidValue, match=r"^limit must be 0 to"):
        Allowance(limit=limit)


def test_ranks_go_by_generosity() -> None:
    """Unlimited, then the larger limit, and among equal limits overage enabled."""
    ordered = [
        Allowance(overage_enabled=True),
        UNLIMITED,
        Allowance(limit=UNITS_MAX),
        Allowance(limit=10, overage_enabled=True),
        Allowance(limit=10),
        Allowance(limit=9, overage_enabled=True),
        Allowance(limit=0),
    ]
    assert sorted(ordered, key=lambda allowance: allowance.rank, reverse=True) == ordered
    assert len({allowance.rank for allowance in ordered}) == len(ordered)
