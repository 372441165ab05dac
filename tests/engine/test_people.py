"""The verbs about people, on a real file."""

from __future__ import annotations

from pathlib import Path

import pytest

from kana.engine.people import REFUSED, PeopleEngine
from kana.errors import InvalidValue, NotFound, RateLimited, Unauthenticated
from kana.model.person import Role
from kana.store.sqlite import SqliteStore
from tests.support.stores import furnish_workspace
from tests.support.world import TESTER, SetClock

HERE = "127.0.0.1"


class PlainPasswords:
    """Keeps what it is given and notes what it compared, as fast as tests need."""

    def __init__(self) -> None:
        self.compared: list[str | None] = []

    async def hash(self, text: str) -> str:
        return f"hash of {text}"

    async def verify(self, text: str, hashed: str | None) -> bool:
        self.compared.append(hashed)
        return hashed == f"hash of {text}"


class People:
    """The engine, its clock and its passwords."""

    def __init__(self, store: SqliteStore) -> None:
        self.clock, self.passwords = SetClock(), PlainPasswords()
        self.engine = PeopleEngine(store, clock=self.clock, passwords=self.passwords)

    async def ada(self, role: Role = Role.OWNER) -> str:
        """Invite Ada and let her in; return the id of her session."""
        token = await self.engine.invite(" Ada@Example.com", role, by=TESTER)
        return (await self.engine.accept(token, email="ignored", password_text="quiet words")).token


@pytest.fixture
async def people(tmp_path: Path):  # type: ignore[no-untyped-def]
    """An engine on an empty file."""
    store = SqliteStore(str(tmp_path / "kana.db"))
    await furnish_workspace(store)
    yield People(store)
    await store.close()


async def test_the_first_owner_says_who_they_are(people: People) -> None:
    """Once; a second link for a first owner is worth nothing when there is one."""
    one = await people.engine.invite_first(by=TESTER)
    assert one is not None
    signed_in = await people.engine.accept(one, email=" Ada@Example.com ", password_text="quiet words")
    assert (signed_in.person.email, signed_in.person.role) == ("ada@example.com", Role.OWNER)
    assert await people.engine.invite_first(by=TESTER) is None


async def test_a_first_link_ends_when_somebody_is_there(people: People) -> None:
    """Whoever was invited meanwhile by name came first."""
    first = await people.engine.invite_first(by=TESTER)
    await people.ada()
    assert first is not None
    with pytest.raises(NotFound, match="there is an owner already"):
        await people.engine.accept(first, email="eve@example.com", password_text="quiet words")
    assert list(await people.engine.people()) == ["ada@example.com"]


async def test_an_invitation_ends_after_three_days(people: People) -> None:
    """To the moment; and an address or a password that is none uses no link up."""
    token = await people.engine.invite("ada@example.com", Role.VIEWER, by=TESTER)
    with pytest.raises(InvalidValue, match="password must be"):
        await people.engine.accept(token, email="", password_text="short")
    people.clock.advance(days=3, milliseconds=-1)
    assert (await people.engine.invitation(token)).role is Role.VIEWER
    people.clock.advance(milliseconds=1)
    with pytest.raises(NotFound, match="used already, or is too old"):
        await people.engine.accept(token, email="", password_text="quiet words")
    with pytest.raises(InvalidValue):
        await people.engine.invite("ada", Role.VIEWER, by=TESTER)


async def test_another_invitation_is_another_password(people: People) -> None:
    """For somebody who is there: the role changes too, sessions end, and they stay who they were since."""
    session = await people.ada(Role.EDITOR)
    since = (await people.engine.people())["ada@example.com"].created_at
    people.clock.advance(days=1)
    token = await people.engine.invite("ada@example.com", Role.OWNER, by=TESTER)
    signed_in = await people.engine.accept(token, email="", password_text="other words")
    assert (signed_in.person.role, signed_in.person.created_at) == (Role.OWNER, since)
    assert await people.engine.person_of(session) is None
    assert await people.engine.person_of(signed_in.token) == signed_in.person


