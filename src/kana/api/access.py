"""Who asks, from the Authorization header: a bare key, as Kana's clients send it, or after Bearer."""

from __future__ import annotations

from collections.abc import Mapping

from kana.engine.access import AccessEngine, Caller
from kana.model.key import KeyKind

_BEARER = "bearer "


async def caller_of(headers: Mapping[bytes, bytes], access: AccessEngine, kind: KeyKind) -> Caller:
    """Return who comes with the request's key.

    Raises:
        Unauthenticated: there is no key, or none that opens this door; all read the same.
    """
    return await access.authenticate(credential_in(headers), kind)


def credential_in(headers: Mapping[bytes, bytes]) -> str:
    """Return the key or token of the Authorization header; empty where there is none."""
    text = headers.get(b"authorization", b"").decode("latin-1").strip()
    return text[len(_BEARER) :].strip() if text[: len(_BEARER)].lower() == _BEARER else text
