"""People: addresses, passwords, roles, and when a session is over."""

from __future__ import annotations

import pytest

from kana.errors import Conflict, InvalidValue, NotFound
from kana.model.colleague import (
    Colleague,
    Invitation,
    Role,
    Session,
    changed_colleague,
    email_address,
    generate_token,
    hash_token,
    normalized,
    password,
)
from tests.support.world import NOON, ONE_DAY, SetClock

ADA = Colleague(email="ada@example.com", role=Role.OWNER, password_hash=None, created_at=NOON)


@pytest.mark.parametrize("text", ["ada@example.com", "a+b@ex", "ü@bücher.example", "a" * 243 + "@example.com"])
def test_an_address_is_something_at_something(text: str) -> None:
    """No more is asked: only a letter proves an address."""
    assert email_address(text) == text


@pytest.mark.parametrize(
    "text",
    ["", "ada", "@", "a@", "@b", "a b@c", "a@b@c", "Ada@example.com", "a@b\n", "<a@b>", "a" * 250 + "@b.example"],
)
def test_what_is_no_address_is_refused(text: str) -> None:
    """Wherever it comes from: as an argument, in a colleague, in an invitation."""
    with pytest.raises(InvalidValue, match="email must be an e-mail address in lower case"):
        email_address(text)
    with pytest.raises(InvalidValue):
        Colleague(email=text, role=Role.VIEWER, password_hash=None, created_at=NOON)
    with pytest.raises(InvalidValue):
        Invitation(hash=b"", email=text, role=Role.VIEWER, expires_at=NOON)


def test_a_password_has_a_length_and_is_never_repeated() -> None:
    """10 to 256 characters; two ways to type the same letter are one password."""
    assert password("a" * 10) == "a" * 10
    assert password("a" * 256) == "a" * 256
    assert normalized("cafe\u0301 au lait") == normalized("caf\u00e9 au lait")
    for text in ("a" * 9, "a" * 257, ""):
        with pytest.raises(InvalidValue) as refused:
            password(text)
        assert refused.value.message == f"password must be 10 to 256 characters, got {len(text)}"
        assert refused.value.field == "password"


def test_roles_cover_those_below() -> None:
    """An owner may do what an editor may, and an editor what a viewer may; never the other way."""
    assert [[role.covers(needed) for needed in Role] for role in Role] == [
        [True, False, False],
        [True, True, False],
        [True, True, True],
    ]


def test_a_session_is_over_when_idle_or_old() -> None:
    """At 30 minutes without use, at 12 hours with it, and not a moment before."""
    clock = SetClock()
    session = Session(hash=b"", email=ADA.email, started_at=NOON, seen_at=NOON)
    assert not session.is_over(clock.advance(minutes=29, seconds=59, milliseconds=999))
    assert session.is_over(clock.advance(milliseconds=1))
    used = Session(hash=b"", email=ADA.email, started_at=NOON, seen_at=clock.advance(hours=11, minutes=15))
    assert not used.is_over(clock.advance(minutes=14, seconds=59, milliseconds=999))
    assert used.is_over(clock.advance(milliseconds=1))


def test_somebody_can_always_invite() -> None:
    """The last enabled owner neither goes nor steps down; with another one they may."""
    bob = Colleague(email="bob@example.com", role=Role.OWNER, password_hash=None, created_at=NOON, disabled_at=NOON)
    colleagues = {ADA.email: ADA, bob.email: bob}
    for how in ({"role": Role.EDITOR}, {"disabled_at": NOON}):
        with pytest.raises(Conflict, match=r"the only owner is ada@example\.com; invite another one first"):
            changed_colleague(colleagues, ADA.email, **how)
    eve = Colleague(email="eve@example.com", role=Role.OWNER, password_hash=None, created_at=NOON)
    both = {**colleagues, eve.email: eve}
    assert changed_colleague(both, ADA.email, role=Role.EDITOR).role is Role.EDITOR
    assert changed_colleague(both, ADA.email, disabled_at=NOON + ONE_DAY).disabled_at == NOON + ONE_DAY
    assert changed_colleague({bob.email: bob}, bob.email, role=Role.VIEWER).role is Role.VIEWER
    with pytest.raises(NotFound, match=r"nobody has the e-mail address 'who@example\.com'"):
        changed_colleague(colleagues, "who@example.com", role=Role.OWNER)


def test_ids_of_sessions_are_random_and_kept_as_hashes() -> None:
    """256 bits each, none like another; any text can be looked up."""
    tokens = {generate_token() for _ in range(1000)}
    assert len(tokens) == 1000
    assert {len(token) for token in tokens} == {43}
    assert len(hash_token("\ud800")) == 32
