"""Where a request behind a proxy comes from, according to trusted proxies only."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address

import structlog
from starlette.types import Scope

Network = IPv4Network | IPv6Network

HOPS_MAX = 16
"""How many proxies in a row are read; entries further to the left are ignored."""

_NAMES = (b"x-forwarded-for", b"forwarded", b"x-forwarded-proto")
_SCHEMES = ("http", "https")

log = structlog.get_logger("kana.http")


@dataclass(frozen=True, slots=True)
class Hop:
    """What a proxy says about its client; empty if it does not say, or cannot be read."""

    address: str
    scheme: str = ""


class Proxies:
    """Replaces the address and the scheme of a proxy by those of its client.

    Source: RFC 7239. Each proxy adds its client on the right, so entries are read from the right, and only as far
    as proxies are trusted: anybody may have written the entries further to the left.
    """

    def __init__(self, trusted: Iterable[Network]) -> None:
        self._trusted = tuple(trusted)
        self._told = False

    def apply(self, scope: Scope) -> None:
        """Correct ``client`` and ``scheme`` of a request that comes through a trusted proxy."""
        given = _given(scope["headers"])
        if not given:
            return
        peer = scope["client"][0] if scope.get("client") else ""
        if not self._trusts(peer):
            self._tell(peer)
            return
        client, hops = Hop(peer), _hops(given)
        for hop in reversed(hops):
            if not self._trusts(client.address):
                break
            client = hop
        scope["client"] = (client.address or peer, 0)
        if client.scheme in _SCHEMES:
            scope["scheme"] = client.scheme

    def _trusts(self, address: str) -> bool:
        try:
            found = ip_address(address)
        except ValueError:
            return False
        if isinstance(found, IPv6Address) and found.ipv4_mapped is not None:
            found = found.ipv4_mapped
        return any(found in network for network in self._trusted)

    def _tell(self, peer: str) -> None:
        """Warn once about a possible proxy: without the setting everybody behind it has one address."""
        if not self._told:
            self._told = True
            log.warning("a forwarded address is ignored; should this proxy be in KANA_TRUSTED_PROXIES?", address=peer)


def is_local(scope: Scope) -> bool:
    """Whether a request comes from a program on this machine, and not through an unknown proxy.

    Call it after ``Proxies.apply``, which replaces a trusted proxy by its client.
    """
    host, port = scope.get("client") or ("", 0)
    try:
        address = ip_address(host)
    except ValueError:
        return False
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    is_brought = port != 0 and bool(_given(scope["headers"]))
    return address.is_loopback and not is_brought


def _given(headers: Iterable[tuple[bytes, bytes]]) -> Mapping[bytes, str]:
    """Return the headers that proxies write; repeated ones are joined."""
    given: dict[bytes, str] = {}
    for name, value in headers:
        if name in _NAMES:
            text = value.decode("latin-1")
            given[name] = f"{given[name]},{text}" if name in given else text
    return given


def _hops(given: Mapping[bytes, str]) -> Sequence[Hop]:
    """Return what proxies say, in order; nothing if the two kinds of header disagree.

    A proxy writes one of the two kinds of header and passes on the other one, which anybody may have written.
    """
    listed = [_address(item) for item in _items(given, b"x-forwarded-for")]
    schemes = [item.lower() for item in _items(given, b"x-forwarded-proto")]
    told = [_read_element(item) for item in _items(given, b"forwarded")]
    if listed and told and listed != [hop.address for hop in told]:
        return (Hop(""),)
    if listed or schemes:
        # A single scheme is that of the newest proxy; a list as long as the addresses belongs to them.
        each = schemes if len(schemes) == len(listed) else [*schemes[-1:]] * len(listed)
        hops = [Hop(*pair) for pair in zip(listed, each, strict=True)] if each else [Hop(address) for address in listed]
        return hops or (Hop("", schemes[-1]),)
    return told


def _items(given: Mapping[bytes, str], name: bytes) -> list[str]:
    """Return the newest items of a header."""
    return [item.strip() for item in given[name].rsplit(",", HOPS_MAX)[-HOPS_MAX:]] if name in given else []


def _read_element(element: str) -> Hop:
    """Read ``for=192.0.2.60;proto=https;by=203.0.113.43``."""
    found: dict[str, str] = {}
    for pair in element.split(";"):
        name, _, value = pair.partition("=")
        found[name.strip().lower()] = value.strip().strip('"')
    return Hop(_address(found.get("for", "")), found.get("proto", "").lower())


def _address(text: str) -> str:
    """Return an address without its port; "" for other values, such as ``unknown`` or a hidden name."""
    bare = text.strip().strip('"')
    if bare.startswith("["):
        bare = bare[1:].partition("]")[0]
    elif bare.count(":") == 1:
        bare = bare.partition(":")[0]
    try:
        return str(ip_address(bare))
    except ValueError:
        return ""
