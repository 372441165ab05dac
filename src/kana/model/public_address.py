"""Which addresses of the internet are public: those that a server may call at the wish of whoever names them.

Source: the special-purpose address registries of IANA (RFC 6890).
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

_ODD = (
    IPv4Network("192.0.0.0/24"),  # of protocols
    IPv4Network("192.88.99.0/24"),  # relays of an abandoned transition
    IPv4Network("168.63.129.16/32"),  # answers about the machine that asks, in one large cloud
)
_UNICAST = IPv6Network("2000::/3")
_ODD_6 = (
    IPv6Network("2001::/23"),  # of protocols, Teredo among them
    IPv6Network("2001:db8::/32"),  # of documentation
    IPv6Network("2002::/16"),  # contains an IPv4 address, which may be any
    IPv6Network("3fff::/20"),  # of documentation
)
_TRANSLATED = IPv6Network("64:ff9b::/96")


def is_public(text: str) -> bool:
    """Whether an IP address is of one machine, on the internet, and not only of a network, a machine or a protocol.

    An IPv6 address that stands for an IPv4 address is public if that is.

    Raises:
        ValueError: it is not an IP address.
    """
    address = ip_address(text)
    if isinstance(address, IPv6Address):
        inner = _inner(address)
        if inner is None:
            return address in _UNICAST and not any(address in network for network in _ODD_6)
        address = inner
    return address.is_global and not address.is_multicast and not any(address in network for network in _ODD)


def _inner(address: IPv6Address) -> IPv4Address | None:
    """Return the IPv4 address that an address stands for, as translators and sockets write it."""
    return IPv4Address(int(address) & 0xFFFF_FFFF) if address in _TRANSLATED else address.ipv4_mapped
