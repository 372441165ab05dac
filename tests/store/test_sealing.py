"""Secrets at rest: what a key seals opens with that key, in its own place, and nowhere else."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kana.errors import DatabaseRefused
from kana.store.sealing import UNSEALED, Seal, is_sealed

KEYS = st.binary(min_size=32, max_size=32)
SECRETS = st.binary(min_size=32, max_size=32)


@given(key=KEYS, secret=SECRETS)
def test_what_is_sealed_opens_with_its_key(key: bytes, secret: bytes) -> None:
    """In its own place; nothing of the secret shows, and the same secret is sealed differently each time."""
    seal = Seal([key])
    kept = seal.close(secret, about="a")
    assert is_sealed(kept)
    assert seal.open(kept, about="a") == secret
    assert secret not in kept
    assert key not in kept
    assert kept != seal.close(secret, about="a")


@given(secret=SECRETS)
def test_without_a_key_a_secret_is_kept_as_it_is(secret: bytes) -> None:
    """And with one it still opens, as it was written before."""
    assert UNSEALED.close(secret, about="a") == secret
    assert UNSEALED.open(secret, about="a") == secret
    assert Seal([bytes(32)]).open(secret, about="a") == secret
    assert not is_sealed(secret)


@given(key=KEYS, secret=SECRETS, at=st.integers(0, 68), bit=st.integers(0, 7))
def test_a_sealed_secret_that_was_changed_does_not_open(key: bytes, secret: bytes, at: int, bit: int) -> None:
    """Whichever bit it is: it is refused, or no longer taken for sealed, and never gives another secret."""
    kept = bytearray(Seal([key]).close(secret, about="a"))
    assert len(kept) == 69
    kept[at] ^= 1 << bit
    try:
        opened = Seal([key]).open(bytes(kept), about="a")
    except DatabaseRefused:
        return
    assert opened == kept


def test_a_sealed_secret_does_not_open_in_anothers_place() -> None:
    """What it is about is sealed with it."""
    seal = Seal([bytes(32)])
    kept = seal.close(bytes(32), about="signing secret one of live")
    with pytest.raises(DatabaseRefused, match="or moved to another row"):
        seal.open(kept, about="signing secret one of test")


def test_the_first_key_seals_and_the_others_open() -> None:
    """So that a key is replaced by putting another before it, and left out once nothing is sealed with it."""
    old, new = Seal([b"o" * 32]), Seal([b"n" * 32, b"o" * 32])
    kept = old.close(b"s" * 32, about="a")
    assert new.open(kept, about="a") == b"s" * 32
    assert not new.is_newest(kept)
    anew = new.close(b"s" * 32, about="a")
    assert new.is_newest(anew)
    assert Seal([b"n" * 32]).open(anew, about="a") == b"s" * 32
    with pytest.raises(DatabaseRefused, match="is sealed with the key"):
        old.open(anew, about="a")


@pytest.mark.parametrize(("keys", "has"), [([], "is not set"), ([bytes(32)], "has [0-9a-f]{8};")])
def test_a_key_that_is_missing_or_wrong_is_named(keys: list[bytes], has: str) -> None:
    """The message says which key sealed the secret, which there are, and what to do; never a key itself."""
    kept = Seal([b"k" * 32]).close(b"s" * 32, about="signing secret one of test")
    with pytest.raises(DatabaseRefused) as refused:
        Seal(keys).open(kept, about="signing secret one of test")
    assert re.match(
        f"the signing secret one of test is sealed with the key [0-9a-f]{{8}}, and KANA_SECRET_KEY {has}",
        refused.value.message,
    )
    assert "kana keys seal --forget" in refused.value.message


def test_what_is_newest_depends_on_whether_there_is_a_key() -> None:
    """Without one the plain secret is, with one the sealed one."""
    seal = Seal([bytes(32)])
    kept = seal.close(bytes(32), about="a")
    assert (seal.is_newest(kept), seal.is_newest(bytes(32))) == (True, False)
    assert (UNSEALED.is_newest(kept), UNSEALED.is_newest(bytes(32))) == (False, True)
