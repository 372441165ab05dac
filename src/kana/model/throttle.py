"""Throttling of failed sign-ins: the wait grows after each failure, up to a limit.

Failures are counted by account, by address, and by both together. There is no lock-out, since with one anybody
could keep the owner out; only the wait before the next try grows.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from hashlib import sha256
from ipaddress import IPv4Address, IPv6Address, ip_address

from kana.model.value import value_object

TRIES_KEPT = timedelta(hours=1)
"""After this long without a failure the count starts over."""

TRIES_KEPT_MAX = 10_000
"""Most counts that are stored; then the oldest are dropped, so that strangers cannot fill a disk."""

_NAT64 = ip_address("64:ff9b::").packed[:12]


@value_object(kw_only=True)
class Patience:
    """How many failures are free, and how the wait grows after them: it doubles with each.

    ``is_own`` is for counts that only one person's tries can change: a correct password clears them. From other
    counts a correct password removes only its own try; otherwise a stranger with one valid password could go on
    guessing at other accounts.
    """

    free: int
    first_s: int
    longest_s: int
    is_own: bool = False

    def wait_s(self, tries: Tries, now: datetime) -> int:
        """Return for how many whole seconds the next try is refused. A clock that is set back makes no wait longer."""
        over = tries.count - self.free
        if over < 0:
            return 0
        wait = min(self.longest_s, self.first_s << min(over, 20))
        left = tries.last_at + timedelta(seconds=wait) - now
        return max(0, min(wait, -int(-left.total_seconds() // 1)))


@value_object()
class Tries:
    """The number of failures so far, and the time of the last one."""

    count: int
    last_at: datetime


@value_object()
class Throttle:
    """One count that a try counts towards."""

    key: bytes
    patience: Patience


OF_BOTH = Patience(free=5, first_s=30, longest_s=300, is_own=True)
"""One account from one address: somebody mistypes, or guesses from one machine."""

OF_PLACE = Patience(free=20, first_s=5, longest_s=60)
"""One address, for any account: others may share it, so the wait stays short."""

OF_ACCOUNT = Patience(free=20, first_s=5, longest_s=60)
"""One account, from any address: guesses from many machines. Short too, since the owner has to wait as well."""


def throttles_of(account: str, address: str) -> tuple[Throttle, ...]:
    """Return the counts for a try at an account from an address."""
    place = network_of(address)
    return (
        Throttle(_key("both", account, place), OF_BOTH),
        Throttle(_key("place", place), OF_PLACE),
        Throttle(_key("account", account), OF_ACCOUNT),
    )


def own_throttle(kind: str, *parts: str) -> tuple[Throttle, ...]:
    """Return the single count for tries that nobody else can make, such as those within a session."""
    return (Throttle(_key(kind, *parts), OF_BOTH),)


def _key(*parts: str) -> bytes:
    return sha256("\n".join(parts).encode("utf-8", "replace")).digest()


def network_of(address: str) -> str:
    """Return the network that tries from an address count against; "" if it is not an address.

    That is an IPv4 address, or the first 64 bits of an IPv6 one: its owner can choose the rest freely.
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
