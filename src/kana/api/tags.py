"""Answers with a tag: a caller that sends the tag again gets 304 and no body for as long as nothing has changed."""

from __future__ import annotations

from hashlib import blake2b

from kana.api.http import Answer, Header

_KEPT: tuple[Header, ...] = ((b"cache-control", b"private, no-cache"), (b"vary", b"authorization"))


def tagged(body: bytes, headers: dict[bytes, bytes], *, about: bytes = b"") -> Answer:
    """Return an answer with its tag, or only that nothing has changed if the request names the tag.

    ``about`` is what the answer is about beside what its body says, so that two that are about different things never
    have the same tag.
    """
    digest = blake2b(body, digest_size=16, key=blake2b(about, digest_size=16).digest()).hexdigest()
    tag = b'"%s"' % digest.encode()
    told = ((b"etag", tag), *_KEPT)
    if _names(headers.get(b"if-none-match", b""), tag):
        return Answer(304, b"", headers=told)
    return Answer(200, body, headers=told)


def _names(given: bytes, tag: bytes) -> bool:
    """Whether an If-None-Match header names a tag; a proxy may have made it a weak one."""
    return any(each.strip().removeprefix(b"W/") in (tag, b"*") for each in given.split(b","))
