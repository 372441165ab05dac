"""Random histories of consuming and setting aside, against a plain model of it."""

from __future__ import annotations

import pytest

from kana.model.entitlement import Outcome
from tests.support.holding import Histories
from tests.support.world import World


@pytest.mark.parametrize("seed", range(12))
async def test_it_decides_as_the_plain_model_does(world: World, seed: int) -> None:
    """Every answer, what is used, and how much more fits; and every total is the sum of its lines."""
    histories = Histories(world, seed)
    await histories.run(60)
    assert (await world.store.audits.audit()).is_clean
    assert {f"consume {Outcome.RECORDED}", f"reserve {Outcome.RECORDED}", "repeat"} <= histories.seen


async def test_a_plain_model_that_forgets_what_is_held_is_found_out(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control: the comparison sees it."""
    histories = Histories(world, 1)
    monkeypatch.setattr(type(histories.plain), "held", lambda *_: 0)
    with pytest.raises(AssertionError):
        await histories.run(60)
