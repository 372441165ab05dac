"""The caller, from the Authorization header: a bare key, as Kana's clients send it, or one after Bearer."""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from starlette.types import Scope

from kana.api.http import headers_of
from kana.engine.access.access import AccessEngine, Caller
from kana.engine.ports.clock import Clock
from kana.errors import RateLimited, Unauthenticated
from kana.model.key import KeyKind
from kana.model.throttle import network_of

FAILURES_MAX = 10
"""How often one address may send no valid key in a minute before it has to wait."""

ADDRESSES_MAX = 10_000
"""How many addresses are remembered; the one that failed first is forgotten first."""

_WINDOW = timedelta(minutes=1)
_BEARER = "bearer "
_KEY = re.compile(rb"(?:prv|pub)_(?:test|live)_").search
_KEY_IN_ADDRESS = (
    "A key in the address is not read: send it as Authorization: Bearer."
    " If it was a private key, replace it, because addresses end up in logs."
)


def credential_in(headers: Mapping[bytes, bytes]) -> str:
    """Return the key or token of the Authorization header; "" if there is none."""
    text = headers.get(b"authorization", b"").decode("latin-1").strip()
    return text[len(_BEARER) :].strip() if text[: len(_BEARER)].lower() == _BEARER else text


@dataclass(slots=True)
class _Failures:
    since: datetime
    count: int = 0


class Door:
    """Accepts callers with a valid key, and makes an address that keeps failing wait.

    Only failures are counted, and only they are refused: a caller with a valid key is accepted, whatever
    others behind the same address or proxy do. Each process counts for itself.
    """

    def __init__(self, access: AccessEngine, *, clock: Clock) -> None:
        self._access = access
        self._clock = clock
        self._failures: OrderedDict[str, _Failures] = OrderedDict()

    def __len__(self) -> int:
        return len(self._failures)

    async def caller(
        self, scope: Scope, kind: KeyKind, *, credential: Callable[[Mapping[bytes, bytes]], str] = credential_in
    ) -> Caller:
        """Return the caller whose key the request has; ``credential`` finds a key that is not in the header.

        Raises:
            Unauthenticated: there is no key, or it is not valid here; the message is always the same.
            RateLimited: the same, too often from this address.
        """
        try:
            return await self._access.authenticate(credential(headers_of(scope)), kind)
        except Unauthenticated as error:
            raise self.refusal(scope, error) from None

    def refusal(self, scope: Scope, error: Unauthenticated) -> Unauthenticated | RateLimited:
        """Count a failure of the request's address, and return the error to answer with.

        A caller who sent a key in the address gets a hint, whether the key is valid or not.
        """
        now = self._clock()
        failures = self._failures_of(network(scope), now)
        failures.count += 1
        if failures.count <= FAILURES_MAX:
            return Unauthenticated(f"{error.message} {_KEY_IN_ADDRESS}") if _has_key_in_address(scope) else error
        wait_s = max(1, -int((now - failures.since - _WINDOW).total_seconds() // 1))
        # Begins like Unauthenticated, by which Kana's clients recognise that it is about the key.
        return RateLimited(
            f"Unauthenticated too often: more than {FAILURES_MAX} times in a minute from this address."
            f" Try again in {wait_s} s, with a valid key.",
            retry_after_s=wait_s,
        )

    def _failures_of(self, address: str, now: datetime) -> _Failures:
        found = self._failures.get(address)
        # A clock that was set back also starts a new minute, so nobody waits for it to catch up.
        if found is None or not timedelta() <= now - found.since < _WINDOW:
            self._failures.pop(address, None)
            found = self._failures[address] = _Failures(now)
            if len(self._failures) > ADDRESSES_MAX:
                self._failures.popitem(last=False)
        return found


def _has_key_in_address(scope: Scope) -> bool:
    """Whether the path or the query contains something like a key."""
    return any(_KEY(scope.get(part, b"")) for part in ("raw_path", "query_string"))


def network(scope: Scope) -> str:
    """Return the network that a request came from, whose addresses probably belong to one caller."""
    client = scope.get("client")
    return network_of(client[0]) if client else ""
