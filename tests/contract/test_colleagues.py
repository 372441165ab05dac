"""People, sessions, invitations and tries, as every store keeps them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any

import pytest

from kana.engine.ports.store import Store
from kana.errors import Conflict, NotFound
from kana.model.colleague import Colleague, Invitation, Role, Session, changed_colleague, hash_token
from kana.model.throttle import TRIES_KEPT, Patience, Throttle
from tests.support.stores import Place
from tests.support.world import MILLISECOND, NOON, ONE_DAY, TESTER

ADA = Colleague(email="ada@example.com", role=Role.OWNER, password_hash="$argon2id$1", created_at=NOON)
BOB = Colleague(email="bob@example.com", role=Role.VIEWER, password_hash=None, created_at=NOON + MILLISECOND)


def an_invitation(token: str = "one", **changes: object) -> Invitation:
    """To Ada, as an owner, for a day."""
    made = Invitation(hash=hash_token(token), email=ADA.email, role=Role.OWNER, expires_at=NOON + ONE_DAY)
    return replace(made, **changes)  # type: ignore[arg-type]


def a_session(token: str = "one", **changes: object) -> Session:
    """Ada's, since noon."""
    return replace(Session(hash=hash_token(token), email=ADA.email, started_at=NOON, seen_at=NOON), **changes)  # type: ignore[arg-type]


def _disabled(email: str, colleagues: Mapping[str, Colleague]) -> Colleague:
    return changed_colleague(colleagues, email, disabled_at=NOON)


async def put(store: Store, colleague: Colleague) -> None:
    """Put a colleague, whatever was there."""
    await store.colleagues.change_colleague(lambda _: colleague, by=TESTER, now=NOON)


async def test_colleagues_come_back_as_they_were_put(store: Store, place: Place) -> None:
    """The oldest first, with or without a password, changed in place; another store reads them at once."""
    assert await store.colleagues.colleagues() == {}
    await put(store, BOB)
    await put(store, ADA)
    disabled = replace(BOB, disabled_at=NOON + ONE_DAY)
    await put(store, disabled)
    another = await place.open()
    assert list((await another.colleagues.colleagues()).items()) == [(ADA.email, ADA), (BOB.email, disabled)]
    await another.close()


async def test_a_refused_change_writes_nothing(store: Store) -> None:
    """What the rule raises is raised, and sessions stay."""
    await put(store, ADA)
    await store.colleagues.add_session(a_session(), ADA)
    with pytest.raises(Conflict, match=r"the only owner is ada@example\.com"):
        await store.colleagues.change_colleague(
            lambda colleagues: changed_colleague(colleagues, ADA.email, role=Role.VIEWER), by=TESTER, now=NOON
        )
    assert await store.colleagues.colleagues() == {ADA.email: ADA}
    assert await store.colleagues.session(hash_token("one")) == (a_session(), ADA)


async def test_of_two_owners_who_go_at_once_one_stays(store: Store, place: Place) -> None:
    """Changes are made one after the other, over two stores too: somebody can always invite."""
    another = await place.open()
    for _ in range(5):
        await put(store, ADA)
        await put(store, replace(BOB, role=Role.OWNER))
        done = await asyncio.gather(
            *(
                each.colleagues.change_colleague(partial(_disabled, email), by=TESTER, now=NOON)
                for each, email in ((store, ADA.email), (another, BOB.email))
            ),
            return_exceptions=True,
        )
        assert sorted(type(result).__name__ for result in done) == ["Colleague", "Conflict"]
    await another.close()


async def test_an_invitation_is_used_once(store: Store, place: Place) -> None:
    """Of many who come with one link, over two stores, one gets in; the earlier sessions of that colleague end."""
    await put(store, ADA)
    await store.colleagues.add_session(a_session(), ADA)
    await store.colleagues.add_invitation(an_invitation(), by=TESTER, now=NOON)
    another = await place.open()
    accepted = replace(ADA, password_hash="$argon2id$2")
    done = await asyncio.gather(
        *(
            each.colleagues.accept_invitation(hash_token("one"), lambda _, __: accepted, now=NOON)
            for each in (store, another, store, another)
        ),
        return_exceptions=True,
    )
    assert sorted(type(result).__name__ for result in done) == ["Colleague"] + ["NotFound"] * 3
    assert await another.colleagues.colleagues() == {ADA.email: accepted}
    assert await another.colleagues.session(hash_token("one")) is None
    await another.close()


async def test_a_refused_acceptance_leaves_the_invitation(store: Store) -> None:
    """What the rule raises undoes the use of the link."""
    await store.colleagues.add_invitation(an_invitation(), by=TESTER, now=NOON)

    def refuse(invitation: Invitation, colleagues: Mapping[str, Colleague]) -> Colleague:
        assert (invitation, colleagues) == (an_invitation(), {})
        raise Conflict("no")

    with pytest.raises(Conflict, match="no"):
        await store.colleagues.accept_invitation(hash_token("one"), refuse, now=NOON)
    assert await store.colleagues.invitation(hash_token("one")) == an_invitation()
    with pytest.raises(NotFound):
        await store.colleagues.accept_invitation(hash_token("never"), refuse, now=NOON)


