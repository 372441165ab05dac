"""Times and amounts as the wire has them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from graphql import GraphQLError
from hypothesis import given
from hypothesis import strategies as st

from kana.api.scalars import read_time, write_units
from kana.model.period import from_milliseconds, time_text


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2021-11-25T16:57:42.778Z", datetime(2021, 11, 25, 16, 57, 42, 778000, UTC)),
        ("2021-11-25t16:57:42z", datetime(2021, 11, 25, 16, 57, 42, 0, UTC)),
        ("2021-11-25T16:57:42.1Z", datetime(2021, 11, 25, 16, 57, 42, 100000, UTC)),
        ("2021-11-25T16:57:42.778999999Z", datetime(2021, 11, 25, 16, 57, 42, 778000, UTC)),
        ("2021-11-25T16:57:42+14:00", datetime(2021, 11, 25, 2, 57, 42, 0, UTC)),
        ("2021-11-25T16:57:42-00:30", datetime(2021, 11, 25, 17, 27, 42, 0, UTC)),
        ("2024-02-29T00:00:00Z", datetime(2024, 2, 29, tzinfo=UTC)),
    ],
)
def test_a_time_is_read_in_any_zone_to_the_millisecond(text: str, moment: datetime) -> None:
    """What comes out is UTC, cut and never rounded."""
    assert read_time(text) == moment
    assert read_time(text).tzinfo is UTC


@pytest.mark.parametrize(
    "value",
    [
        "2016-12-31T23:59:60Z",
        "2026-02-30T00:00:00Z",
        "2023-02-29T00:00:00Z",
        "10000-01-01T00:00:00Z",
        "0000-01-01T00:00:00Z",
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-14:00",
        "2026-01-01T00:00:00+25:00",
        "2026-01-01T00:00:00+01:60",
        "2026-01-01T00:00:00+0100",
        "2026-01-01T00:00:00+01",
        "2026-01-01T24:00:00Z",
        "2026-01-01T00:60:00Z",
        "2026-01-01T00:00:00",
        "2026-01-01 00:00:00Z",
        "2026-01-01T00:00Z",
        "2026-01-01",
        "20240101",
        "20240101T000000Z",
        "2024-W01-1",
        "2024-001",
        "2026-01-01T00:00:00,5Z",
        "2026-01-01T00:00:00.Z",
        "2026-01-01T00:00:00Z\n",
        " 2026-01-01T00:00:00Z",
        "٢٠٢٦-01-01T00:00:00Z",
        "",
        1767225600,
        1767225600.5,
        True,
        None,
        ["2026-01-01T00:00:00Z"],
    ],
)
def test_what_is_not_rfc_3339_is_refused_with_an_example(value: object) -> None:
    """Python alone would take many of these, each release others."""
    with pytest.raises(GraphQLError, match=r"as in 2026-11-25T16:57:42\.778Z"):
        read_time(value)


@given(st.integers(min_value=-62_135_596_800_000, max_value=253_402_300_799_999))
def test_what_is_written_reads_back(milliseconds: int) -> None:
    """Every time from year 1 to 9999 has one spelling: milliseconds and Z."""
    moment = from_milliseconds(milliseconds)
    text = time_text(moment)
    assert len(text) == len("2021-11-25T16:57:42.778Z")
    assert read_time(text) == moment


def test_a_time_is_written_with_milliseconds() -> None:
    """Zeros are written too."""
    assert time_text(datetime(2026, 1, 2, tzinfo=UTC)) == "2026-01-02T00:00:00.000Z"
    assert time_text(datetime(2026, 1, 2, tzinfo=UTC) + timedelta(milliseconds=7)) == "2026-01-02T00:00:00.007Z"


@pytest.mark.parametrize("value", [0, 1, 2**31, 2**53 - 1])
def test_an_amount_is_a_whole_number(value: int) -> None:
    """Up to the largest that JSON carries everywhere."""
    assert write_units(value) == value


@pytest.mark.parametrize("value", [-1, 2**53, 1.0, "1", True, None])
def test_what_is_no_amount_never_reaches_the_wire(value: object) -> None:
    """An answer would be wrong: it fails instead."""
    with pytest.raises(GraphQLError, match="Units must be a whole number"):
        write_units(value)
