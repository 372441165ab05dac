"""Where a request comes from when a proxy brings it, told by proxies that are trusted and by nobody else."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address

import structlog
from starlette.types import Scope

Network = IPv4Network | IPv6Network

HOPS_MAX = 16
"""How many proxies in a row are looked at; what stands to the left of them, nobody reads."""

_NAMES = (b"x-forwarded-for", b"forwarded", b"x-forwarded-proto")
_SCHEMES = ("http", "https")

log = structlog.get_logger("kana.http")


@dataclass(frozen=True, slots=True)
class Hop:
    """What a proxy says of whoever spoke to it; empty where it does not say, or nothing that can be read."""

    address: str
    scheme: str = ""


class Proxies:
    """Puts the address and the scheme that people really use in place of those of the proxy that brings them.

    Source: RFC 7239. Each proxy adds to the right whom it was spoken to by, so what stands there is looked at first,
    and no further than proxies are trusted: what stands to the left of it, anybody may have written.
    """

    def __init__(self, trusted: Iterable[Network]) -> None:
        self._trusted = tuple(trusted)
        self._told = False

    def apply(self, scope: Scope) -> None:
        """Correct ``client`` and ``scheme`` of a request, where they come by a trusted proxy."""
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
        """Say once that somebody is there who may be a proxy: without the setting everybody behind it is one place."""
        if not self._told:
            self._told = True
            log.warning("a forwarded address is not believed; is this a proxy of KANA_TRUSTED_PROXIES?", address=peer)


def is_local(scope: Scope) -> bool:
    """Whether a request comes from this machine: from a program here, and not by way of a proxy that nobody named.

    To be asked after ``Proxies.apply``, which puts whom a trusted proxy was spoken to by in its place.
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
    """Return the headers that proxies write, those of several lines as one."""
    given: dict[bytes, str] = {}
    for name, value in headers:
        if name in _NAMES:
            text = value.decode("latin-1")
            given[name] = f"{given[name]},{text}" if name in given else text
    return given


def _hops(given: Mapping[bytes, str]) -> Sequence[Hop]:
    """Return what proxies say, in the order they were passed; nothing where two headers say it differently.

    A proxy writes one of the two kinds of header and passes the other on as it comes, from anybody.
    """
    listed = [_address(item) for item in _items(given, b"x-forwarded-for")]
    schemes = [item.lower() for item in _items(given, b"x-forwarded-proto")]
    told = [_read_element(item) for item in _items(given, b"forwarded")]
    if listed and told and listed != [hop.address for hop in told]:
        return (Hop(""),)
    if listed or schemes:
        # One scheme for all is the newest proxy's; a list as long as that of addresses goes with it.
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
    """Return an address without its port; "" for what is none, as ``unknown`` or a name that hides it."""
    bare = text.strip().strip('"')
    if bare.startswith("["):
        bare = bare[1:].partition("]")[0]
    elif bare.count(":") == 1:
        bare = bare.partition(":")[0]
    try:
        return str(ip_address(bare))
    except ValueError:
        return ""
