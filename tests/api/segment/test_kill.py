"""A server that is killed while it takes in a long batch, or takes up events for new rules: each is recorded once."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import apsw
import httpx
import pytest

from tests.support.client import ENROL, FEATURE, PACKAGE
from tests.support.forge import Forge
from tests.support.server import KanaServer

KILLS = 12
BATCH_KILLS = 6
EVENTS = 2000
"""How many each round sends before there are rules for them."""

RULE = """mutation($name: String!) {
  createMappingRule(input: {name: $name, eventName: $name, featureId: "messages"}) { id }
}"""
STATE = """{
  mappingRules { isReplayed }
  segmentEventCounts { total unmapped }
  showUsage(userId: "ada", featureId: "messages") { current { consumption { used } } }
}"""


@pytest.fixture(scope="module")
def forge() -> Iterator[Forge]:
    """Starts servers without paying for their imports each time."""
    with Forge() as forge:
        yield forge


def ask(server: KanaServer, query: str, **variables: Any) -> Any:
    headers = {"Authorization": server.private_key}
    body = httpx.post(
        f"{server.address}/graphql", json={"query": query, "variables": variables}, headers=headers
    ).json()
    assert "errors" not in body, body
    return body["data"]


def send(server: KanaServer, name: str, **more: Any) -> None:
    """Send events in one batch; such as no rule matches yet, unless ``more`` says what they are."""
    track = {"type": "track", "userId": "ada", "event": name, **more}
    batch = [{**track, "messageId": f"{name} {number}"} for number in range(EVENTS)]
    answer = httpx.post(f"{server.address}/v1/batch", json={"batch": batch}, auth=(server.private_key, ""), timeout=60)
    assert answer.status_code == 200


def furnish(server: KanaServer) -> None:
    """Ada may use messages without end."""
    ask(server, FEATURE, input={"id": "messages", "type": "CONSUMABLE"})
    ask(server, PACKAGE, input={"id": "basic", "features": [{"id": "messages"}]}, id="basic")
    ask(server, ENROL, id="ada", packageIds=["basic"])


def add_rule(server: KanaServer, name: str) -> None:
    """Add a rule for events of a name; the server may be gone before it answers."""
    with suppress(httpx.HTTPError):
        ask(server, RULE, name=name)


def left_open(server: KanaServer, name: str) -> int:
    """How many events of a name are open still, in the file of a server that does not run."""
    return count(server, name, "and status in ('UNMAPPED', 'PENDING')")


def count(server: KanaServer, name: str, where: str = "") -> int:
    """How many events of a name are kept, in the file of a server that does not run."""
    connection = apsw.Connection(str(server.database))
    found = int(connection.execute(f"select count(*) from segment_events where event = ? {where}", (name,)).get)
    connection.close()
    return found


def wait_until_replayed(server: KanaServer) -> None:
    """Wait until every rule has been held against all events."""
    until = time.monotonic() + 60
    while not all(rule["isReplayed"] for rule in ask(server, STATE)["mappingRules"]):
        assert time.monotonic() < until
        time.sleep(0.02)


def test_a_batch_whose_server_is_killed_is_kept_once_when_it_comes_again(forge: Forge) -> None:
    """Whatever part of it was kept: the sender had no answer, sends it again, and each of it counts once."""
    chance = random.Random(12)
    used = {"featureId": "messages"}
    with KanaServer(forge=forge) as server:
        furnish(server)
        kept = []
        for number in range(BATCH_KILLS):
            name = f"round {number}"
            sending = threading.Thread(target=_send_or_fail, args=(server, name, used))
            sending.start()
            time.sleep(chance.uniform(0.1, 0.6))
            server.kill()
            sending.join()
            kept.append(count(server, name))
            server.start()
            send(server, name, properties=used)

        state = ask(server, STATE)
        assert state["segmentEventCounts"] == {"total": BATCH_KILLS * EVENTS, "unmapped": 0}
        assert state["showUsage"]["current"]["consumption"]["used"] == BATCH_KILLS * EVENTS
        audit = server.kana("audit")
        assert audit.returncode == 0, audit.stdout + audit.stderr
        print(kept)
        assert [found for found in kept if 0 < found < EVENTS], kept  # Else no kill came in the middle.


def _send_or_fail(server: KanaServer, name: str, properties: dict[str, str]) -> None:
    with suppress(httpx.HTTPError):
        send(server, name, properties=properties)


def test_a_replay_that_is_killed_records_each_event_once(forge: Forge) -> None:
    """Two rules that match the same events are added at once, and the server is killed while it replays them."""
    chance = random.Random(11)
    with KanaServer(forge=forge) as server:
        furnish(server)
        left = []
        for number in range(KILLS):
            send(server, f"round {number}")
            adding = [threading.Thread(target=add_rule, args=(server, f"round {number}")) for _ in range(2)]
            for thread in adding:
                thread.start()
            if number % 4:  # Else the rules themselves may not be there yet.
                for thread in adding:
                    thread.join()
            time.sleep(chance.uniform(0.0, 0.25))
            server.kill()
            for thread in adding:
                thread.join()
            left.append(left_open(server, f"round {number}"))
            server.start()
            wait_until_replayed(server)

        for number in range(KILLS):  # Some were killed before they were there.
            ask(server, RULE, name=f"round {number}")
        wait_until_replayed(server)
        state = ask(server, STATE)
        assert state["segmentEventCounts"] == {"total": KILLS * EVENTS, "unmapped": 0}
        assert state["showUsage"]["current"]["consumption"]["used"] == KILLS * EVENTS
        audit = server.kana("audit")
        assert audit.returncode == 0, audit.stdout + audit.stderr
        print(left)
        assert [count for count in left if 0 < count < EVENTS], left  # Else no kill came in the middle.
