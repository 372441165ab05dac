"""A small provider of identity, real on the wire: discovery, codes bound to PKCE, signed tokens, keys."""

from __future__ import annotations

import json
import secrets
from base64 import urlsafe_b64encode
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any, Self
from urllib.parse import parse_qs, urlencode, urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from jwt.algorithms import RSAAlgorithm

from kana.engine.ports.clock import Clock

CLIENT_ID, CLIENT_SECRET = "kana", "between the two of us"


@dataclass
class IdentityProvider:
    """Signs in whoever ``claims`` describe, without asking. ``spoil`` changes what it then says of them.

    ``algorithm`` and ``key`` are what it signs with; ``jwks_key`` is the one that it publishes. ``odd`` is what it
    answers at a path instead: a value, or bytes as they are, as many times as it says.
    """

    clock: Clock
    claims: dict[str, Any] = field(default_factory=lambda: {"email": "ada@example.com", "email_verified": True})
    spoil: dict[str, Any] = field(default_factory=dict)
    algorithm: str = "RS256"
    key: Any = field(default_factory=lambda: generate_private_key(65537, 2048))
    odd: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.jwks_key: RSAPrivateKey = self.key
        self._codes: dict[str, dict[str, str]] = {}

    def __enter__(self) -> Self:
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                provider.get(self)

            def do_POST(self) -> None:
                provider.token(self)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.issuer = f"http://127.0.0.1:{self._server.server_port}"
        Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def get(self, handler: BaseHTTPRequestHandler) -> None:
        """Describe itself, show its keys, or send a browser back with a code."""
        parts = urlsplit(handler.path)
        if parts.path in self.odd:
            answer(handler, 200, self.odd[parts.path])
        elif parts.path == "/.well-known/openid-configuration":
            ends = {"authorization": "authorize", "token": "token"}
            described = {f"{name}_endpoint": f"{self.issuer}/{path}" for name, path in ends.items()}
            answer(handler, 200, {"issuer": self.issuer, "jwks_uri": f"{self.issuer}/keys", **described})
        elif parts.path == "/keys":
            key = json.loads(RSAAlgorithm.to_jwk(self.jwks_key.public_key()))
            answer(handler, 200, {"keys": [{**key, "kid": "one", "use": "sig"}]})
        else:
            asked = {name: values[0] for name, values in parse_qs(parts.query).items()}
            code = secrets.token_hex(8)
            self._codes[code] = asked
            handler.send_response(303)
            back = urlencode({"code": code, "state": asked["state"]})
            handler.send_header("location", f"{asked['redirect_uri']}?{back}")
            handler.end_headers()

    def token(self, handler: BaseHTTPRequestHandler) -> None:
        """Exchange a code, once, for a token, when everything belongs together."""
        body = handler.rfile.read(int(handler.headers["content-length"])).decode()
        if handler.path in self.odd:
            answer(handler, 200, self.odd[handler.path])
            return
        sent = {name: values[0] for name, values in parse_qs(body).items()}
        asked = self._codes.pop(sent.get("code", ""), None)
        challenge = urlsafe_b64encode(sha256(sent.get("code_verifier", "").encode()).digest()).rstrip(b"=").decode()
        if (
            asked is None
            or challenge != asked["code_challenge"]
            or asked["code_challenge_method"] != "S256"
            or (sent["client_id"], sent["client_secret"]) != (CLIENT_ID, CLIENT_SECRET)
            or sent["redirect_uri"] != asked["redirect_uri"]
        ):
            answer(handler, 400, {"error": "invalid_grant"})
            return
        now = int(self.clock().timestamp())
        said = {"iss": self.issuer, "sub": "1", "aud": CLIENT_ID, "iat": now, "exp": now + 300}
        said |= {"nonce": asked["nonce"], **self.claims, **self.spoil}
        kept = {name: value for name, value in said.items() if value is not None}
        token = jwt.encode(kept, self.key, algorithm=self.algorithm, headers={"kid": "one"})
        answer(handler, 200, {"access_token": "x", "token_type": "Bearer", "id_token": token})


def answer(handler: BaseHTTPRequestHandler, status: int, value: object) -> None:
    """Send JSON, or bytes as they are."""
    body = value if isinstance(value, bytes) else json.dumps(value).encode()
    handler.send_response(status)
    handler.send_header("content-type", "application/json")
    handler.send_header("content-length", str(len(body)))
    handler.end_headers()
    with suppress(ConnectionError):  # Whoever asked has read enough.
        handler.wfile.write(body)
