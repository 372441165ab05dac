"""Random histories of consuming and setting aside, against a plain model of it, on every store."""

from __future__ import annotations

import pytest

from tests.support.holding import Histories
from tests.support.world import World


@pytest.mark.parametrize("seed", range(100, 103))
async def test_it_decides_as_the_plain_model_does(world: World, seed: int) -> None:
    """Every answer, what is used, and how much more fits; and every total is the sum of its lines."""
    await Histories(world, seed).run(40)
    assert (await world.store.audits.audit()).is_clean
