"""Group commit: who waits for whom, and who hears of what goes wrong."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from kana.engine.ids import IdMaker
from kana.engine.usage import recorder as module
from kana.engine.usage.batch import Batch
from kana.engine.usage.recorder import TOGETHER_MAX, Recorder
from kana.errors import IdempotencyKeyReused, KanaError, OutcomeUnknown, RateLimited, Unavailable, UserNotFound
from kana.model.environment import Environment
from kana.model.usage import Receipt, Usage
from tests.support.ledger import entries_of
from tests.support.world import (
    NOON,
    TEST,
    NotedMeter,
    SetClock,
    World,
    a_catalog,
    a_feature,
    a_package,
    a_subscription,
    a_usage,
    allows,
    an_account,
)

CATALOG = a_catalog(a_feature(), a_package("basic", allows(None)))
ACCOUNTS = {(TEST, user_id): an_account(a_subscription()) for user_id in ("ada", "bob")}


class HeldLedger:
    """A ledger whose commits happen when the test says so, or fail: faults that no disk gives on demand."""

    def __init__(self, lanes: int = 1) -> None:
        self.batches: list[Batch] = []
        self.gates: list[asyncio.Future[None]] = []
        self.lanes = lanes

    def lane(self, environment: Environment, user_id: str) -> int:
        return len(user_id + environment) % self.lanes

    async def append(self, batch: Batch) -> None:
        gate = asyncio.get_running_loop().create_future()
        self.batches.append(batch)
        self.gates.append(gate)
        await gate
        batch.begin()
        batch.place({TEST: CATALOG}, ACCOUNTS, {})
        batch.decide({})

    @property
    def sizes(self) -> list[int]:
        return [len(batch.requests) for batch in self.batches]


@pytest.fixture
def ledger() -> HeldLedger:
    return HeldLedger()


@pytest.fixture
def meter() -> NotedMeter:
    return NotedMeter()


@pytest.fixture
async def recorder(ledger: HeldLedger, meter: NotedMeter) -> AsyncIterator[Recorder]:
    recorder = Recorder(ledger, clock=SetClock(), ids=IdMaker(SetClock()), meter=meter)  # type: ignore[arg-type]
    yield recorder
    for gate in ledger.gates:
        if not gate.done():
            gate.set_result(None)
    await recorder.drain()


async def turn() -> None:
    """Let everything that can go on go on."""
    for _ in range(10):
        await asyncio.sleep(0)


def begin(recorder: Recorder, *usages: Usage) -> list[asyncio.Task[Receipt]]:
    return [asyncio.create_task(recorder.record(usage)) for usage in usages]


async def test_what_arrives_during_a_commit_forms_the_next_batch(
    recorder: Recorder, ledger: HeldLedger, meter: NotedMeter
) -> None:
    """The first goes alone at once; all that arrive meanwhile share the next one."""
    first = begin(recorder, a_usage(1))
    await turn()
    rest = begin(recorder, *(a_usage(number) for number in range(2, 7)))
    await turn()
    assert ledger.sizes == [1]
    assert not first[0].done()
    ledger.gates[0].set_result(None)
    await turn()
    assert first[0].done()
    assert not any(task.done() for task in rest)
    assert ledger.sizes == [1, 5]
    ledger.gates[1].set_result(None)
    receipts = await asyncio.gather(*first, *rest)
    assert [receipt.entry.delta for receipt in receipts] == [1, 2, 3, 4, 5, 6]
    assert meter.commits == [1, 5]
    assert meter.decisions == [("record", "RECORDED")] * 6


async def test_those_who_are_ready_in_the_same_turn_go_together(recorder: Recorder, ledger: HeldLedger) -> None:
    """Nobody waits for a timer, and yet one batch takes them all."""
    tasks = begin(recorder, *(a_usage() for _ in range(20)))
    await turn()
    assert ledger.sizes == [20]
    ledger.gates[0].set_result(None)
    await asyncio.gather(*tasks)


async def test_a_batch_has_an_end(recorder: Recorder, ledger: HeldLedger, monkeypatch: pytest.MonkeyPatch) -> None:
    """More than fit into one go into the next ones, in order of arrival."""
    monkeypatch.setattr(module, "BATCH_MAX", 4)
    tasks = begin(recorder, *(a_usage(number) for number in range(1, 11)))
    for number in range(3):
        await turn()
        ledger.gates[number].set_result(None)
    receipts = await asyncio.gather(*tasks)
    assert ledger.sizes == [4, 4, 2]
    assert [receipt.entry.delta for receipt in receipts] == list(range(1, 11))
    ids = [receipt.entry.id for receipt in receipts]
    assert ids == sorted(set(ids))


async def test_lanes_commit_side_by_side(meter: NotedMeter) -> None:
    """Users of different lanes do not wait for each other."""
    ledger = HeldLedger(lanes=2)
    recorder = Recorder(ledger, clock=SetClock(), ids=IdMaker(SetClock()), meter=meter)  # type: ignore[arg-type]
    [slow] = begin(recorder, a_usage())
    [quick] = begin(recorder, a_usage(user_id="odd!"))
    await turn()
    assert ledger.sizes == [1, 1]
    ledger.gates[1].set_result(None)
    with pytest.raises(UserNotFound):
        await quick
    assert not slow.done()
    ledger.gates[0].set_result(None)
    assert (await slow).entry.recorded


async def test_each_caller_gets_their_own_answer(recorder: Recorder, ledger: HeldLedger) -> None:
    """A receipt, a duplicate, or an error, whatever the neighbours get."""
    tasks = begin(recorder, a_usage(1, key="k"), a_usage(user_id="nobody"), a_usage(1, key="k"), a_usage(2, key="k"))
    await turn()
    ledger.gates[0].set_result(None)
    first, unknown, again, reused = await asyncio.gather(*tasks, return_exceptions=True)
    assert isinstance(first, Receipt)
    assert isinstance(unknown, UserNotFound)
    assert again == Receipt(first.entry, duplicate=True)
    assert isinstance(reused, IdempotencyKeyReused)


@pytest.mark.parametrize("error", [Unavailable("busy"), OutcomeUnknown("lost"), ZeroDivisionError("defect")])
async def test_a_failed_commit_is_everybodys(
    recorder: Recorder, ledger: HeldLedger, meter: NotedMeter, error: Exception
) -> None:
    """Each caller of the batch gets the store's error; the next batch goes on as if nothing had been."""
    tasks = begin(recorder, *(a_usage() for _ in range(3)))
    await turn()
    later = begin(recorder, a_usage())
    ledger.gates[0].set_exception(error)
    await turn()
    assert await asyncio.gather(*tasks, return_exceptions=True) == [error] * 3
    ledger.gates[1].set_result(None)
    assert (await later[0]).entry.recorded
    assert meter.commits == [1]


