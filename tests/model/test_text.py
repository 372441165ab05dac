"""What text, JSON and amounts from outside must be like."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from kana.errors import InvalidValue
from kana.model.text import (
    METADATA_BYTES_MAX,
    METADATA_DEPTH_MAX,
    NUMBER_MAX,
    UNITS_MAX,
    first_repeated,
    idempotency_key,
    identifier,
    metadata,
    new_identifier,
    number_in,
    optional_identifier,
    shown,
    textual,
    units,
    whole_number,
)
from tests.support.world import examples

NFC, NFD = "caf\u00e9", "cafe\u0301"


@pytest.mark.parametrize(
    "value",
    ["a", "A", "a/b/c", "with space", " ", "x" * 255, "ß", NFC, "名前", "🦜", "é" * 255, "\u202eabc", "\u200d"],
)
def test_ids_may_be_of_any_script(value: str) -> None:
    """1 to 255 characters of NFC text, slashes and spaces included, come back as they are."""
    assert identifier(value, field="id") == value


@pytest.mark.parametrize(
    "blank", [" ", "\u00a0", "\u2003", "\u3000", "\u200b", "\ufeff", "\u2060", "\u202e", "\u2800", "\u3164"]
)
def test_nothing_new_begins_or_ends_with_a_blank(blank: str) -> None:
    """Nor is it nothing else; what was called so keeps it and is found by it; inside, blanks are right."""
    for value in (blank, f"{blank}a", f"a{blank}", f"{blank}a{blank}"):
        with pytest.raises(InvalidValue, match="id must not begin or end with a space"):
            new_identifier(value, field="id")
        with pytest.raises(InvalidValue):
            new_identifier(value, field="id", old="another")
        assert new_identifier(value, field="id", old=value) == value
        assert identifier(value, field="id") == value
    assert new_identifier(f"a{blank}b", field="id") == f"a{blank}b"
    with pytest.raises(InvalidValue, match="1 to 255"):
        new_identifier("", field="id")


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("", "id must be 1 to 255 characters, got 0: ''"),
        (
            "é" * 256,
            "id must be 1 to 255 characters, got 256: '\\xe9\\xe9",
        ),
        ("x" * 256, "id must be 1 to 255 characters, got 256: 'xxx"),
        ("a\nb", "id must not contain control characters or lone surrogates, got 'a\\nb'"),
        ("a\0", "id must not contain control characters or lone surrogates, got 'a\\x00'"),
        ("\x7f", "id must not contain control characters or lone surrogates, got '\\x7f'"),
        ("é\x85", "id must not contain control characters or lone surrogates, got '\\xe9\\x85'"),
        ("\ud800", "id must not contain control characters or lone surrogates, got '\\ud800'"),
        (NFD, "id must be Unicode text in NFC, got 'cafe\\u0301'"),
    ],
)
def test_ids_that_a_store_may_not_keep_are_refused(value: str, message: str) -> None:
    """The message names the field, the rule and the value, escaped."""
    with pytest.raises(InvalidValue) as raised:
        identifier(value, field="id")
    assert raised.value.message.startswith(message)
    assert raised.value.field == "id"


@examples(300)
@given(st.text(max_size=300))
@example("\x1f")
@example("\x7f")
def test_the_quick_way_for_common_ids_decides_like_the_slow_one(value: str) -> None:
    """Whatever passes is 1 to 255 characters, NFC, free of control characters and surrogates; nothing else does."""
    allowed = (
        1 <= len(value) <= 255
        and not any(unicodedata.category(character) in {"Cc", "Cs"} for character in value)
        and unicodedata.normalize("NFC", value) == value
    )
    try:
        assert identifier(value, field="id") is value
    except InvalidValue:
        assert not allowed
    else:
        assert allowed


def test_optional_ids_may_be_left_out() -> None:
    """None passes; anything else is held to the same rule."""
    assert optional_identifier(None, field="name") is None
    assert optional_identifier("Ada", field="name") == "Ada"
    with pytest.raises(InvalidValue, match="name must be 1 to 255"):
        optional_identifier("", field="name")


@pytest.mark.parametrize("value", ["k", "!", "~", "x" * 255, "4f1c-9a:retry/1"])
def test_idempotency_keys_are_printable_ascii(value: str) -> None:
    """1 to 255 characters from ``!`` to ``~`` come back as they are."""
    assert idempotency_key(value) == value


@pytest.mark.parametrize("value", ["", "x" * 256, "a b", " ", "a\n", "é", "\x7f", "\ud800", "a\0"])
def test_other_idempotency_keys_are_refused(value: str) -> None:
    """Empty, too long, spaces, control characters and other scripts name the field."""
    with pytest.raises(InvalidValue, match="idempotencyKey must be 1 to 255 printable ASCII") as raised:
        idempotency_key(value)
    assert raised.value.field == "idempotencyKey"


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth - 1):
        value = [value]
    return value


def sized(size: int) -> str:
    """Text whose JSON has so many bytes."""
    return "x" * (size - 2)


@pytest.mark.parametrize(
    "value",
    [
        None, True, 0, -1, 1.5, "text", {}, [], {"a": [1, {"b": None}]}, "名前",
        sized(METADATA_BYTES_MAX), nested(METADATA_DEPTH_MAX), {"": "\n\t"}, UNITS_MAX, 1e300,
    ],
)  # fmt: skip
def test_metadata_is_any_json_within_bounds(value: object) -> None:
    """Any JSON value of at most 16 KB and 16 levels comes back as it is."""
    assert metadata(value) is value


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (sized(METADATA_BYTES_MAX + 1), "metadata must be at most 16384 bytes of JSON, got 16385"),
        ("é" * 8192, "metadata must be at most 16384 bytes of JSON, got 16386"),
        (nested(METADATA_DEPTH_MAX + 1), "metadata must be at most 16 levels deep"),
        ({"a": {"b": float("nan")}}, "metadata must contain only finite numbers, got nan"),
        ([float("inf")], "metadata must contain only finite numbers, got inf"),
        ({"a": ["b\0"]}, "metadata must not contain NUL or lone surrogates, got 'b\\x00'"),
        ({"\ud800": 1}, "metadata must not contain NUL or lone surrogates, got '\\ud800'"),
        ("\udfff", "metadata must not contain NUL or lone surrogates, got '\\udfff'"),
        ({"n": 2**63}, "metadata must contain only whole numbers of at most 64 bits"),
        ([-(2**63) - 1], "metadata must contain only whole numbers of at most 64 bits"),
        pytest.param(10**5000, "metadata must contain only whole numbers of at most 64 bits", id="5000 digits"),
    ],
)
def test_metadata_that_no_store_could_keep_is_refused(value: object, message: str) -> None:
    """Too large, too deep, NaN, NUL, half a surrogate pair or a number past 64 bits: the message says which."""
    with pytest.raises(InvalidValue) as raised:
        metadata(value)
    assert raised.value.message.startswith(message)
    assert raised.value.field == "metadata"


@examples(60)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_metadata_that_passes_survives_json(value: object) -> None:
    """What is let in equals itself after a trip through UTF-8 JSON; what is not raises InvalidValue only."""
    try:
        metadata(value)
    except InvalidValue:
        return
    assert json.loads(json.dumps(value, ensure_ascii=False).encode()) == value


@pytest.mark.parametrize("value", [0, 1, 2**31, UNITS_MAX])
def test_amounts_reach_to_what_json_carries(value: int) -> None:
    """0 to 2^53-1 are amounts."""
    assert units(value, field="limit") == value


@pytest.mark.parametrize("value", [-1, UNITS_MAX + 1, 2**63])
def test_amounts_outside_are_refused(value: int) -> None:
    """Negative and larger ones name the field, the range and the value."""
    with pytest.raises(InvalidValue, match=f"^limit must be 0 to 9007199254740991, got {value}$"):
        units(value, field="limit")


def test_long_values_are_cut_in_messages() -> None:
    """A message shows at most 60 characters of what it refuses, and how long it was."""
    assert shown("x" * 58) == f"'{'x' * 58}'"
    assert shown("x" * 59) == f"'{'x' * 59}… (59 characters)"
    assert shown("é\n") == "'\\xe9\\n'"


@pytest.mark.parametrize(("values", "repeated"), [([], ""), (["a"], ""), (["a", "b", "b", "a"], "b")])
def test_the_first_to_stand_twice_is_found(values: list[str], repeated: str) -> None:
    """The one whose second place comes first; nothing where all differ."""
    assert first_repeated(values) == repeated


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (5, 5), (5.0, 5), (-0.0, 0), ("5", 5), ("+5", 5), ("-5", -5), ("5.00", 5), ("007", 7), (UNITS_MAX, UNITS_MAX),
        (float(UNITS_MAX), UNITS_MAX), (str(-UNITS_MAX), -UNITS_MAX),
    ],
)  # fmt: skip
def test_a_whole_number_is_one_however_it_is_written(value: object, number: int) -> None:
    """As a number, with a point after it, or as text."""
    found = whole_number(value, field="delta")
    assert (found, type(found)) == (number, int)


@pytest.mark.parametrize(
    "value",
    [5.5, "5.5", "five", "", " 5", "5 ", "5\n", "1_000", "1,000", "0x5", "5e0", "٥", "--5", ".0", True, False, None, [],
     [5], {}, float("inf"), float("nan"), UNITS_MAX + 1, -UNITS_MAX - 1, 2.0**53, "9" * 31, 10**400],
)  # fmt: skip
def test_what_is_no_whole_number_is_never_a_one(value: object) -> None:
    """The error names field, range and value, shortly."""
    with pytest.raises(InvalidValue, match=rf"^delta must be a whole number from -{UNITS_MAX} to ") as no:
        whole_number(value, field="delta")
    assert (no.value.field, len(no.value.message) < 180) == ("delta", True)


def test_a_whole_number_may_have_a_least() -> None:
    """A limit is 0 or more."""
    assert whole_number("0", field="limit", least=0) == 0
    with pytest.raises(InvalidValue, match=f"^limit must be a whole number from 0 to {UNITS_MAX}, got -1$"):
        whole_number(-1, field="limit", least=0)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (7, "7"),
        (7.0, "7"),
        (-7, "-7"),
        ("7", "7"),
        (7.5, 7.5),
        (True, True),
        (None, None),
        (2.0**60, 2.0**60),
        ([], []),
    ],
)
def test_a_whole_number_may_stand_for_a_text(value: object, text: object) -> None:
    """Ids that a program has as numbers; all else is what it is."""
    found = textual(value)
    assert (found, type(found)) == (text, type(text))


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("0", 0),
        ("7", 7),
        ("007", 7),
        (str(NUMBER_MAX), NUMBER_MAX),
        (str(NUMBER_MAX + 1), None),
        ("9" * 19, None),
        ("0" * 20, None),
        ("9" * 10_000, None),
        ("", None),
        ("-1", None),
        ("+1", None),
        (" 1", None),
        ("1_0", None),
        ("1.0", None),
        ("0x1", None),
        ("\u0661", None),
        ("\u00b2", None),
    ],
)
def test_the_id_of_a_numbered_thing_is_its_decimal_digits(text: str, number: int | None) -> None:
    """As many as 63 bits have, of ASCII; anything else names nothing, however long it is."""
    assert number_in(text) == number


class Watched(list[Any]):
    """A list that counts what is looked at."""

    looked_at = 0

    def __iter__(self) -> Iterator[Any]:
        for item in super().__iter__():
            Watched.looked_at += 1
            yield item


@pytest.mark.parametrize("item", [0, "text", [], {}, [[]], {"a": [1]}, None, 1.5])
def test_no_more_of_a_value_is_looked_at_than_is_shown(item: Any) -> None:
    """A value of megabytes costs no more than one of a line, in whatever it is packed; the control is all of it."""
    for pack in (lambda value: value, lambda value: {"a": value}, lambda value: [[value]]):
        Watched.looked_at = 0
        value = pack(Watched([item] * 10_000))
        assert shown(value) == f"{ascii(value)[:60]}…"
        assert Watched.looked_at < 40
    Watched.looked_at = 0
    assert len(str([each for each in Watched([item] * 1_000)])) > Watched.looked_at == 1_000  # noqa: C416


@pytest.mark.parametrize(
    "value", [None, True, 7, 1.5, "it's", [], {}, [1, "a", {"b": [None]}], {"a": 1, "b": "c"}, (1,), b"x"]
)
def test_what_is_short_is_shown_as_it_is(value: object) -> None:
    """As Python writes it in ASCII."""
    assert shown(value) == ascii(value)
