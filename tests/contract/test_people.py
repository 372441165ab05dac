"""People, sessions, invitations and tries, as every store keeps them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from functools import partial

import pytest

from kana.engine.ports import Store
from kana.errors import Conflict, NotFound
from kana.model.person import Invitation, Person, Role, Session, changed_person, hash_token
from tests.support.stores import Place
from tests.support.world import MILLISECOND, NOON, ONE_DAY, TESTER

ADA = Person(email="ada@example.com", role=Role.OWNER, password_hash="$argon2id$1", created_at=NOON)
BOB = Person(email="bob@example.com", role=Role.VIEWER, password_hash=None, created_at=NOON + MILLISECOND)
WINDOW = timedelta(minutes=15)


def an_invitation(token: str = "one", **changes: object) -> Invitation:
    """To Ada, as an owner, for a day."""
    made = Invitation(hash=hash_token(token), email=ADA.email, role=Role.OWNER, expires_at=NOON + ONE_DAY)
    return replace(made, **changes)  # type: ignore[arg-type]


def a_session(token: str = "one", **changes: object) -> Session:
    """Ada's, since noon."""
    return replace(Session(hash=hash_token(token), email=ADA.email, started_at=NOON, seen_at=NOON), **changes)  # type: ignore[arg-type]


def _disabled(email: str, people: Mapping[str, Person]) -> Person:
    return changed_person(people, email, disabled_at=NOON)


async def put(store: Store, person: Person) -> None:
    """Put a person, whatever was there."""
    await store.change_people(lambda _: person, by=TESTER, now=NOON)


async def test_people_come_back_as_they_were_put(store: Store, place: Place) -> None:
    """The oldest first, with or without a password, changed in place; another store reads them at once."""
    assert await store.people() == {}
    await put(store, BOB)
    await put(store, ADA)
    disabled = replace(BOB, disabled_at=NOON + ONE_DAY)
    await put(store, disabled)
    another = await place.open()
    assert list((await another.people()).items()) == [(ADA.email, ADA), (BOB.email, disabled)]
    await another.close()


async def test_a_refused_change_writes_nothing(store: Store) -> None:
    """What the rule raises is raised, and sessions stay."""
    await put(store, ADA)
    await store.add_session(a_session())
    with pytest.raises(Conflict, match=r"nobody but ada@example\.com is an owner"):
        await store.change_people(
            lambda people: changed_person(people, ADA.email, role=Role.VIEWER), by=TESTER, now=NOON
        )
    assert await store.people() == {ADA.email: ADA}
    assert await store.session(hash_token("one")) == (a_session(), ADA)


async def test_of_two_owners_who_go_at_once_one_stays(store: Store, place: Place) -> None:
    """Changes are made one after the other, over two stores too: somebody can always invite."""
    another = await place.open()
    for _ in range(5):
        await put(store, ADA)
        await put(store, replace(BOB, role=Role.OWNER))
        done = await asyncio.gather(
            *(
                each.change_people(partial(_disabled, email), by=TESTER, now=NOON)
                for each, email in ((store, ADA.email), (another, BOB.email))
            ),
            return_exceptions=True,
        )
        assert sorted(type(result).__name__ for result in done) == ["Conflict", "Person"]
    await another.close()


async def test_an_invitation_is_used_once(store: Store, place: Place) -> None:
    """Of many who come with one link, over two stores, one gets in; the earlier sessions of that person end."""
    await put(store, ADA)
    await store.add_session(a_session())
    await store.add_invitation(an_invitation(), by=TESTER, now=NOON)
    another = await place.open()
    accepted = replace(ADA, password_hash="$argon2id$2")
    done = await asyncio.gather(
        *(
            each.accept_invitation(hash_token("one"), lambda _, __: accepted, now=NOON)
            for each in (store, another, store, another)
        ),
        return_exceptions=True,
    )
    assert sorted(type(result).__name__ for result in done) == ["NotFound"] * 3 + ["Person"]
    assert await another.people() == {ADA.email: accepted}
    assert await another.session(hash_token("one")) is None
    await another.close()


