"""Segment's and RudderStack's own Python libraries as senders: nothing of them is changed but the address."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import httpx
import pytest
import rudderstack.analytics.client  # type: ignore[import-untyped]
import rudderstack.analytics.request  # type: ignore[import-untyped]
import segment.analytics  # type: ignore[import-untyped]
import segment.analytics.request  # type: ignore[import-untyped]

from tests.api.segment.calls import USERS, events, key_of, statuses, used
from tests.sdk.proxy import LosingProxy
from tests.support.client import ENROL, FEATURE, PACKAGE
from tests.support.server import KanaServer
from tests.support.serving import Served


@dataclass(frozen=True)
class Library:
    """A library: its client, what it raises, and how many threads of its own it can end."""

    client: type[Any]
    error: type[Exception]
    threads: int


LIBRARIES = {
    "segment": Library(segment.analytics.Client, segment.analytics.request.APIError, threads=2),
    "rudderstack": Library(rudderstack.analytics.client.Client, rudderstack.analytics.request.APIError, threads=1),
}

COUNT = 200
"""How many tracks are sent through what goes wrong."""


@pytest.fixture(params=LIBRARIES)
def library(request: pytest.FixtureRequest) -> Library:
    """Each of the libraries."""
    return LIBRARIES[request.param]


def fail(error: Exception, batch: list[dict[str, Any]]) -> None:
    """The library's way to tell that it gave up on a batch."""
    raise AssertionError(f"{error}: {len(batch)} messages are lost")


def test_each_call_of_the_library_is_taken(served: Served, library: Library) -> None:
    """One call after the other, each answered before the next is made."""
    client = library.client(key_of(served), host=served.url, sync_mode=True)
    client.identify(
        "42", {"name": "Ada", "email": "a@e.com", "billingId": "cus_1", "plan": "pro"}, timestamp=served.clock()
    )
    client.track("ada", "Sent", {"featureId": "messages", "delta": 3}, timestamp=served.clock())
    client.page("ada", "docs", "Home")
    client.screen("ada", "app", "Home")
    client.group("ada", "company", {"seats": 7})
    client.alias("before", "ada")
    client.track(None, "Seen", anonymous_id="visitor", timestamp=served.clock())

    assert {"id": "42", "name": "Ada", "email": "a@e.com", "billingId": "cus_1"} in served.ask(USERS)["users"]
    assert used(served) == 3
    found = {(event["type"], event["status"]) for event in events(served)}
    ignored = {(kind, "IGNORED") for kind in ("page", "screen", "group", "alias", "track")}
    assert found == {("identify", "IDENTIFIED"), ("track", "RECORDED"), *ignored}


@pytest.mark.parametrize("gzip", [False, True])
def test_the_librarys_threads_send_all(served: Served, library: Library, gzip: bool) -> None:
    """In batches behind the caller's back, packed or not; what was flushed is there."""
    client = library.client(
        key_of(served), host=served.url, gzip=gzip, upload_size=30, thread=library.threads, on_error=fail
    )
    for _ in range(COUNT):
        client.track("ada", "Sent", {"featureId": "messages"}, timestamp=served.clock())
    client.flush()
    client.join()
    assert used(served) == COUNT
    assert list(statuses(served).values()).count("RECORDED") == 100  # a page of them


def test_the_library_is_told_of_a_bad_key(served: Served, library: Library) -> None:
    """It raises what it reads in the answer, and its threads give up at once instead of trying again for minutes."""
    with pytest.raises(library.error) as caught:
        library.client("prv_wrong", host=served.url, sync_mode=True).track("ada", "Sent")
    error: Any = caught.value
    assert (error.status, error.code) == (401, "UNAUTHENTICATED")
    assert error.message == "Unauthenticated: a valid key is needed in the Authorization header."

    told: list[tuple[Exception, int]] = []
    client = library.client(
        "prv_wrong", host=served.url, on_error=lambda error, batch: told.append((error, len(batch)))
    )
    client.track("ada", "Sent")
    client.flush()
    client.join()
    [(given_up, lost)] = told
    assert (type(given_up), lost) == (library.error, 1)


def furnish(server: KanaServer) -> None:
    """Make what is needed to record without a limit."""
    ask(server, FEATURE, input={"id": "messages", "type": "CONSUMABLE"})
    ask(server, PACKAGE, input={"id": "basic", "features": [{"id": "messages"}]}, id="basic")
    ask(server, ENROL, id="ada", packageIds=["basic"])


def ask(server: KanaServer, query: str, **variables: Any) -> Any:
    """Ask the Admin API of a server in another process."""
    headers = {"Authorization": server.private_key}
    body = httpx.post(
        f"{server.address}/graphql", json={"query": query, "variables": variables}, headers=headers
    ).json()
    assert "errors" not in body, body
    return body["data"]


def used_on(server: KanaServer) -> tuple[int, int]:
    """How much is used, and how many messages say so; the audit finds nothing wrong with it."""
    audited = server.kana("audit")
    assert audited.returncode == 0, audited.stderr
    found = ask(
        server,
        """{
          showUsage(userId: "ada", featureId: "messages") { current { consumption { used } } }
          segmentEvents(status: RECORDED, first: 1000) { messageId }
        }""",
    )
    messages = {event["messageId"] for event in found["segmentEvents"]}
    return found["showUsage"]["current"]["consumption"]["used"], len(messages)


def test_lost_answers_count_once(library: Library) -> None:
    """The library sends again what it heard no answer to: each message is recorded once."""
    with KanaServer() as server, LosingProxy(server.address, share=0.4) as proxy:
        furnish(server)
        client = library.client(server.private_key, host=proxy.address, upload_size=40, on_error=fail)
        for _ in range(COUNT):
            client.track("ada", "Sent", {"featureId": "messages"})
        client.flush()
        client.join()
        assert proxy.lost > 0
        assert used_on(server) == (COUNT, COUNT)


def test_a_server_that_is_killed_loses_and_doubles_nothing(library: Library) -> None:
    """Killed again and again while the library sends: all is there in the end, once."""
    with KanaServer() as server:
        furnish(server)
        client = library.client(
            server.private_key, host=server.address, upload_size=25, upload_interval=0.05, on_error=fail
        )
        for number in range(COUNT):
            client.track("ada", "Sent", {"featureId": "messages"})
            if number % 100 == 99:
                server.kill()
                server.start()
        client.flush()
        client.join()
        assert used_on(server) == (COUNT, COUNT)
