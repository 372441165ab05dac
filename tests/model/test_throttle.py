"""Waiting that grows, and whom a try counts against."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kana.model.throttle import OF_ACCOUNT, OF_BOTH, OF_PLACE, Patience, Tries, network_of, own_throttle, throttles_of
from tests.support.world import NOON

ALL = [OF_ACCOUNT, OF_BOTH, OF_PLACE]


@pytest.mark.parametrize("patience", ALL)
@given(count=st.integers(0, 10_000), passed_ms=st.integers(-(10**9), 10**9))
def test_no_wait_is_longer_than_its_bound(patience: Patience, count: int, passed_ms: int) -> None:
    """However many failures, and whatever a clock does; below what is free there is none."""
    wait = patience.wait_s(Tries(count, NOON), NOON + timedelta(milliseconds=passed_ms))
    assert 0 <= wait <= patience.longest_s
    assert wait == 0 or count >= patience.free


@pytest.mark.parametrize("patience", ALL)
def test_a_wait_doubles_up_to_its_bound(patience: Patience) -> None:
    """From the first after those that are free."""
    waits = [patience.wait_s(Tries(count, NOON), NOON) for count in range(patience.free + 8)]
    grown = [min(patience.longest_s, patience.first_s * 2**more) for more in range(8)]
    assert waits == [0] * patience.free + grown


def test_a_wait_ends_to_the_moment() -> None:
    """Rounded up, so that who waits for what was said is looked at."""
    tries = Tries(5, NOON)
    spent = {0: 30, 1: 30, 1_000: 29, 29_999: 1, 30_000: 0}
    assert {ms: OF_BOTH.wait_s(tries, NOON + timedelta(milliseconds=ms)) for ms in spent} == spent


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("64:ff9b::c000:201", "192.0.2.1"),
        ("2001:db8::1", "2001:0db8:0000:0000"),
        ("2001:DB8:0:0:ffff:ffff:ffff:ffff", "2001:0db8:0000:0000"),
        ("2001:db8:0:1::1", "2001:0db8:0000:0001"),
        ("fe80::1%eth0", "fe80:0000:0000:0000"),
        ("", ""),
        ("testclient", ""),
        ("192.0.2.1:80", ""),
    ],
)
def test_a_network_is_what_one_owner_is_given(address: str, network: str) -> None:
    """One IPv4 address however it is written, 64 bits of IPv6, and nothing for what is no address."""
    assert network_of(address) == network


def test_each_count_is_of_its_own() -> None:
    """No two kinds share a key, nor do an account and a place that are written alike."""
    both, place, account = throttles_of("ada@example.com", "192.0.2.1")
    assert [each.patience for each in (both, place, account)] == [OF_BOTH, OF_PLACE, OF_ACCOUNT]
    keys = [each.key for each in (both, place, account, *throttles_of("192.0.2.1", "192.0.2.2"))]
    keys += [each.key for each in own_throttle("account", "ada@example.com", "mark")]
    assert len(set(keys)) == 7
    assert all(len(key) == 32 for key in keys)
