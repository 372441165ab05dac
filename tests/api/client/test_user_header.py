"""The X-User-ID header: an id of any script, percent-encoded or as it is."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kana.api.client.context import id_in
from tests.api.client.calls import post, public_key
from tests.support.serving import Served

UNESCAPED = "ABCabc019-_.!~*'()"
"""What encodeURIComponent leaves as it is, in part."""

IDS = st.text(st.characters(exclude_categories=["Cs"])) | st.text("%0123456789abcdefABCDEF{} é")


@given(IDS, st.sampled_from(["", UNESCAPED, "/", "/:@!$&'()*+,;="]))
def test_an_encoded_id_comes_back(user_id: str, safe: str) -> None:
    """Whatever it is, and whichever characters an encoder spares: a % is never among them."""
    if user_id.isascii() and " " not in user_id and user_id.isprintable() and quote(user_id, safe=safe) == user_id:
        assert "%" not in user_id
    assert id_in(quote(user_id, safe=safe).encode()) == user_id


@given(
    st.text(st.characters(min_codepoint=32, max_codepoint=0x10FFFF, exclude_categories=["Cs"], exclude_characters="%"))
)
def test_an_id_without_a_percent_sign_is_taken_as_it_is(user_id: str) -> None:
    """Published clients encode nothing."""
    assert id_in(user_id.encode()) == user_id


@pytest.mark.parametrize(
    ("header", "user_id"),
    [
        (b"zo%C3%AB", "zoë"),
        (b"zo%c3%ab", "zoë"),
        ("zoë".encode(), "zoë"),
        ("zoë".encode("latin-1"), "zoë"),
        (b"ada%40example.com", "ada@example.com"),
        (b"a%20b", "a b"),
        (b"a%2Fb", "a/b"),
        (b"a%2541", "a%41"),
        (b"a%25", "a%"),
        (b"100%", "100%"),
        (b"50%off", "50%off"),
        (b"%", "%"),
        (b"%zz", "%zz"),
        (b"a%41", "a%41"),
        (b"a%7e", "a%7e"),
        (b"a%2d%2E%5f", "a%2d%2E%5f"),
        (b"a%40%41", "a%40%41"),
        (b"a%40%", "a%40%"),
        (b"a%20 b", "a%20 b"),
        (b"%FF%FE", "%FF%FE"),
        (b"%ED%A0%BD", "%ED%A0%BD"),
        (b"zo%eb", "zo%eb"),
        ("é%40".encode(), "é%40"),
    ],
)
def test_what_no_encoder_makes_is_taken_as_it_is(header: bytes, user_id: str) -> None:
    """An escape of what needs none, one that is not whole, and bytes that are no UTF-8 are part of the id."""
    assert id_in(header) == user_id


def test_an_encoded_header_names_its_user(served: Served) -> None:
    """Over HTTP, as a browser sends it."""
    served.ask(
        'mutation { createUser(input: {id: "zoë"}) { id } subscribe(userId: "zoë", packageIds: ["basic"]) { id } }'
    )
    for header in (b"zo%C3%AB", "zoë".encode(), "zoë".encode("latin-1")):
        headers: dict[str, str | bytes] = {"Authorization": public_key(served), "X-User-ID": header}
        body = post(served, headers, "{ currentUser { id subscribedPackages { id } } }").json()
        assert body["data"]["currentUser"] == {"id": "zoë", "subscribedPackages": [{"id": "basic"}]}
