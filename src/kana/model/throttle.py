"""How long whoever guesses has to wait: longer after each failure, and never for ever.

Failures are counted by account, by where they come from, and by both together. A lock-out would let anybody keep
the owner out, so there is none: what grows is the wait before the next try is looked at, up to a bound.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from hashlib import sha256
from ipaddress import IPv4Address, IPv6Address, ip_address

from kana.model.value import value_object

TRIES_KEPT = timedelta(hours=1)
"""After so long without a failure the count begins anew."""

TRIES_KEPT_MAX = 10_000
"""How many counts are kept; beyond it the oldest are forgotten, so that strangers cannot fill a disk."""

_NAT64 = ip_address("64:ff9b::").packed[:12]


@value_object(kw_only=True)
class Patience:
    """How many failures cost nothing, and how the wait grows after them: it doubles with each.

    ``is_own`` is for counts that only one person's tries can move: a right password clears them. From others it
    takes back its own try alone, or a stranger's right password would make room for their guesses at others.
    """

    free: int
    first_s: int
    longest_s: int
    is_own: bool = False

    def wait_s(self, tries: Tries, now: datetime) -> int:
        """Return for how many whole seconds the next try is not looked at. A clock set back makes no wait longer."""
        over = tries.count - self.free
        if over < 0:
            return 0
        wait = min(self.longest_s, self.first_s << min(over, 20))
        left = tries.last_at + timedelta(seconds=wait) - now
        return max(0, min(wait, -int(-left.total_seconds() // 1)))


@value_object()
class Tries:
    """Failures so far, and when the last was."""

    count: int
    last_at: datetime


@value_object()
class Throttle:
    """One count that a try is held against."""

    key: bytes
    patience: Patience


OF_BOTH = Patience(free=5, first_s=30, longest_s=300, is_own=True)
"""One account from one place: somebody mistypes, or guesses with one machine."""

OF_PLACE = Patience(free=20, first_s=5, longest_s=60)
"""One place, whichever account: others may share it, so the wait stays short."""

OF_ACCOUNT = Patience(free=20, first_s=5, longest_s=60)
"""One account, wherever from: guesses with many machines. Short too, since the owner has to wait with them."""


def throttles_of(account: str, address: str) -> tuple[Throttle, ...]:
    """Return the counts of a try for an account from an address."""
    place = network_of(address)
    return (
        Throttle(_key("both", account, place), OF_BOTH),
        Throttle(_key("place", place), OF_PLACE),
        Throttle(_key("account", account), OF_ACCOUNT),
    )


def own_throttle(kind: str, *parts: str) -> tuple[Throttle, ...]:
    """Return the one count of tries that nobody else can make, as in a session of one's own."""
    return (Throttle(_key(kind, *parts), OF_BOTH),)


def _key(*parts: str) -> bytes:
    return sha256("\n".join(parts).encode("utf-8", "replace")).digest()


def network_of(address: str) -> str:
    """Return whom tries from an address count against; "" for what is no address.

    An IPv4 address, or the 64 bits of an IPv6 one that its owner is given and can choose from at will.
    """
    try:
        found: IPv4Address | IPv6Address = ip_address(address.partition("%")[0])
    except ValueError:
        return ""
    if isinstance(found, IPv6Address):
        if found.ipv4_mapped is not None:
            return str(found.ipv4_mapped)
        if found.packed[:12] == _NAT64:
            return str(IPv4Address(int(found) & 0xFFFF_FFFF))
        return found.exploded[:19]
    return str(found)