async def test_everybody_who_is_refused_takes_as_long(people: People) -> None:
    """For an unknown or a disabled person a password is compared too, with nothing that it could equal."""
    await people.ada()
    token = await people.engine.invite("bob@example.com", Role.VIEWER, by=TESTER)
    await people.engine.accept(token, email="", password_text="quiet words")
    await people.engine.disable("bob@example.com", by=TESTER)
    for email in ("nobody@example.com", "bob@example.com", "ada@example.com"):
        with pytest.raises(Unauthenticated, match=REFUSED):
            await people.engine.sign_in(email, "wrong words", address=HERE)
    assert people.passwords.compared == [None, None, "hash of quiet words"]


async def test_too_many_tries_are_not_looked_at(people: People) -> None:
    """The sixth is refused before anything is compared; from another address the account is open."""
    await people.ada()
    for _ in range(5):
        with pytest.raises(Unauthenticated):
            await people.engine.sign_in("ada@example.com", "wrong words", address=HERE)
    with pytest.raises(RateLimited) as refused:
        await people.engine.sign_in("ada@example.com", "quiet words", address=HERE)
    assert refused.value.retry_after_s == 900
    assert len(people.passwords.compared) == 5
    signed_in = await people.engine.sign_in(" ADA@example.com", "quiet words", address="127.0.0.2")
    assert signed_in.person.email == "ada@example.com"


async def test_a_session_lives_by_being_used(people: People) -> None:
    """Its use is written once a minute at most, and keeps it alive; a disabled person has none."""
    token = await people.ada()
    for _ in range(4):
        people.clock.advance(minutes=20)
        assert await people.engine.person_of(token) is not None
        people.clock.advance(seconds=59)
        assert await people.engine.person_of(token) is not None
    people.clock.advance(minutes=30)
    assert await people.engine.person_of(token) is None
    assert await people.engine.person_of("made up") is None


async def test_sessions_end_by_one_and_by_all(people: People) -> None:
    """Signing out ends one, everywhere all."""
    one = await people.ada()
    two = (await people.engine.sign_in("ada@example.com", "quiet words", address=HERE)).token
    ada = await people.engine.person_of(one)
    assert ada is not None
    await people.engine.sign_out(one)
    assert [await people.engine.person_of(token) for token in (one, two)] == [None, ada]
    await people.engine.sign_out_everywhere(ada)
    assert await people.engine.person_of(two) is None


async def test_a_role_and_a_password_are_changed(people: People) -> None:
    """The password by who knows the present one."""
    token = await people.ada()
    other = await people.engine.invite("bob@example.com", Role.OWNER, by=TESTER)
    await people.engine.accept(other, email="", password_text="quiet words")
    ada = await people.engine.person_of(token)
    assert ada is not None
    with pytest.raises(InvalidValue, match="the present password is not this one"):
        await people.engine.change_password(ada, old="wrong words", new="other words", by=TESTER)
    signed_in = await people.engine.change_password(ada, old="quiet words", new="other words", by=TESTER)
    assert await people.engine.person_of(token) is None
    assert await people.engine.person_of(signed_in.token) is not None
    assert (await people.engine.change_role("ada@example.com", Role.VIEWER, by=TESTER)).role is Role.VIEWER


async def test_a_provider_of_identity_lets_in_who_is_invited(people: People) -> None:
    """By their invitation, which is used up, or as the person they are; nobody else."""
    for email in ("nobody@example.com", "ada@example.com"):
        with pytest.raises(Unauthenticated, match="Nobody with this e-mail address was invited"):
            await people.engine.sign_in_by_provider(email)
    token = await people.engine.invite("ada@example.com", Role.EDITOR, by=TESTER)
    first = await people.engine.sign_in_by_provider("Ada@example.com")
    assert (first.person.role, first.person.password_hash) == (Role.EDITOR, None)
    with pytest.raises(NotFound):
        await people.engine.invitation(token)
    again = await people.engine.sign_in_by_provider("ada@example.com")
    assert again.person == first.person
    await people.engine.invite("late@example.com", Role.EDITOR, by=TESTER)
    people.clock.advance(days=3)
    with pytest.raises(Unauthenticated):
        await people.engine.sign_in_by_provider("late@example.com")
    await people.ada()
    disabled = await people.engine.invite("bob@example.com", Role.VIEWER, by=TESTER)
    await people.engine.accept(disabled, email="", password_text="quiet words")
    await people.engine.disable("bob@example.com", by=TESTER)
    with pytest.raises(Unauthenticated):
        await people.engine.sign_in_by_provider("bob@example.com")
