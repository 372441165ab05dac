"""The URL at which a browser reaches a server."""

from __future__ import annotations

from typing import Final

_EVERYWHERE: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - nothing listens by this


def http_address(host: str, port: int) -> str:
    """Return the URL of a server that listens on a host and port.

    A server that listens on all addresses is reachable on this machine, but browsers cannot open ``0.0.0.0``.
    """
    host = _EVERYWHERE.get(host, host)
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
