"""The address of a server as people open it."""

from __future__ import annotations

from typing import Final

_EVERYWHERE: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - nothing listens by this


def http_address(host: str, port: int) -> str:
    """Return the URL of what listens on a host and port.

    What listens everywhere is on this machine too, and no browser opens ``0.0.0.0``.
    """
    host = _EVERYWHERE.get(host, host)
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