async def test_a_new_invitation_takes_the_place_of_those_to_the_same_address(store: Store) -> None:
    """Links to others stay, expired ones go; one to nobody in particular is a kind of its own."""
    nobody = an_invitation("nobody", email=None)
    bobs = an_invitation("bob", email=BOB.email, expires_at=NOON + MILLISECOND)
    for each in (an_invitation("old"), nobody, bobs, an_invitation("new")):
        await store.colleagues.add_invitation(each, by=TESTER, now=NOON)
    assert await store.colleagues.invitation(hash_token("old")) is None
    assert await store.colleagues.invitation_to(ADA.email) == an_invitation("new")
    assert await store.colleagues.invitation(hash_token("nobody")) == nobody
    assert await store.colleagues.invitation_to(BOB.email) == bobs
    await store.colleagues.add_invitation(an_invitation("newest"), by=TESTER, now=NOON + MILLISECOND)
    assert await store.colleagues.invitation_to(BOB.email) is None
    await store.colleagues.add_invitation(an_invitation("somebody", email=None), by=TESTER, now=NOON)
    assert await store.colleagues.invitation(hash_token("nobody")) is None


async def test_sessions_are_kept_seen_and_ended(store: Store) -> None:
    """One by one and all of a colleague; the time of the last use only grows; those that are over are forgotten."""
    await put(store, ADA)
    await put(store, BOB)
    for token, email in (("one", ADA.email), ("two", ADA.email), ("three", ADA.email), ("bob", BOB.email)):
        assert await store.colleagues.add_session(a_session(token, email=email), ADA if email == ADA.email else BOB)
    await store.colleagues.touch_session(hash_token("one"), now=NOON + ONE_DAY)
    await store.colleagues.touch_session(hash_token("one"), now=NOON)
    assert await store.colleagues.session(hash_token("one")) == (a_session(seen_at=NOON + ONE_DAY), ADA)
    await store.colleagues.end_session(hash_token("two"))
    await store.colleagues.end_session(hash_token("two"))
    assert await store.colleagues.session(hash_token("two")) is None
    assert await store.colleagues.session(hash_token("three")) is not None
    await store.colleagues.end_sessions(ADA.email)
    assert await store.colleagues.session(hash_token("three")) is None
    assert await store.colleagues.session(hash_token("bob")) == (a_session("bob", email=BOB.email), BOB)
    late = NOON + timedelta(minutes=30)
    await store.colleagues.add_session(a_session("late", started_at=late, seen_at=late), ADA)
    assert await store.colleagues.session(hash_token("bob")) is None


async def test_a_session_is_for_who_is_still_as_they_were(store: Store) -> None:
    """Whoever was disabled, or got another password, between being looked up and being let in, is not let in."""
    await put(store, ADA)
    await put(store, BOB)
    assert not await store.colleagues.add_session(a_session("old"), replace(ADA, password_hash="$argon2id$0"))
    assert await store.colleagues.session(hash_token("old")) is None
    assert await store.colleagues.add_session(a_session("bob", email=BOB.email), BOB)
    await put(store, replace(BOB, disabled_at=NOON))
    assert not await store.colleagues.add_session(a_session("late", email=BOB.email), BOB)
    assert not await store.colleagues.add_session(
        a_session("nobody", email="no@example.com"), replace(BOB, email="no@example.com")
    )


@pytest.mark.parametrize("change", [{"role": Role.VIEWER}, {"disabled_at": NOON}, {"password_hash": "$argon2id$3"}])
async def test_links_end_with_what_they_rested_on(store: Store, change: dict[str, Any]) -> None:
    """Any change of a colleague ends the links to them; those they made end when they may invite no more."""
    await put(store, ADA)
    await put(store, replace(BOB, role=Role.OWNER))
    links = {
        "to ada": an_invitation("to ada"),
        "from ada": an_invitation("from ada", email="eve@example.com", invited_by=ADA.email),
        "from bob": an_invitation("from bob", email="dan@example.com", invited_by=BOB.email),
        "from the command": an_invitation("from the command", email="fay@example.com"),
    }
    for each in links.values():
        await store.colleagues.add_invitation(each, by=TESTER, now=NOON)
    await put(store, replace(ADA, **change))
    stays = {"from bob", "from the command"} | ({"from ada"} if "password_hash" in change else set())
    assert {each.hash for each in await store.colleagues.invitations()} == {links[name].hash for name in stays}


async def test_a_refused_change_leaves_links(store: Store) -> None:
    """The only owner stays one, and the link to them works on."""
    await put(store, ADA)
    await store.colleagues.add_invitation(an_invitation(), by=TESTER, now=NOON)
    with pytest.raises(Conflict):
        await store.colleagues.change_colleague(partial(_disabled, ADA.email), by=TESTER, now=NOON)
    assert await store.colleagues.invitations() == [an_invitation()]


