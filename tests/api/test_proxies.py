"""Whom a request comes from behind proxies: what a trusted one says, read from the right, and nobody else's word."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Any

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from kana.api.proxies import HOPS_MAX, Proxies

PROXY, FRONT, STRANGER = "10.0.0.1", "10.0.0.2", "192.0.2.66"
TRUSTED = [ip_network("10.0.0.0/8"), ip_network("fd00::/8")]


def seen(*headers: tuple[str, str], peer: str = PROXY, trusted: Any = TRUSTED) -> tuple[str, str]:
    """The address and the scheme that a request is taken to come from and by."""
    scope: dict[str, Any] = {
        "client": (peer, 1234),
        "scheme": "http",
        "headers": [(name.encode(), value.encode("latin-1")) for name, value in headers],
    }
    Proxies(trusted).apply(scope)
    return scope["client"][0], scope["scheme"]


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ([("x-forwarded-for", "192.0.2.1")], ("192.0.2.1", "http")),
        ([("x-forwarded-for", "192.0.2.1"), ("x-forwarded-proto", "https")], ("192.0.2.1", "https")),
        ([("x-forwarded-for", "192.0.2.1"), ("x-forwarded-proto", "HTTPS")], ("192.0.2.1", "https")),
        ([("x-forwarded-for", "192.0.2.1"), ("x-forwarded-proto", "gopher")], ("192.0.2.1", "http")),
        ([("x-forwarded-proto", "https")], (PROXY, "https")),
        # What a guest wrote stands to the left of what proxies add.
        ([("x-forwarded-for", "203.0.113.9, 192.0.2.1")], ("192.0.2.1", "http")),
        ([("x-forwarded-for", f"203.0.113.9, 192.0.2.1, {FRONT}")], ("192.0.2.1", "http")),
        ([("x-forwarded-for", "203.0.113.9"), ("x-forwarded-for", "192.0.2.1")], ("192.0.2.1", "http")),
        ([("x-forwarded-for", f"10.9.9.9, {FRONT}")], ("10.9.9.9", "http")),
        # A list of schemes goes with that of addresses.
        ([("x-forwarded-for", f"192.0.2.1, {FRONT}"), ("x-forwarded-proto", "https, http")], ("192.0.2.1", "https")),
        ([("x-forwarded-for", f"192.0.2.1, {FRONT}"), ("x-forwarded-proto", "a, b, https")], ("192.0.2.1", "https")),
        # Ports, brackets and quotes.
        ([("x-forwarded-for", "192.0.2.1:4711")], ("192.0.2.1", "http")),
        ([("x-forwarded-for", "2001:db8::1")], ("2001:db8::1", "http")),
        ([("x-forwarded-for", "[2001:DB8::1]:4711")], ("2001:db8::1", "http")),
        ([("forwarded", "for=192.0.2.1;proto=https;by=10.0.0.1")], ("192.0.2.1", "https")),
        ([("forwarded", 'For="[2001:db8::1]:4711"')], ("2001:db8::1", "http")),
        ([("forwarded", f"for=203.0.113.9;proto=https, for=192.0.2.1, for={FRONT}")], ("192.0.2.1", "http")),
        ([("forwarded", "for=192.0.2.1"), ("x-forwarded-for", "192.0.2.1")], ("192.0.2.1", "http")),
        # What says nothing, and two headers of which one was not written by the proxy: the proxy it is.
        ([("forwarded", "for=unknown")], (PROXY, "http")),
        ([("forwarded", "for=_hidden")], (PROXY, "http")),
        ([("x-forwarded-for", "")], (PROXY, "http")),
        ([("x-forwarded-for", "192.0.2.1, garbage")], (PROXY, "http")),
        ([("x-forwarded-for", "192.0.2.1"), ("forwarded", "for=203.0.113.9")], (PROXY, "http")),
        ([], (PROXY, "http")),
    ],
)
def test_a_trusted_proxy_is_believed_as_far_as_trust_goes(
    headers: list[tuple[str, str]], expected: tuple[str, str]
) -> None:
    """From the right, to the first address that is no proxy of ours."""
    assert seen(*headers) == expected


@pytest.mark.parametrize("trusted", [[], TRUSTED])
@pytest.mark.parametrize("name", ["x-forwarded-for", "x-forwarded-proto", "forwarded"])
def test_nobody_else_is_believed(name: str, trusted: Any) -> None:
    """Whatever a stranger says of others, it is the stranger who asks."""
    value = {"x-forwarded-proto": "https", "forwarded": "for=192.0.2.1;proto=https"}.get(name, "192.0.2.1")
    assert seen((name, value), peer=STRANGER, trusted=trusted) == (STRANGER, "http")


def test_a_proxy_is_known_however_its_address_is_written() -> None:
    """An IPv4 address on an IPv6 socket is the same one."""
    assert seen(("x-forwarded-for", "192.0.2.1"), peer="::ffff:10.0.0.1") == ("192.0.2.1", "http")
    assert seen(("x-forwarded-for", "192.0.2.1"), peer="fd00::1") == ("192.0.2.1", "http")


@given(st.lists(st.tuples(st.sampled_from(["x-forwarded-for", "x-forwarded-proto", "forwarded"]), st.text(
    st.characters(max_codepoint=255)))))  # fmt: skip
def test_no_header_fails(headers: list[tuple[str, str]]) -> None:
    """Whatever stands in it; what it says to the left of an address that is no proxy changes nothing."""
    seen(*headers)
    last = ("x-forwarded-for", "192.0.2.1")
    listed = [header for header in headers if header[0] == "x-forwarded-for"]
    assert seen(*listed, last) == ("192.0.2.1", "http")


def test_a_long_header_costs_as_much_as_a_short_one() -> None:
    """No more than some proxies are looked at, from the right."""
    long = ", ".join([FRONT] * 10_000)
    assert seen(("x-forwarded-for", f"192.0.2.1, {long}")) == (FRONT, "http")
    enough = ", ".join([FRONT] * (HOPS_MAX - 1))
    assert seen(("x-forwarded-for", f"203.0.113.9, 192.0.2.1, {enough}")) == ("192.0.2.1", "http")


def test_a_proxy_that_is_not_trusted_is_told_once() -> None:
    """So that who runs Kana behind one learns why everybody counts as one."""
    proxies = Proxies(())
    scope = {"client": (STRANGER, 1), "scheme": "http", "headers": [(b"x-forwarded-for", b"192.0.2.1")]}
    with structlog.testing.capture_logs() as lines:
        for _ in range(3):
            proxies.apply(scope)
    assert [(line["log_level"], line["address"]) for line in lines] == [("warning", STRANGER)]
    assert "KANA_TRUSTED_PROXIES" in lines[0]["event"]
