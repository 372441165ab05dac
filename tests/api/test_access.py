"""Who keeps coming without a valid key is told to wait; whoever has one never is."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from kana.api.access import ADDRESSES_MAX, FAILURES_MAX, Door
from kana.engine.access.access import AccessEngine
from kana.errors import RateLimited, Unauthenticated
from kana.model.environment import Environment
from kana.model.key import KeyKind
from tests.support.serving import Served
from tests.support.stores import SqlitePlace
from tests.support.world import SetClock

CALLS: dict[str, tuple[str, str]] = {
    "Admin API": ("POST", "/graphql"),
    "Client API": ("POST", "/client/graphql"),
    "events": ("POST", "/v1/events"),
    "events as OpenMeter's clients send them": ("POST", "/api/v1/events"),
    "command line": ("GET", "/cli/pull"),
}
BODY: dict[str, Any] = {"query": "{ __typename }"}


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    with Served(SqlitePlace(tmp_path / "kana.db")) as served:
        yield served


def call(client: httpx.Client, name: str, key: str, **headers: str) -> tuple[str, httpx.Response]:
    """The code of the error that an address answers to a key; "" where it lets in."""
    method, path = CALLS[name]
    sent = {"json": BODY} if method == "POST" else {}
    response = client.request(method, path, headers={"Authorization": key, **headers}, **sent)  # type: ignore[arg-type]
    body = response.json()
    error = body["errors"][0]["extensions"] if "errors" in body else body
    return str(error.get("code", "")), response


@pytest.mark.parametrize("name", CALLS)
def test_a_key_in_the_address_gets_a_hint(served: Served, name: str) -> None:
    """Whoever puts a key where nobody reads it is told where it belongs, and that it is no secret any more."""
    method, path = CALLS[name]
    for query in ("?key=prv_test_abc", "?token=pub_live_abc&x=y"):
        response = served.http.request(method, path + query, json=BODY if method == "POST" else None)
        assert "A key in the address is not read: send it as Authorization: Bearer." in response.text
        assert "prv_test_abc" not in response.text
    response = served.http.request(method, path + "?key=abc", json=BODY if method == "POST" else None)
    assert "A key in the address" not in response.text


@pytest.mark.parametrize("name", CALLS)
def test_the_eleventh_failure_in_a_minute_is_told_to_wait(served: Served, name: str) -> None:
    """Ten wrong keys are unauthenticated, the next says when to come again; after the minute they count anew."""
    failures = [call(served.http, name, "prv_test_wrong")[0] for _ in range(FAILURES_MAX)]
    served.clock.advance(seconds=20)
    code, response = call(served.http, name, "prv_test_wrong")

    assert failures == ["UNAUTHENTICATED"] * FAILURES_MAX
    assert (code, response.headers["retry-after"]) == ("RATE_LIMITED", "40")
    assert response.status_code == (429 if "graphql" not in CALLS[name][1] else 200)

    served.clock.advance(seconds=40)
    assert call(served.http, name, "prv_test_wrong")[0] == "UNAUTHENTICATED"


def test_graphql_says_429_to_those_who_ask_for_its_own_media_type(served: Served) -> None:
    """As the specification has it; and the message begins as that of a wrong key, which Kana's client looks at."""
    for _ in range(FAILURES_MAX):
        call(served.http, "Admin API", "wrong")

    _, response = call(served.http, "Admin API", "wrong", Accept="application/graphql-response+json")

    [error] = response.json()["errors"]
    assert (response.status_code, error["extensions"]["retryAfter"]) == (429, 60)
    assert error["message"] == (
        "Unauthenticated too often: more than 10 times in a minute from this address."
        " Try again in 60 s, with a valid key."
    )


def test_failures_of_all_addresses_of_the_server_count_together(served: Served) -> None:
    """Trying keys here and there is trying keys."""
    for turn in range(FAILURES_MAX):
        call(served.http, [*CALLS][turn % len(CALLS)], "wrong")

    assert [call(served.http, name, "wrong")[0] for name in CALLS] == ["RATE_LIMITED"] * len(CALLS)


def test_a_valid_key_comes_in_whatever_others_do(served: Served) -> None:
    """Many may share an address, behind a proxy even all: one page with an old key stops nobody else."""
    for _ in range(3 * FAILURES_MAX):
        call(served.http, "Admin API", "wrong")

    assert call(served.http, "Admin API", served.keys[Environment.TEST][KeyKind.PRIVATE])[0] == ""


def test_other_addresses_do_not_wait(served: Served) -> None:
    """Each address has ten failures of its own."""
    for _ in range(2 * FAILURES_MAX):
        call(served.http, "Admin API", "wrong")

    with httpx.Client(base_url=served.url, transport=httpx.HTTPTransport(local_address="127.0.0.2")) as neighbour:
        assert call(neighbour, "Admin API", "wrong")[0] == "UNAUTHENTICATED"


def fail(door: Door, address: str) -> type[Exception]:
    """What one failure of an address is answered."""
    return type(door.refusal({"client": (address, 50_000)}, Unauthenticated()))


@pytest.fixture
def clock() -> SetClock:
    return SetClock()


@pytest.fixture
async def door(tmp_path: Path, clock: SetClock) -> AsyncIterator[Door]:
    """A door at which everybody fails."""
    store = await SqlitePlace(tmp_path / "kana.db").open()
    yield Door(AccessEngine(store.keys, clock=clock), clock=clock)
    await store.close()


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        ("192.0.2.1", "192.0.2.2", False),
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", True),
        ("2001:db8:1:2::1", "2001:db8:1:3::1", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("no address", "", True),
    ],
)
async def test_an_ipv6_network_is_one_address(door: Door, first: str, second: str, same: bool) -> None:
    """Who has one IPv6 address has 2^64 of them; an IPv4 one is the same in either spelling."""
    for _ in range(FAILURES_MAX):
        fail(door, first)

    assert fail(door, second) is (RateLimited if same else Unauthenticated)


async def test_memory_stays_bounded(door: Door) -> None:
    """A flood from countless addresses forgets the oldest, and never grows beyond the bound."""
    for number in range(ADDRESSES_MAX + 500):
        fail(door, f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}")

    assert len(door) == ADDRESSES_MAX
    assert fail(door, "10.0.0.1") is Unauthenticated


async def test_a_clock_that_is_set_back_makes_nobody_wait_longer(door: Door, clock: SetClock) -> None:
    """The minute starts anew then, at most."""
    for _ in range(FAILURES_MAX + 1):
        fail(door, "192.0.2.1")

    clock.advance(days=-1)

    assert fail(door, "192.0.2.1") is Unauthenticated
