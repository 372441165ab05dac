"""Usage that was handed to the background recorder is counted once, or said not to be."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from threading import Event, Thread
from typing import Any

import pytest

from kana.errors import InvalidValue, Unauthenticated, UserNotFound
from kana.sdk import KanaAdmin, NetworkError, Outcome, QueueFull, RecorderClosed, Tally, UnexpectedAnswer, Unrecorded
from kana.sdk.batch import RECORD_BATCH
from kana.sdk.recorder import BackgroundRecorder
from kana.sdk.retry import Retry
from tests.sdk.people import meter, subscribed
from tests.sdk.proxy import LosingProxy
from tests.sdk.scripted import ScriptedServer
from tests.support.server import KanaServer
from tests.support.tree import ROOT


def used(kana: KanaAdmin, user_id: str) -> int:
    shown = kana.features.show_usage(user_id=user_id, feature_id=meter(user_id))
    assert shown.current is not None
    return shown.current.consumption.used


@pytest.fixture
def counter(kana: KanaAdmin, number: int) -> str:
    """A user who may use without limit."""
    return subscribed(kana, f"counter-{number}", limit=None)


@pytest.fixture
def away() -> Iterator[KanaAdmin]:
    """A client whose server is not there."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        endpoint = f"http://127.0.0.1:{taken.getsockname()[1]}"
    with KanaAdmin(api_key="prv_test_x", endpoint=endpoint) as client:
        yield client