async def test_a_refused_acceptance_leaves_the_invitation(store: Store) -> None:
    """What the rule raises undoes the use of the link."""
    await store.add_invitation(an_invitation(), by=TESTER, now=NOON)

    def refuse(invitation: Invitation, people: Mapping[str, Person]) -> Person:
        assert (invitation, people) == (an_invitation(), {})
        raise Conflict("no")

    with pytest.raises(Conflict, match="no"):
        await store.accept_invitation(hash_token("one"), refuse, now=NOON)
    assert await store.invitation(hash_token("one")) == an_invitation()
    with pytest.raises(NotFound):
        await store.accept_invitation(hash_token("never"), refuse, now=NOON)


async def test_a_new_invitation_takes_the_place_of_those_to_the_same_address(store: Store) -> None:
    """Links to others stay, expired ones go; one to nobody in particular is a kind of its own."""
    nobody = an_invitation("nobody", email=None)
    bobs = an_invitation("bob", email=BOB.email, expires_at=NOON + MILLISECOND)
    for each in (an_invitation("old"), nobody, bobs, an_invitation("new")):
        await store.add_invitation(each, by=TESTER, now=NOON)
    assert await store.invitation(hash_token("old")) is None
    assert await store.invitation_to(ADA.email) == an_invitation("new")
    assert await store.invitation(hash_token("nobody")) == nobody
    assert await store.invitation_to(BOB.email) == bobs
    await store.add_invitation(an_invitation("newest"), by=TESTER, now=NOON + MILLISECOND)
    assert await store.invitation_to(BOB.email) is None
    await store.add_invitation(an_invitation("somebody", email=None), by=TESTER, now=NOON)
    assert await store.invitation(hash_token("nobody")) is None


async def test_sessions_are_kept_seen_and_ended(store: Store) -> None:
    """One by one and all of a person; the time of the last use only grows; those that are over are forgotten."""
    await put(store, ADA)
    await put(store, BOB)
    for token, email in (("one", ADA.email), ("two", ADA.email), ("three", ADA.email), ("bob", BOB.email)):
        await store.add_session(a_session(token, email=email))
    await store.touch_session(hash_token("one"), now=NOON + ONE_DAY)
    await store.touch_session(hash_token("one"), now=NOON)
    assert await store.session(hash_token("one")) == (a_session(seen_at=NOON + ONE_DAY), ADA)
    await store.end_session(hash_token("two"))
    await store.end_session(hash_token("two"))
    assert await store.session(hash_token("two")) is None
    assert await store.session(hash_token("three")) is not None
    await store.end_sessions(ADA.email)
    assert await store.session(hash_token("three")) is None
    assert await store.session(hash_token("bob")) == (a_session("bob", email=BOB.email), BOB)
    late = NOON + timedelta(minutes=30)
    await store.add_session(a_session("late", started_at=late, seen_at=late))
    assert await store.session(hash_token("bob")) is None


async def test_tries_are_counted_from_the_first_on(store: Store, place: Place) -> None:
    """A window ends a quarter of an hour after its first try, whatever came later; every process counts."""
    another = await place.open()
    counts = await asyncio.gather(*(each.take_try(b"a" * 32, now=NOON) for each in (store, another) * 4))
    assert sorted(counts) == list(range(1, 9))
    assert await store.take_try(b"a" * 32, now=NOON + WINDOW - MILLISECOND) == 9
    assert await store.take_try(b"b" * 32, now=NOON + WINDOW - MILLISECOND) == 1
    assert await store.take_try(b"a" * 32, now=NOON + WINDOW) == 1
    assert await store.take_try(b"b" * 32, now=NOON + WINDOW) == 2
    await store.forget_tries(b"b" * 32)
    assert await store.take_try(b"b" * 32, now=NOON + WINDOW) == 1
    await another.close()
