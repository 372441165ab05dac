"""``POST /segment/events`` as Kana published it, and Segment's HTTP API with a private key as the write key."""

from __future__ import annotations

import base64
import re
import zlib
from collections.abc import Callable, Mapping
from typing import Any

from starlette.types import ASGIApp, Receive, Scope

from kana.api.access import Door, credential_in
from kana.api.body import made_of, read_body, too_large
from kana.api.endpoint import endpoint, json_answer
from kana.api.http import Answer, headers_of
from kana.api.parts import Parts, read_parts
from kana.api.segment.messages import Read, read_batch, read_single, read_webhook
from kana.engine.access.access import Caller
from kana.engine.segment.segment import SegmentEngine
from kana.errors import InvalidValue, UnsupportedMediaType
from kana.model.key import KeyKind
from kana.model.segment import MessageType

BODY_BYTES_MAX = 500 * 1024
"""The longest body, in bytes, also after decompression: Segment's own limit, 500 KB."""

_BASIC = "basic "
_KEYS_IN = re.compile(rb'"writeKey"\s*+:\s*+"(prv_[A-Za-z0-9_-]{1,200})"').findall
_MEMBERS_MAX = 16
_Reader = Callable[[Parts], Read]


def routes(engine: SegmentEngine, door: Door) -> dict[str, ASGIApp]:
    """Return the endpoints, each also with a slash at the end.

    All accept the key bare, as Bearer, as the user of HTTP basic authentication, or as ``writeKey`` in the body.
    """
    readers: dict[str, _Reader] = {"/segment/events": read_webhook}
    readers |= dict.fromkeys(("/v1/batch", "/v1/import", "/v1/b"), read_batch)
    readers |= {f"/v1/{kind}": read_single(kind) for kind in MessageType}
    return {path + end: _endpoint(engine, door, reader) for path, reader in readers.items() for end in ("", "/")}


def write_key_in(headers: Mapping[bytes, bytes]) -> str:
    """Return the key of the Authorization header, which Segment's libraries send as a user without a password."""
    credential = credential_in(headers)
    if credential[: len(_BASIC)].lower() != _BASIC:
        return credential
    try:
        pair = base64.b64decode(credential[len(_BASIC) :].strip(), validate=True).decode("latin-1")
    except ValueError:  # It is not base64, or not ASCII.
        return ""
    return pair.partition(":")[0]


def _endpoint(engine: SegmentEngine, door: Door, reader: _Reader) -> ASGIApp:
    async def work(scope: Scope, receive: Receive) -> Answer:
        rejected = await _take(engine, door, reader, scope, receive)
        return json_answer({"success": True, "rejected": rejected} if rejected else {"success": True})

    return endpoint("POST", work)


async def _take(
    engine: SegmentEngine, door: Door, reader: _Reader, scope: Scope, receive: Receive
) -> list[dict[str, Any]]:
    """Store the messages of a request; return which messages of a batch cannot be stored, and why."""
    headers = headers_of(scope)
    caller = await door.caller(scope, KeyKind.PRIVATE, credential=write_key_in) if write_key_in(headers) else None
    body = _unpacked(await read_body(receive, headers, bytes_max=BODY_BYTES_MAX), headers)
    if caller is None:
        caller, parts = await _by_body(door, scope, body)
    else:
        parts = await made_of(body, read_parts)
    read = await made_of(body, lambda _: reader(parts))
    await engine.receive(caller.environment, read.messages)
    return [{"index": index, "message": message} for index, message in read.rejected]


async def _by_body(door: Door, scope: Scope, body: bytes) -> tuple[Caller, Parts]:
    """Return the caller and the body, for a key in the body, as Segment's libraries for Java and Kotlin send it.

    A stranger's body is only searched for a valid key and not read, as that would be wasted work.
    """
    found = [key.decode() for key in _KEYS_IN(body)]
    await door.caller(scope, KeyKind.PRIVATE, credential=lambda _: found[-1] if found else "")
    parts = await made_of(body, read_parts)
    key = parts.all_but("batch").get("writeKey")
    caller = await door.caller(scope, KeyKind.PRIVATE, credential=lambda _: key if isinstance(key, str) else "")
    return caller, parts


def _unpacked(body: bytes, headers: Mapping[bytes, bytes]) -> bytes:
    """Return the decompressed body, as Segment's libraries may use gzip, up to the allowed length.

    Raises:
        UnsupportedMediaType: it is compressed in another way.
        InvalidValue: it is not valid gzip.
        BodyTooLarge: it is too long when decompressed.
    """
    encoding = headers.get(b"content-encoding", b"identity").strip().lower()
    if encoding in (b"identity", b""):
        return body
    if encoding != b"gzip":
        raise UnsupportedMediaType("Content-Encoding must be gzip or omitted")
    unpacked = b""
    for _ in range(_MEMBERS_MAX):
        member, body = _unpack_member(body, BODY_BYTES_MAX + 1 - len(unpacked))
        unpacked += member
        if len(unpacked) > BODY_BYTES_MAX:
            raise too_large(BODY_BYTES_MAX)
        if not body:
            return unpacked
    raise InvalidValue(f"body has more than {_MEMBERS_MAX} members of gzip")


def _unpack_member(packed: bytes, bytes_max: int) -> tuple[bytes, bytes]:
    """Return the content of the first member of a gzip file, at most ``bytes_max`` of it, and the rest of the file."""
    unpacker = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
    try:
        unpacked = unpacker.decompress(packed, bytes_max)
    except zlib.error:
        raise InvalidValue("body is not compressed with gzip, as Content-Encoding says") from None
    if not unpacker.eof and len(unpacked) < bytes_max:
        raise InvalidValue("body ends before its compressed content does")
    return unpacked, unpacker.unused_data
