"""Questions that arrive together are answered together, each with its own answer."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from kana.engine.usage.gather import AT_ONCE_MAX, GATHERED_MAX, Gatherer


class Oracle:
    """Halves even numbers, refuses odd ones, fails at 0, and remembers what it was asked together."""

    def __init__(self) -> None:
        self.groups: list[list[int]] = []
        self.open = asyncio.Event()
        self.open.set()
        self.asked = asyncio.Event()

    async def answer(self, questions: Sequence[int]) -> list[int | Exception]:
        self.groups.append(list(questions))
        self.asked.set()
        await self.open.wait()
        if 0 in questions:
            raise ZeroDivisionError
        return [ValueError(number) if number % 2 else number // 2 for number in questions]


@pytest.fixture
def oracle() -> Oracle:
    return Oracle()


@pytest.fixture
def gatherer(oracle: Oracle) -> Gatherer[int, int]:
    return Gatherer(oracle.answer)


async def test_each_gets_its_own_answer(oracle: Oracle, gatherer: Gatherer[int, int]) -> None:
    """Those of one turn of the loop are one group; an error of one of them is no one else's."""
    answers = await asyncio.gather(*(gatherer.ask(number) for number in (2, 3, 4)), return_exceptions=True)
    assert oracle.groups == [[2, 3, 4]]
    assert answers[0] == 1
    assert isinstance(answers[1], ValueError)
    assert answers[2] == 2


async def test_a_failure_is_told_to_the_whole_group_and_to_no_other(
    oracle: Oracle, gatherer: Gatherer[int, int]
) -> None:
    """The next group is answered."""
    answers = await asyncio.gather(gatherer.ask(0), gatherer.ask(2), return_exceptions=True)
    assert [type(answer) for answer in answers] == [ZeroDivisionError, ZeroDivisionError]
    assert await gatherer.ask(4) == 2


async def test_those_that_come_while_groups_are_under_way_form_the_next(
    oracle: Oracle, gatherer: Gatherer[int, int]
) -> None:
    """Not more groups than allowed are asked at once, and none is larger than allowed."""
    oracle.open.clear()
    asked = []
    for _ in range(AT_ONCE_MAX):
        asked.append(asyncio.ensure_future(gatherer.ask(2)))
        for _ in range(3):
            await asyncio.sleep(0)
    assert oracle.groups == [[2]] * AT_ONCE_MAX
    asked += [asyncio.ensure_future(gatherer.ask(4)) for _ in range(GATHERED_MAX + 1)]
    await asyncio.sleep(0.01)
    assert len(oracle.groups) == AT_ONCE_MAX
    oracle.open.set()
    assert sum(await asyncio.gather(*asked)) == AT_ONCE_MAX + 2 * (GATHERED_MAX + 1)
    assert sorted(map(len, oracle.groups[AT_ONCE_MAX:])) == [1, GATHERED_MAX]


async def test_whoever_goes_away_keeps_no_one_from_an_answer(oracle: Oracle, gatherer: Gatherer[int, int]) -> None:
    """A cancelled question, answered or refused, is dropped, and its neighbours get theirs."""
    oracle.open.clear()
    gone = [asyncio.ensure_future(gatherer.ask(number)) for number in (2, 3)]
    stays = asyncio.ensure_future(gatherer.ask(6))
    await oracle.asked.wait()
    for task in gone:
        task.cancel()
    await asyncio.sleep(0)
    oracle.open.set()
    assert await stays == 3
    assert all(task.cancelled() for task in gone)


@pytest.mark.parametrize("turns", range(4))
async def test_a_question_that_comes_as_the_last_groups_end_is_answered(
    oracle: Oracle, gatherer: Gatherer[int, int], turns: int
) -> None:
    """In whichever turn of the loop: nobody may come after it, whose question would wake up those that wait."""
    oracle.open.clear()
    asked = []
    for number in range(AT_ONCE_MAX):
        oracle.asked.clear()
        asked.append(gatherer.ask(2 * number + 2))
        await oracle.asked.wait()
    oracle.open.set()
    late: asyncio.Future[asyncio.Future[int]] = asyncio.get_running_loop().create_future()

    def ask(left: int) -> None:
        if left:
            asyncio.get_running_loop().call_soon(ask, left - 1)
        else:
            late.set_result(gatherer.ask(20))

    asyncio.get_running_loop().call_soon(ask, turns)
    await asyncio.gather(*asked)
    async with asyncio.timeout(5):
        assert await (await late) == 10