def test_ten_thousand_usages_outlive_the_server_s_death() -> None:
    """The server is killed and started in the middle: everything is there afterwards, and once."""
    usages = 10_000
    with KanaServer() as server, KanaAdmin(api_key=server.private_key, endpoint=server.address) as kana:
        people = [subscribed(kana, f"survivor-{index}", limit=None) for index in range(10)]
        unrecorded: list[Unrecorded] = []
        with kana.recorder(batch_max=100, queue_max=1_000, on_unrecorded=unrecorded.append) as recorder:
            for index in range(usages):
                if index == usages // 2:
                    assert recorder.tally.recorded > 0
                    server.kill()
                    Thread(target=server.start).start()
                user_id = people[index % len(people)]
                recorder.record(user_id=user_id, feature_id=meter(user_id))
            assert recorder.flush()
            assert recorder.tally == Tally(recorded=usages, refused=0, failed=0, waiting=0)
        assert unrecorded == []
        assert [used(kana, user_id) for user_id in people] == [usages // len(people)] * len(people)
        assert server.kana("audit").returncode == 0


def test_with_one_answer_in_five_lost_each_usage_counts_once(server: KanaServer, kana: KanaAdmin, counter: str) -> None:
    """A batch whose answer was lost is sent again with the same keys."""
    with (
        LosingProxy(server.address) as proxy,
        KanaAdmin(api_key=server.private_key, endpoint=proxy.address) as caller,
        caller.recorder(batch_max=10, linger_s=0.0) as recorder,
    ):
        for _ in range(300):
            recorder.record(user_id=counter, feature_id=meter(counter))
        assert recorder.flush()
    assert proxy.lost > 0
    assert recorder.tally == Tally(recorded=300, refused=0, failed=0, waiting=0)
    assert used(kana, counter) == 300


def test_without_keys_the_same_losses_count_twice(server: KanaServer, kana: KanaAdmin, counter: str) -> None:
    """The control: batches that are sent again as new usage count every lost answer once more."""
    batch = [{"userId": counter, "featureId": meter(counter)}] * 10
    with (
        LosingProxy(server.address) as proxy,
        KanaAdmin(api_key=server.private_key, endpoint=proxy.address, retry=Retry(pause_s=0)) as caller,
    ):
        for _ in range(30):
            # Claims that the batch can be repeated, though its usages have no keys.
            caller._driver.run(caller._core.ask(RECORD_BATCH, keyed=True, inputs=batch))
    assert proxy.lost_records > 0
    assert used(kana, counter) == 300 + proxy.lost_records


def test_one_bad_usage_never_fails_its_neighbours(kana: KanaAdmin, user: str) -> None:
    """What is refused or wrong is told with its reason, is counted apart, and all others count."""
    told: list[Unrecorded] = []
    wrong: Any = 5  # an id that is no text makes the whole request unreadable
    with kana.recorder(on_unrecorded=told.append) as recorder:
        usages: list[tuple[str, int | str]] = [(user, 4), ("nobody", 1), (user, 7), (wrong, 1), (user, "6")]
        for user_id, delta in usages:
            recorder.record(user_id=user_id, feature_id=meter(user), delta=delta, idempotency_key=f"{user_id}-{delta}")
        assert recorder.flush()
        assert recorder.tally == Tally(recorded=2, refused=1, failed=2, waiting=0)
    assert used(kana, user) == 10
    assert Counter(one.usage["idempotencyKey"] for one in told) == {"nobody-1": 1, f"{user}-7": 1, "5-1": 1}
    by_key = {one.usage["idempotencyKey"]: one for one in told}
    assert type(by_key["nobody-1"].error) is UserNotFound
    refused = by_key[f"{user}-7"]
    assert (refused.error, refused.outcome) == (None, Outcome.LIMIT_EXCEEDED)
    assert by_key["nobody-1"].outcome is None
    assert "String" in by_key["5-1"].reason


def test_a_full_queue_raises_where_that_is_chosen(away: KanaAdmin) -> None:
    """With "raise" the usage beyond the bound is not taken, and the caller hears it."""
    told: list[Unrecorded] = []
    recorder = away.recorder(queue_max=3, when_full="raise", on_unrecorded=told.append)
    keys = [recorder.record(user_id="u", feature_id="f") for _ in range(3)]
    with pytest.raises(QueueFull, match="at most 3 can wait"):
        recorder.record(user_id="u", feature_id="f")
    assert recorder.flush(timeout_s=0.01) is False
    assert recorder.tally == Tally(recorded=0, refused=0, failed=0, waiting=3)
    recorder.close(timeout_s=0)
    assert recorder.tally == Tally(recorded=0, refused=0, failed=3, waiting=0)
    assert [one.usage["idempotencyKey"] for one in told] == keys
    assert {type(one.error) for one in told} == {NetworkError}


def test_a_full_queue_blocks_until_there_is_room() -> None:
    """With "block" the caller waits for the server to come back, and nothing is lost."""
    with KanaServer() as server, KanaAdmin(api_key=server.private_key, endpoint=server.address) as kana:
        user_id = subscribed(kana, "patient", limit=None)
        server.kill()
        full = Event()
        with kana.recorder(queue_max=5) as recorder:

            def hand_over() -> None:
                for index in range(20):
                    if index == 5:
                        full.set()
                    recorder.record(user_id=user_id, feature_id=meter(user_id))

            caller = Thread(target=hand_over)
            caller.start()
            assert full.wait(60)
            assert recorder.tally == Tally(recorded=0, refused=0, failed=0, waiting=5)
            assert caller.is_alive()
            server.start()
            caller.join()
            assert recorder.flush()
        assert used(kana, user_id) == 20


def test_what_a_caller_changes_later_is_not_sent(kana: KanaAdmin, user: str) -> None:
    """A usage is what it was when it was handed over; else one that became unreadable would lose its batch."""
    metadata: dict[str, Any] = {"order": 1}
    with kana.recorder(linger_s=5) as recorder:
        for _ in range(3):
            recorder.record(user_id=user, feature_id=meter(user), metadata=metadata)
        metadata["order"] = object()
        assert recorder.flush(10)
        assert (recorder.tally.recorded, recorder.tally.failed) == (3, 0)


def test_what_cannot_be_sent_is_the_caller_s_to_hear(kana: KanaAdmin, user: str) -> None:
    """A wrong delta, metadata that is no JSON and a closed recorder raise in record, and nothing is queued."""
    recorder = kana.recorder()
    with pytest.raises(InvalidValue, match="delta must be"):
        recorder.record(user_id=user, feature_id=meter(user), delta="1.5")
    with pytest.raises(TypeError, match="not JSON serializable"):
        recorder.record(user_id=user, feature_id=meter(user), metadata={1, 2})
    recorder.close()
    recorder.close()
    with pytest.raises(RecorderClosed):
        recorder.record(user_id=user, feature_id=meter(user))
    assert recorder.tally == Tally(recorded=0, refused=0, failed=0, waiting=0)


def test_a_key_that_opens_nothing_fails_what_waits(server: KanaServer, user: str) -> None:
    """What a repetition cannot mend is given up at once, and told."""
    told: list[Unrecorded] = []
    with KanaAdmin(api_key="prv_test_wrong", endpoint=server.address) as stranger:
        recorder = stranger.recorder(on_unrecorded=told.append)
        recorder.record(user_id=user, feature_id=meter(user))
        assert recorder.flush()
        recorder.close()
    assert [type(one.error) for one in told] == [Unauthenticated]


def test_a_callback_that_fails_ends_nothing(kana: KanaAdmin, user: str, caplog: pytest.LogCaptureFixture) -> None:
    """The thread goes on, the usage stays counted as refused, and the log has both."""

    def fail(_: Unrecorded) -> None:
        raise ZeroDivisionError

    with kana.recorder(on_unrecorded=fail) as recorder:
        recorder.record(user_id=user, feature_id=meter(user), delta=11)
        assert recorder.flush()
        recorder.record(user_id=user, feature_id=meter(user), delta=10)
    assert recorder.tally == Tally(recorded=1, refused=1, failed=0, waiting=0)
    assert "on_unrecorded failed" in caplog.text


def test_a_callback_may_use_its_recorder(kana: KanaAdmin, user: str) -> None:
    """From the recorder's own thread, a full queue raises and close does not wait for itself."""
    heard: list[type[Exception]] = []

    def again(unrecorded: Unrecorded) -> None:
        try:
            recorder.record(user_id=user, feature_id=meter(user))
        except QueueFull as error:
            heard.append(type(error))
        recorder.close()

    recorder = kana.recorder(queue_max=1, on_unrecorded=again)
    recorder.record(user_id=user, feature_id=meter(user), delta=11)
    assert recorder.flush()
    recorder.close()
    assert heard == [QueueFull]


def test_what_is_not_recorded_is_logged_by_default(
    kana: KanaAdmin, user: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Without a callback, a refusal stands in the log with its key."""
    with kana.recorder() as recorder:
        recorder.record(user_id=user, feature_id=meter(user), delta=11, idempotency_key="too-much")
    assert "usage was not recorded" in caplog.text
    assert "too-much" in caplog.text


def test_a_defect_does_not_end_the_thread(
    kana: KanaAdmin, user: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """What no one foresaw fails the batch that it happened to, and the next one is sent."""
    told: list[Unrecorded] = []
    sort = BackgroundRecorder._sort

    def fail_once(*_: Any) -> Any:
        monkeypatch.setattr(BackgroundRecorder, "_sort", sort)
        raise ZeroDivisionError

    monkeypatch.setattr(BackgroundRecorder, "_sort", fail_once)
    with kana.recorder(on_unrecorded=told.append) as recorder:
        recorder.record(user_id=user, feature_id=meter(user))
        assert recorder.flush()
        recorder.record(user_id=user, feature_id=meter(user))
    assert recorder.tally == Tally(recorded=1, refused=0, failed=1, waiting=0)
    assert [one.reason for one in told] == ["ZeroDivisionError()"]
    assert "a batch could not be sent" in caplog.text


def answered(*items: dict[str, Any]) -> dict[str, Any]:
    names = ("recorded", "reason", "outcome", "id", "duplicate", "consumption", "error")
    empty: dict[str, Any] = dict.fromkeys(names) | {"recorded": False, "duplicate": False}
    return {"data": {"recordUsageBatch": [empty | item for item in items]}}


NOT_NOW = {"error": {"code": "UNAVAILABLE", "name": "UnavailableError", "message": "not now", "retryAfter": 0}}


def test_only_what_was_not_decided_is_sent_again() -> None:
    """A usage that the server could not decide goes again with its key, those beside it do not."""
    with (
        ScriptedServer(answered({"recorded": True}, NOT_NOW, NOT_NOW), answered({"recorded": True}, {})) as script,
        KanaAdmin(api_key="k", endpoint=script.address) as kana,
        kana.recorder(linger_s=60) as recorder,
    ):
        keys = [recorder.record(user_id="u", feature_id="f") for _ in range(3)]
        assert recorder.flush()
    assert [[usage["idempotencyKey"] for usage in asked["inputs"]] for asked in script.asked] == [keys, keys[1:]]
    assert recorder.tally == Tally(recorded=2, refused=1, failed=0, waiting=0)


def test_a_defect_of_the_server_does_not_hold_up_all_others() -> None:
    """A batch that the server fails at is given up after five attempts, and the next one is sent."""
    defect = {"errors": [{"message": "internal error", "extensions": {"code": "INTERNAL", "requestId": "r1"}}]}
    told: list[Unrecorded] = []
    with (
        ScriptedServer(*[defect] * 5, answered({"recorded": True})) as script,
        KanaAdmin(api_key="k", endpoint=script.address) as kana,
        kana.recorder(on_unrecorded=told.append) as recorder,
    ):
        recorder.record(user_id="u", feature_id="f")
        assert recorder.flush()
        recorder.record(user_id="u", feature_id="f")
        assert recorder.flush()
    assert recorder.tally == Tally(recorded=1, refused=0, failed=1, waiting=0)
    assert [one.reason for one in told] == ["internal error (request r1)"]


def test_answers_that_do_not_fit_the_batch_fail_it() -> None:
    """Which answer belongs to which usage cannot be guessed: all of them are told."""
    told: list[Unrecorded] = []
    with (
        ScriptedServer(answered({"recorded": True})) as script,
        KanaAdmin(api_key="k", endpoint=script.address) as kana,
        kana.recorder(linger_s=60, on_unrecorded=told.append) as recorder,
    ):
        for _ in range(2):
            recorder.record(user_id="u", feature_id="f")
        assert recorder.flush()
    assert [(type(one.error), one.reason) for one in told] == [(UnexpectedAnswer, "2 sent, but 1 answered")] * 2


EXIT = """
import os, sys
from kana.sdk import KanaAdmin

kana = KanaAdmin(api_key=os.environ["KANA_KEY"], endpoint=os.environ["KANA_ENDPOINT"])
recorder = kana.recorder(linger_s=60)
for _ in range(100):
    recorder.record(user_id=sys.argv[1], feature_id=sys.argv[2])
"""
FORK = (
    EXIT
    + """
child = os.fork()
recorder.record(user_id=sys.argv[1], feature_id=sys.argv[2])
if child:
    assert os.waitpid(child, 0)[1] == 0
"""
)


@pytest.mark.parametrize(("program", "expected"), [(EXIT, 100), (FORK, 102)], ids=["exit", "fork"])
def test_what_waits_is_sent_at_exit(
    server: KanaServer, kana: KanaAdmin, counter: str, program: str, expected: int
) -> None:
    """A program that ends without closing its recorder loses nothing; a forked child sends its own usage only."""
    ended = subprocess.run(
        [sys.executable, "-c", program, counter, meter(counter)],
        env=os.environ | {"KANA_KEY": server.private_key, "KANA_ENDPOINT": server.address},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    assert used(kana, counter) == expected
