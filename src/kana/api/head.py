"""The head of a request: heads that two programs could read differently are refused."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from ipaddress import IPv6Address

import orjson
from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from kana.api.errors import Fault, problem
from kana.api.http import NO_STORE, SECURITY_HEADERS, Header, new_request_id

_HOST_BYTES_MAX = 300  # A name has 253 at most.
_HOST = re.compile(
    rb"(?:[A-Za-z0-9._~!$&'()*+;=%\-]*|\[(?P<v6>[0-9A-Fa-f:.]+(?:%[A-Za-z0-9._~%\-]+)?)\])(?::(?P<port>[0-9]{0,5}))?"
).fullmatch


def fault(status: int, name: str, message: str, *, retry_after_s: int | None = None) -> Fault:
    """Return the error of a request that never reaches the application."""
    code = "BAD_USER_INPUT" if retry_after_s is None else "UNAVAILABLE"
    return Fault(code=code, name=name, message=message, status=status, retry_after_s=retry_after_s)


def _malformed(message: str) -> Fault:
    return fault(400, "MalformedRequestError", message)


BUSY = fault(503, "OverloadedError", "the server is at its limit, try again later", retry_after_s=1)
TOO_LARGE = fault(431, "HeadersTooLargeError", "the request's headers, or the framing of its body, are too large")
TOO_SLOW = fault(408, "RequestTimeoutError", "the request did not arrive in time")
MALFORMED = _malformed("the request is not well-formed HTTP/1.1")

_NO_VERSION = _malformed("the request line must name HTTP/1.1")
_VERSION = fault(505, "VersionNotSupportedError", "only HTTP/1.1 is supported")
_TUNNEL = fault(501, "MethodNotSupportedError", "CONNECT is not supported")
_NO_HOST = _malformed("an HTTP/1.1 request must have a Host header")
_HOST_WRONG = _malformed("the Host header must be a name or an address, with or without a port")
_CODING = _malformed("the only supported Transfer-Encoding is chunked")
_CODING_1_0 = _malformed("Transfer-Encoding needs HTTP/1.1")
_ONCE = (b"host", b"authorization", b"transfer-encoding", b"content-length")
_TWICE = {name: _malformed(f"the header {name.decode().title()} is repeated") for name in _ONCE}


def fault_in(method: bytes, version: str, headers: Sequence[Header], *, by_name: Mapping[bytes, bytes]) -> Fault | None:
    """Return the error of a head whose lines are well-formed; None if there is none.

    Headers that say who is called, who calls and where the body ends must not be repeated. All others
    may be. Names are in lower case, and ``by_name`` has the last of each.
    """
    if version not in ("1.1", "1.0"):
        return _NO_VERSION if version == "0.9" else _VERSION
    if method == b"CONNECT":
        return _TUNNEL
    if len(by_name) != len(headers):
        names = [name for name, _ in headers]
        twice = next((name for name in _ONCE if names.count(name) > 1), None)
        if twice is not None:
            return _TWICE[twice]
    return _fault_in_host(by_name.get(b"host"), version) or _fault_in_coding(by_name.get(b"transfer-encoding"), version)


def _fault_in_host(host: bytes | None, version: str) -> Fault | None:
    if host is None:
        return _NO_HOST if version == "1.1" else None
    return None if len(host) <= _HOST_BYTES_MAX and is_host(host) else _HOST_WRONG


def _fault_in_coding(coding: bytes | None, version: str) -> Fault | None:
    if coding is None:
        return None
    if version == "1.0":
        return _CODING_1_0
    return None if coding.strip().lower() == b"chunked" else _CODING


@lru_cache(maxsize=1024)
def is_host(value: bytes) -> bool:
    """Whether ``value`` is a valid Host header: a name, an IPv4 or [IPv6] address, or nothing, and maybe a port."""
    match = _HOST(value)
    if match is None or int(match["port"] or 0) > 65_535:
        return False
    if match["v6"] is None:
        return True
    try:
        IPv6Address(match["v6"].decode())
    except ValueError:
        return False
    return True


def last_answer(fault: Fault, *, has_body: bool = True) -> bytes:
    """Return the bytes of an answer that bypasses the router and ends the connection."""
    body = orjson.dumps(problem(fault))
    headers: list[Header] = [
        (b"content-type", b"application/problem+json"),
        (b"content-length", b"%d" % len(body)),
        (b"connection", b"close"),
        (b"x-request-id", new_request_id().encode()),
        NO_STORE,
        *SECURITY_HEADERS,
    ]
    if fault.retry_after_s is not None:
        headers.append((b"retry-after", b"%d" % fault.retry_after_s))
    lines = (b"%b: %b\r\n" % header for header in headers)
    return b"".join([STATUS_LINE[fault.status], *lines, b"\r\n", body if has_body else b""])
