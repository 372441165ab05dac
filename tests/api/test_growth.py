"""What strangers send costs in proportion to its size, whatever it is made of."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Callable
from contextlib import suppress

import pytest
from starlette.requests import Request

from kana.api.admin.inputs import given_ids
from kana.api.body import read_json
from kana.api.parts import read_parts
from kana.dashboard.security import cookie_of
from kana.errors import InvalidValue
from tests.support.growth import GROWTH_MAX, growth


def refused(body: bytes) -> str:
    """What the body is refused with; its field too where one is named."""
    with pytest.raises(InvalidValue) as raised:
        read_json(body)
    return raised.value.message


def keys_of_which_the_last_stands_twice(size: int) -> bytes:
    return b"{" + b",".join(b'"k%d":1' % n for n in range(size)) + b',"k%d":1}' % (size - 1)


def a_list_under_a_long_key(size: int) -> bytes:
    return b'{"' + b"k" * size + b'":[' + b"0," * (size // 2) + b'"\\ud800"]}'


def keys_over_keys(size: int) -> bytes:
    """Each key as long as the body is deep."""
    return b"".join(b'{"%s":' % (b"k" * 100) for _ in range(size)) + b'"\\ud800"' + b"}" * size


BODIES: dict[str, tuple[Callable[[int], bytes], int]] = {
    "a key that stands twice, found last": (keys_of_which_the_last_stands_twice, 2_000),
    "half a pair at the end of a list": (lambda n: b"[" + b'"a",' * n + b'"\\ud800"]', 4_000),
    "half a pair under a long key": (a_list_under_a_long_key, 8_000),
    "half a pair under many long keys": (keys_over_keys, 200),
    "whole pairs": (lambda n: b'["' + b"\\ud83c\\udfc3" * n + b'"]', 4_000),
    "escaped backslashes": (lambda n: b'["' + b"\\\\" * n + b'"]', 8_000),
    "escaped backslashes before half a pair": (lambda n: b'["' + b"\\\\" * n + b'\\ud800"]', 8_000),
    "digits before a point": (lambda n: b"[" + b"1" * n + b".5]", 16_000),
    "digits after a point": (lambda n: b"[0." + b"1" * n + b"]", 16_000),
    "digits of an exponent": (lambda n: b"[1e" + b"1" * n + b"]", 16_000),
    "digits of one whole number": (lambda n: b"[" + b"1" * n + b"]", 16_000),
    "long whole numbers": (lambda n: b"[" + b",".join([b"1" * 4_000] * n) + b"]", 8),
    "brackets that never close": (lambda n: b"[" * n, 16_000),
    "blanks": (lambda n: b" " * n + b"[]", 16_000),
    "a text that never ends": (lambda n: b'["' + b"a" * n, 16_000),
    "line ends before what is wrong": (lambda n: b"\n" * n + b"!", 16_000),
    "objects": (lambda n: b"[" + b"{}," * n + b"{}]", 4_000),
    "numbers": (lambda n: b"[" + b"0," * n + b"0]", 8_000),
}


@pytest.mark.parametrize("read_all", [read_json, lambda content: read_parts(content).all_but()])
@pytest.mark.parametrize("body", BODIES)
def test_reading_a_body_takes_time_in_proportion_to_its_length(body: str, read_all: Callable[[bytes], object]) -> None:
    """Right or wrong, as a whole or in parts, no JSON takes more than its share."""
    make, size = BODIES[body]

    def work(size: int) -> Callable[[], object]:
        content = make(size)

        def read() -> None:
            with suppress(InvalidValue):
                read_all(content)

        return read

    assert growth(work, size=size) < GROWTH_MAX


@pytest.mark.parametrize("body", ["half a pair under a long key", "half a pair under many long keys"])
def test_reading_a_body_takes_memory_in_proportion_to_its_length(body: str) -> None:
    """The place of what is wrong is put into words once, and not for every element that could be."""
    make, size = BODIES[body]
    content = make(size * 4)
    tracemalloc.start()
    try:
        refused(content)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 40 * len(content)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (
            keys_of_which_the_last_stands_twice(3),
            "body must be JSON: the key 'k2' is repeated in one object",
        ),
        (
            b'{"a": 1, "b": 2, "b": 3, "a": 4}',
            "body must be JSON: the key 'b' is repeated in one object",
        ),
        (
            b'{"%s": 1, "%s": 1}' % (b"x" * 1_000, b"x" * 1_000),
            f"body must be JSON: the key '{'x' * 63} is repeated in one object",
        ),
        (
            b'{"a": [1, {"b": ["x", "\\uDFFF"]}]}',
            "body.a[1].b[1] contains half of a surrogate pair, which is not a character",
        ),
        (b'{"a": {"\\ud800": 1}}', "a key in body.a contains half of a surrogate pair"),
        (b'"\\ud800"', "body contains half of a surrogate pair, which is not a character"),
        (
            b'{"%s": ["\\ud800"]}' % (b"k" * 50_000),
            f"body.{'k' * 95}…{'k' * 97}[0] contains half of a surrogate pair, which is not a character",
        ),
    ],
)
def test_what_is_wrong_is_named_shortly(body: bytes, message: str) -> None:
    """The first key that stands twice, or the place of what no database stores, in a sentence and not a page."""
    assert refused(body) == message


@pytest.mark.parametrize(
    ("text", "is_whole"),
    [
        (r"\ud83c\udfc3", True),
        (r"\\ud83c", True),
        (r"\\\\ud83c", True),
        (r"\\\ud83c", False),
        (r"\ud83c", False),
        (r"\udfc3", False),
        (r"\ud83c\ud83c\udfc3", False),
        (r"\udfc3\ud83c\udfc3", False),
        (r"\ud83c\\udfc3", False),
        (r"\ud83c \udfc3", False),
        (r"\uD83C\uDFC3\ud7ff\ue000", True),
        (r"\n\ud83c\udfc3\"", True),
        (r"\ud83c\n", False),
    ],
)
def test_half_a_pair_is_told_from_a_whole_one(text: str, is_whole: bool) -> None:
    """However it is escaped, and whatever stands beside it, in a text and in a key."""
    for body in (f'["{text}"]', f'{{"{text}": 0}}'):
        if is_whole:
            assert read_json(body) == json.loads(body)
        else:
            assert "half of a surrogate pair" in refused(body.encode())


def cookies(size: int) -> Request:
    return Request({"type": "http", "headers": [(b"cookie", b'kana-session="' + b'\\"' * size + b'"')]})


def unquoted_one_by_one(text: str) -> str:
    """Take one backslash away at a time, and copy the rest each time: as Python did until its security fix of 2024."""
    while "\\" in text:
        at = text.index("\\")
        text = text[:at] + text[at + 1 :]
    return text


def test_reading_a_cookie_takes_time_in_proportion_to_its_length() -> None:
    """A header of quotes within quotes costs no more than any other; the control copies it for each of them."""
    ours = growth(lambda size: lambda: cookie_of(cookies(size), "kana-session"), size=2_000)
    copied = growth(lambda size: lambda: unquoted_one_by_one('\\"' * size), size=10_000)
    assert ours < GROWTH_MAX < copied


@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("kana-session=a", "a"),
        ("other=b; kana-session=a; more=c", "a"),
        ("kana-session=a;kana-session=b", "b"),
        ('kana-session="a/b"', "a/b"),
        ('kana-session="', '"'),
        ("kana-session=a=b", "a=b"),
        ("kana-session", ""),
        ("akana-session=a", None),
        ("", None),
    ],
)
def test_a_cookie_is_read_as_it_was_set(header: str, value: str | None) -> None:
    """The last of its name counts, without quotes around it."""
    request = Request({"type": "http", "headers": [(b"cookie", header.encode())]})
    assert cookie_of(request, "kana-session") == value


def test_an_id_that_is_named_twice_is_found_in_one_pass() -> None:
    """Lists of ids too."""

    def work(size: int) -> Callable[[], object]:
        ids = [f"id-{n}" for n in range(size)] + [f"id-{size - 1}"]

        def read() -> None:
            with pytest.raises(InvalidValue, match="more than once"):
                given_ids(ids, field="ids", most=len(ids))

        return read

    assert growth(work, size=2_000) < GROWTH_MAX


def test_the_square_is_noticed() -> None:
    """The control: the search that counts each key among all of them does not pass for one in proportion."""

    def work(size: int) -> Callable[[], object]:
        keys = [f"k{n}" for n in range(size)]
        return lambda: next((key for key in keys if keys.count(key) > 1), None)

    assert growth(work, size=400) > GROWTH_MAX
