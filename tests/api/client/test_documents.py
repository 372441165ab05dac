"""Whoever has a public key can make up documents; that they are many is nobody else's wait."""

from __future__ import annotations

import pytest

from kana.api.client.endpoint import ALL_DOCUMENTS_AT_ONCE, DOCUMENTS_AT_ONCE, Newcomers
from kana.errors import RateLimited
from kana.model.environment import Environment
from tests.api.client.calls import as_anyone, post, public_key, token_of
from tests.support.serving import Served
from tests.support.world import LIVE, TEST, SetClock


@pytest.mark.parametrize("secure", [True, False])
def test_documents_never_seen_before_are_few_a_minute(shared: Served, secure: bool) -> None:
    """Beyond so many at once it is 429 with Retry-After, valid or not, by key or by token; those that are known go on.

    What was refused costs nothing, and is answered when its time has come.
    """
    shared.clock.advance(hours=1)
    headers: dict[str, str | bytes] = {"Authorization": public_key(shared), "X-User-ID": "ada"}
    if secure:
        headers = {"Authorization": token_of(shared, "ada")}
    documents = [f"query {'ab'[secure]}{n} {{ currentUser {{ {('id', 'nope')[n % 2]} }} }}" for n in range(99)]
    for text in documents[:DOCUMENTS_AT_ONCE]:
        assert post(shared, headers, text).status_code == 200

    refused = post(shared, headers, documents[DOCUMENTS_AT_ONCE])
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "2")
    assert refused.json()["errors"][0]["extensions"]["code"] == "RATE_LIMITED"
    for text in documents[:2]:
        assert post(shared, headers, text).status_code == 200

    shared.clock.advance(seconds=2)
    assert post(shared, headers, documents[DOCUMENTS_AT_ONCE]).status_code == 200
    assert post(shared, headers, documents[DOCUMENTS_AT_ONCE + 1]).status_code == 429


def test_one_page_is_never_told_to_wait(shared: Served) -> None:
    """The control: the same document, as often as anyone likes."""
    for _ in range(2 * DOCUMENTS_AT_ONCE):
        assert as_anyone(shared, "ada")["id"] == "ada"


class Caller:
    """All that is looked at of one."""

    def __init__(self, environment: Environment) -> None:
        self.environment = environment


def admitted(newcomers: Newcomers, address: str, environment: Environment, *, tries: int) -> int:
    """How many of so many documents are let in."""
    count = 0
    for _ in range(tries):
        try:
            newcomers.admit({"client": (address, 1)}, Caller(environment))  # type: ignore[arg-type]
        except RateLimited:
            continue
        count += 1
    return count


def test_many_addresses_together_are_bounded_too() -> None:
    """However many there are; another environment has its own share, and one address cannot use up all of it."""
    newcomers = Newcomers(clock=SetClock())
    assert admitted(newcomers, "10.0.0.1", TEST, tries=1_000) == DOCUMENTS_AT_ONCE
    others = sum(admitted(newcomers, f"10.0.1.{n}", TEST, tries=DOCUMENTS_AT_ONCE) for n in range(20))
    assert others == ALL_DOCUMENTS_AT_ONCE - DOCUMENTS_AT_ONCE
    assert admitted(newcomers, "10.0.2.1", LIVE, tries=1) == 1
