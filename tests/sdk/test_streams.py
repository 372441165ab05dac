"""Streams that are settled as they pass, with both clients, against a real server."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any

import pytest

from kana.errors import Conflict, InvalidValue
from kana.sdk import AsyncHold, KanaAdmin, Outcome, UsageRefused
from tests.sdk.people import meter, used, value
from tests.sdk.test_holds import BrokenError, entered


def made(chunks: Sequence[str | type[Exception]]) -> Iterator[str]:
    """Each chunk; a class of errors is raised."""
    for chunk in chunks:
        if not isinstance(chunk, str):
            raise chunk
        yield chunk


async def awaited(chunks: Sequence[str | type[Exception]]) -> AsyncIterator[str]:
    """The same, asynchronously."""
    for chunk in made(chunks):
        yield chunk


async def passed(
    hold: Any,
    feature_id: str,
    chunks: Sequence[str | type[Exception]],
    *,
    into: list[str],
    stop: int = 1000,
    **also: Any,
) -> None:
    """Stream chunks, of which each letter is a unit, and leave the loop after ``stop`` of them."""
    counts = {feature_id: len}
    if isinstance(hold, AsyncHold):
        async for chunk in hold.stream(awaited(chunks), counts, **also):
            into.append(chunk)
            if len(into) == stop:
                break
    else:
        for chunk in hold.stream(made(chunks), counts, **also):
            into.append(chunk)
            if len(into) == stop:
                break


async def test_a_stream_is_settled_as_it_passes(either: Any, user: str, second: str) -> None:
    """In parts, and finally; what it does not count is settled as it was set aside."""
    got: list[str] = []
    async with entered(either.reserve(user, {meter(user): 8, second: 1})) as hold:
        await passed(hold, meter(user), ["aa", "b", "", "ccc"], into=got, every=2)
    assert got == ["aa", "b", "", "ccc"]
    assert (await used(either, user), await used(either, user, second)) == (6, 1)
    entries = await value(either.users.entries(user_id=user, feature_id=meter(user)))
    assert [entry.change for entry in entries if entry.change] == [4, 2]
    with pytest.raises(Conflict, match="is over"):
        await passed(hold, meter(user), ["d"], into=got)


async def test_the_limit_stops_it_in_the_middle(either: Any, user: str) -> None:
    """What was set aside counts, what was used beyond it is told, and what passes the limit is not passed on."""
    await value(either.consume(user, {meter(user): 4}))
    got: list[str] = []
    with pytest.raises(UsageRefused, match="limit of 10") as caught:
        async with entered(either.reserve(user, {meter(user): 4})) as hold:
            await passed(hold, meter(user), ["aa", "bb", "cc", "ddd", "ee"], into=got)
    assert (got, caught.value.outcome) == (["aa", "bb", "cc"], Outcome.LIMIT_EXCEEDED)
    assert caught.value.unsettled == {meter(user): 3}
    assert await used(either, user) == 10
    assert hold.reservation.status == "SETTLED"


async def test_the_limit_stops_it_at_the_end(either: Any, user: str) -> None:
    """What is counted only at the end is settled as far as it was set aside."""
    got: list[str] = []
    with pytest.raises(UsageRefused) as caught:
        async with entered(either.reserve(user, {meter(user): 4})) as hold:
            await passed(hold, meter(user), ["aaaaaa", "bbbbbb"], into=got, every=100)
    assert (len(got), caught.value.unsettled, await used(either, user)) == (2, {meter(user): 8}, 4)


async def test_what_a_broken_stream_used_stays_used(either: Any, user: str, second: str) -> None:
    """Whether the source fails or the reader goes; the rest is let go."""
    got: list[str] = []
    with pytest.raises(BrokenError):
        async with entered(either.reserve(user, {meter(user): 8, second: 1})) as hold:
            await passed(hold, meter(user), ["aa", "b", BrokenError], into=got, every=100)
    assert (await used(either, user), await used(either, user, second)) == (3, 1)
    async with entered(either.reserve(user, {meter(user): 7, second: 1})) as hold:
        await passed(hold, meter(user), ["aa", "b", "c"], into=[], stop=2, every=100)
    assert (await used(either, user), await used(either, user, second)) == (6, 2)


async def test_a_stream_that_never_begins_uses_nothing(either: Any, user: str, second: str) -> None:
    """All is let go if the source fails before its first chunk."""
    with pytest.raises(BrokenError):
        async with entered(either.reserve(user, {meter(user): 8, second: 1})) as hold:
            await passed(hold, meter(user), [BrokenError], into=[])
    assert (await used(either, user), await used(either, user, second)) == (0, 0)


async def test_a_long_stream_takes_few_calls(kana: KanaAdmin, either: Any, user: str) -> None:
    """Parts grow, so that a thousand chunks of a unit take less than a tenth as many settlements."""
    kana.overrides.set(user_id=user, feature_id=meter(user), limit=None, reason="test")
    async with entered(either.reserve(user, {meter(user): 16})) as hold:
        await passed(hold, meter(user), ["a"] * 1000, into=[])
    entries = await value(either.users.entries(user_id=user, feature_id=meter(user)))
    settled = [entry for entry in entries if entry.change]
    assert sum(entry.change for entry in settled) == 1000
    assert 16 < len(settled) < 100


async def test_what_a_count_returns_is_a_whole_number(either: Any, user: str) -> None:
    """Else the stream fails, and nothing is used."""
    with pytest.raises(InvalidValue, match="must be a whole number"):
        async with entered(either.reserve(user, {meter(user): 8})) as hold:
            await passed(hold, meter(user), ["a"], into=[], count=lambda _: 0.5)
    assert await used(either, user) == 0