async def test_too_many_are_told_to_come_back(
    recorder: Recorder, ledger: HeldLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once so many wait in a lane the next is refused at once; those who wait are unharmed, and there is room again."""
    monkeypatch.setattr(module, "PENDING_MAX", 3)
    first = begin(recorder, a_usage())
    await turn()
    waiting = begin(recorder, *(a_usage() for _ in range(3)))
    await turn()
    with pytest.raises(RateLimited, match="3 usages are waiting to be recorded; retry shortly") as raised:
        await recorder.record(a_usage())
    assert raised.value.retry_after_s == 1
    [refused] = await recorder.record_many([a_usage()])
    assert isinstance(refused, RateLimited)
    ledger.gates[0].set_result(None)
    await turn()
    more = begin(recorder, a_usage())
    for number in (1, 2):
        ledger.gates[number].set_result(None)
        await turn()
    receipts = await asyncio.gather(*first, *waiting, *more)
    ids = [receipt.entry.id for receipt in receipts]
    assert len(ids) == 5
    assert ids == sorted(set(ids))


async def test_a_caller_who_goes_away_changes_nothing(recorder: Recorder, ledger: HeldLedger) -> None:
    """What was accepted is written, whether it waited or was on its way, and the others get their answers."""
    on_its_way, other = begin(recorder, a_usage(1), a_usage(2))
    await turn()
    waiting, last = begin(recorder, a_usage(3), a_usage(4))
    bad = begin(recorder, a_usage(5, user_id="nobody"))[0]
    await turn()
    for task in (on_its_way, waiting, bad):
        task.cancel()
    await turn()
    for number in range(2):
        ledger.gates[number].set_result(None)
        await turn()
    assert [(await task).entry.delta for task in (other, last)] == [2, 4]
    assert [[entry.delta for entry in batch.entries] for batch in ledger.batches] == [[1, 2], [3, 4]]
    assert on_its_way.cancelled()
    assert waiting.cancelled()


async def test_drain_waits_for_all_that_was_accepted(recorder: Recorder, ledger: HeldLedger) -> None:
    """Also for what arrives while it waits; with nothing to wait for it returns at once."""
    await recorder.drain()
    begin(recorder, a_usage())
    await turn()
    draining = asyncio.create_task(recorder.drain())
    begin(recorder, a_usage())
    await turn()
    assert not draining.done()
    ledger.gates[0].set_result(None)
    await turn()
    assert not draining.done()
    ledger.gates[1].set_result(None)
    await draining
    assert ledger.sizes == [1, 1]


async def test_many_usages_at_once_are_one_batch_and_answered_in_order(recorder: Recorder, ledger: HeldLedger) -> None:
    """Receipts and errors stand where their usages stood."""
    many = asyncio.create_task(
        recorder.record_many([a_usage(1), a_usage(user_id="nobody"), a_usage(2, user_id="bob"), a_usage(3)])
    )
    await turn()
    assert ledger.sizes == [4]
    ledger.gates[0].set_result(None)
    answers = await many
    assert [answer.entry.delta if isinstance(answer, Receipt) else type(answer) for answer in answers] == [
        1, UserNotFound, 2, 3,
    ]  # fmt: skip
    assert await recorder.record_many([]) == []


async def test_a_failed_commit_answers_each_of_many(recorder: Recorder, ledger: HeldLedger) -> None:
    """The store's error stands in the place of each."""
    many = asyncio.create_task(recorder.record_many([a_usage(), a_usage()]))
    await turn()
    error = Unavailable("busy")
    ledger.gates[0].set_exception(error)
    answers: list[Receipt | KanaError] = await many
    assert answers == [error, error]


async def test_what_was_answered_is_in_the_ledger(world: World) -> None:
    """On a real store: a hundred calls at once, one entry and one answer each, in few batches."""
    await world.furnish(a_package("basic", allows(60)))
    await world.subscribed_user("ada")
    receipts = await asyncio.gather(*(world.recorder.record(a_usage(key=f"k{n}")) for n in range(100)))
    assert sum(receipt.entry.recorded for receipt in receipts) == 60
    kept = await entries_of(world.store, "ada")
    assert {entry.id for entry in kept} == {receipt.entry.id for receipt in receipts}
    assert sum(world.meter.commits) == 100
    assert len(world.meter.commits) < 10
    assert {entry.recorded_at for entry in kept} == {NOON}


async def test_a_batch_that_is_decided_again_takes_no_id_twice(ledger: HeldLedger, recorder: Recorder) -> None:
    """A store may decide a batch again, after a deadlock say: its ids are its own, and no other batch's."""
    [first] = begin(recorder, a_usage())
    await turn()
    ledger.batches[0].begin()
    ledger.batches[0].place({TEST: CATALOG}, ACCOUNTS, {})
    ledger.batches[0].decide({})
    abandoned = ledger.batches[0].entries[0].id
    ledger.gates[0].set_result(None)
    written = (await first).entry.id
    [second] = begin(recorder, a_usage())
    await turn()
    ledger.gates[1].set_result(None)

    assert abandoned < written < (await second).entry.id


async def test_many_of_one_call_leave_turns_to_others(recorder: Recorder, ledger: HeldLedger) -> None:
    """Of calls with thousands, few usages wait at a time, and one of somebody else is written next."""
    many = [
        asyncio.create_task(recorder.record_many([a_usage(key=f"{call}-{n}") for n in range(120)])) for call in range(3)
    ]
    await turn()
    other = asyncio.create_task(recorder.record(a_usage(user_id="bob")))
    while not all(task.done() for task in many):
        if not ledger.gates[-1].done():
            ledger.gates[-1].set_result(None)
        await turn()
    assert (await other).entry.recorded
    assert ledger.sizes[:2] == [TOGETHER_MAX, 1]
    assert (max(ledger.sizes), sum(ledger.sizes)) == (TOGETHER_MAX, 361)
    assert [len([each for each in await call if isinstance(each, Receipt)]) for call in many] == [120] * 3
