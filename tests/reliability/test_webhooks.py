"""Webhooks of a real server that is killed in the middle: each is received at least once, of each user in order."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Callable
from functools import partial
from http.server import BaseHTTPRequestHandler
from threading import Event

from kana.sdk import KanaAdmin
from tests.support.receiver import Received, Receiver, receiver
from tests.support.server import KanaServer

USERS = 60
SETTINGS = {"KANA_WEBHOOKS_ALLOW_PRIVATE": "true"}


def test_kills_lose_nothing_and_change_no_order() -> None:
    """Three kills while a slow receiver is being sent to; another one, that never answers, delays nobody."""
    with receiver() as there, receiver() as hanging, KanaServer(settings=SETTINGS) as server:
        order: defaultdict[str, list[int]] = defaultdict(list)
        ended = Event()

        def answer(handler: BaseHTTPRequestHandler, request: Received) -> None:
            time.sleep(0.03)
            data = request.told["data"]
            order[str(data["userId"])].append(int(data["id"]))
            handler.send_response(204)
            handler.end_headers()

        there.answer = answer

        def hang(*_: object) -> None:
            ended.wait()

        hanging.answer = hang
        users = [f"u{number}" for number in range(USERS)]
        with KanaAdmin(api_key=server.private_key, endpoint=server.address) as kana:
            kana.webhooks.create(url=hanging.url)
            endpoint = kana.webhooks.create(url=there.url)
            kana.packages.create(id="basic", features=[])
            kana.packages.publish(id="basic")
            for each in users:
                kana.users.create(id=each)
                kana.subscriptions.create(user_id=each, package_ids=["basic"])
            for number in (1, 2, 3):
                wait_until(partial(has_received, there, 20 * number))
                server.kill()
                server.start()
            wait_until(lambda: not kana.webhooks.deliveries(endpoint_id=endpoint.id, state="PENDING", first=1))
            notified = kana.notifications.list(first=1000)
        ended.set()
    received = Counter(int(request.told["data"]["id"]) for request in there.received)
    assert sorted(received) == [int(each.id) for each in notified]
    assert received.total() < len(received) + 20, "seldom twice"
    for each in users:
        first = list(dict.fromkeys(order[each]))
        assert first == sorted(first)
        assert len(first) == 2
    assert hanging.received


def has_received(there: Receiver, count: int) -> bool:
    """Whether it has received so many."""
    return len(there.received) >= count


def wait_until(holds: Callable[[], bool]) -> None:
    """Wait until something holds, at most a minute and a half; what a killed process had claimed is free by then."""
    until = time.monotonic() + 90
    while not holds():
        assert time.monotonic() < until
        time.sleep(0.05)
