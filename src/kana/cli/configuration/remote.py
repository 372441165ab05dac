"""The server as the command line sees it: its address, its key and its three endpoints."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx

from kana.errors import KanaError
from kana.sdk.address import address_of

FACE = "/cli"
ROOT = "http://127.0.0.1:8080/cli"
"""The server's default address; the host that Kana's own command line called no longer exists."""

TIMEOUT_S = 60.0
_ASSIGNMENT = re.compile(r"^\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(.*?)\s*$")


class RemoteRefused(KanaError):
    """There is no key, the server cannot be reached, or it refused."""


class Remote:
    """One environment's configuration on a server.

    Raises:
        RemoteRefused: the environment has no key.
    """

    def __init__(self, environment: Mapping[str, str], *, live: bool) -> None:
        name = "KANA_LIVE_KEY" if live else "KANA_DEV_KEY"
        key = environment.get(name) or _own_key(environment, live=live)
        if not key:
            raise RemoteRefused(f"apikey is required, please define {name} as an environment variable (.env)")
        if not key.isascii() or not key.isprintable():
            raise RemoteRefused(f"{name} contains characters that no key has")
        self._root = _root(environment)
        self._headers = {"Content-Type": "application/json", "Authorization": key}

    @property
    def schema_url(self) -> str:
        """The URL at which editors find the schema of the file."""
        return f"{self._root.removesuffix(FACE)}/schema/kana.json"

    def pull(self) -> dict[str, Any]:
        """Return the configuration on the server."""
        return self._config("GET", "pull")

    def validate(self, config: Mapping[str, Any]) -> dict[str, Any]:
        """Return the review of publishing a configuration."""
        answer = self._call("POST", "validate", config)
        if not isinstance(answer.get("data"), list):
            raise self._unknown("validate")
        return answer

    def publish(self, config: Mapping[str, Any]) -> dict[str, Any]:
        """Publish a configuration and return it as it is then on the server."""
        return self._config("POST", "publish", config)

    def _config(self, method: str, verb: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        answer = self._call(method, verb, body)
        if not isinstance(answer.get("features"), list) or not isinstance(answer.get("packages"), dict):
            raise self._unknown(verb)
        return answer

    def _call(self, method: str, verb: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        url = f"{self._root}/{verb}"
        try:
            with _client(url) as client:
                response = client.request(method, url, headers=self._headers, json=body)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise RemoteRefused(f"request to {url} failed, reason: {str(error) or type(error).__name__}") from error
        answer = _json(response)
        if response.status_code > 399:
            raise RemoteRefused(str(answer.get("error") or f"{response.status_code} {response.reason_phrase}"))
        return answer

    def _unknown(self, verb: str) -> RemoteRefused:
        return RemoteRefused(
            f"{self._root}/{verb} did not answer as a Kana server does: is KANA_DEV_URL the address of one?"
        )


def _own_key(environment: Mapping[str, str], *, live: bool) -> str:
    """Return the key in ``KANA_KEY`` if it belongs to this environment; "" if not."""
    key = environment.get("KANA_KEY", "")
    return key if key.startswith("prv_live_" if live else "prv_test_") else ""


def _root(environment: Mapping[str, str]) -> str:
    """Return the server's address: from the published variable, or else from ``KANA_ENDPOINT``."""
    for name in ("KANA_DEV_URL", "KANA_ENDPOINT"):
        if environment.get(name):
            return address_of(environment[name], FACE, name=name)
    return ROOT


def _client(url: str) -> httpx.Client:
    """Return a client that uses no proxy for this machine itself."""
    is_here = urlsplit(url).hostname in ("127.0.0.1", "localhost", "::1")
    return httpx.Client(timeout=TIMEOUT_S, trust_env=not is_here)


def _json(response: httpx.Response) -> dict[str, Any]:
    try:
        value = response.json()
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def with_dotenv(environment: Mapping[str, str], folder: Path) -> dict[str, str]:
    """Return an environment with the additions of the folder's ``.env``, which override nothing."""
    try:
        text = (folder / ".env").read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        return dict(environment)
    except (OSError, UnicodeDecodeError) as error:
        raise RemoteRefused(f"cannot read .env: {error}") from error
    found = (match.groups() for line in text.splitlines() if (match := _ASSIGNMENT.match(line)))
    return {name: _unquoted(value) for name, value in found} | dict(environment)


def _unquoted(value: str) -> str:
    for quote in ("'", '"'):
        if value.startswith(quote) and (end := value.find(quote, 1)) > 0:
            return value[1:end]
    return value.split(" #", maxsplit=1)[0].rstrip()