async def test_a_link_for_the_first_owner_ends_when_there_is_anybody(store: Store) -> None:
    """It has done its work, or somebody else came first."""
    await store.colleagues.add_invitation(an_invitation("first", email=None), by=TESTER, now=NOON)
    await put(store, ADA)
    assert await store.colleagues.invitations() == []


async def test_a_link_is_withdrawn_once(store: Store) -> None:
    """What was withdrawn is returned and opens nothing; the second time there is nothing."""
    await store.colleagues.add_invitation(an_invitation(), by=TESTER, now=NOON)
    assert await store.colleagues.withdraw_invitation(hash_token("one"), by=TESTER, now=NOON) == an_invitation()
    assert await store.colleagues.withdraw_invitation(hash_token("one"), by=TESTER, now=NOON) is None
    assert await store.colleagues.withdraw_invitation(b"", by=TESTER, now=NOON) is None
    assert await store.colleagues.invitation(hash_token("one")) is None


async def test_of_a_link_and_a_change_at_once_the_change_wins(store: Store, place: Place) -> None:
    """Over two stores: whichever comes first, whoever was disabled stays disabled, or was let in before it."""
    another = await place.open()
    await put(store, ADA)
    for number in range(6):
        token = f"race {number}"
        await put(store, replace(BOB, password_hash="$argon2id$1"))
        await store.colleagues.add_invitation(an_invitation(token, email=BOB.email), by=TESTER, now=NOON)
        await asyncio.gather(
            another.colleagues.accept_invitation(hash_token(token), lambda _, __: BOB, now=NOON),
            store.colleagues.change_colleague(partial(_disabled, BOB.email), by=TESTER, now=NOON),
            return_exceptions=True,
        )
        if (await store.colleagues.colleagues())[BOB.email].is_enabled:
            await store.colleagues.change_colleague(partial(_disabled, BOB.email), by=TESTER, now=NOON)
        with pytest.raises(NotFound):
            await another.colleagues.accept_invitation(hash_token(token), lambda _, __: BOB, now=NOON)
    await another.close()


PATIENCE = Patience(free=3, first_s=10, longest_s=60, is_own=True)
OWN, OTHERS = Throttle(b"a" * 32, PATIENCE), Throttle(b"b" * 32, replace(PATIENCE, free=5, is_own=False))


async def test_of_tries_at_once_no_more_go_through_than_are_free(store: Store, place: Place) -> None:
    """Every process counts, and who has to wait is not counted."""
    another = await place.open()
    waits = await asyncio.gather(*(each.colleagues.take_try([OWN], now=NOON) for each in (store, another) * 5))
    assert sorted(waits) == [0] * 3 + [10] * 7
    await another.close()


async def test_a_try_waits_for_the_longest_of_its_throttles(store: Store) -> None:
    """And then counts against none of them, nor does a right one against what others share."""
    assert [await store.colleagues.take_try([OWN, OTHERS], now=NOON) for _ in range(3)] == [0, 0, 0]
    assert await store.colleagues.take_try([OWN, OTHERS], now=NOON) == 10
    assert [await store.colleagues.take_try([OTHERS], now=NOON) for _ in range(3)] == [0, 0, 10]
    later = NOON + timedelta(seconds=10)
    assert await store.colleagues.take_try([OWN, OTHERS], now=later) == 0
    await store.colleagues.return_try([OWN, OTHERS])
    assert [await store.colleagues.take_try([OWN], now=later) for _ in range(4)] == [0, 0, 0, 10]
    assert await store.colleagues.take_try([OTHERS], now=later) == 10, "five others' failures stand"
    await store.colleagues.return_try([OTHERS, Throttle(b"c" * 32, OTHERS.patience)])
    assert await store.colleagues.take_try([OTHERS], now=later) == 0


async def test_tries_are_forgotten_after_an_hour_and_when_there_are_too_many(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The oldest go first, so that no stranger fills the disk."""
    for _ in range(3):
        await store.colleagues.take_try([OWN], now=NOON)
    assert await store.colleagues.take_try([OWN], now=NOON + TRIES_KEPT - MILLISECOND) == 0
    assert await store.colleagues.take_try([OWN], now=NOON + TRIES_KEPT) == 20
    assert await store.colleagues.take_try([OWN], now=NOON + 2 * TRIES_KEPT - MILLISECOND) == 0
    assert [await store.colleagues.take_try([OWN], now=NOON + 3 * TRIES_KEPT) for _ in range(4)] == [0, 0, 0, 10]
    monkeypatch.setattr("kana.store.colleagues.TRIES_KEPT_MAX", 4)
    for number in range(20):
        await store.colleagues.take_try(
            [Throttle(bytes([number]) * 32, PATIENCE)], now=NOON + 3 * TRIES_KEPT + MILLISECOND
        )
    assert await store.colleagues.take_try([OWN], now=NOON + 3 * TRIES_KEPT + MILLISECOND) == 0
