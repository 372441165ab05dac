"""Reading a request's body, bounded while it arrives, and strict JSON, for every API."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, NoReturn, TypeVar

from starlette.types import Receive

from kana.engine.pace import aside
from kana.errors import BodyTooLarge, InvalidValue, UnsupportedMediaType
from kana.model.text import first_repeated

BYTES_MAX = 102_400
"""The longest body by default, in bytes: 100 KB."""

LONG_BYTES = 65_536
"""From this size in bytes, a body is read on another thread."""

_SHOWN_MAX = 64
_PATH_MAX = 200
_Made = TypeVar("_Made")


class ClientGone(Exception):
    """The client closed the connection before its request was complete, so there is nobody to answer."""


def too_large(bytes_max: int) -> BodyTooLarge:
    """Return the error of a body of more than ``bytes_max`` bytes."""
    return BodyTooLarge(f"body must be at most {bytes_max} bytes")


def declared_length(headers: dict[bytes, bytes]) -> int:
    """Return the length that the client announces, in bytes; 0 if it announces none (chunked)."""
    announced = headers.get(b"content-length", b"0")
    return int(announced) if announced.isdigit() else 0


async def read_body(receive: Receive, headers: dict[bytes, bytes], *, bytes_max: int = BYTES_MAX) -> bytes:
    """Return the whole body, refused as soon as it announces or has more than ``bytes_max``.

    Raises:
        BodyTooLarge: the body is too large; at most ``bytes_max`` and one chunk were in memory.
        ClientGone: the client closed the connection in the middle.
    """
    if declared_length(headers) > bytes_max:
        raise too_large(bytes_max)
    message = await receive()
    if message["type"] != "http.request":
        raise ClientGone
    body: bytes = message.get("body", b"")
    if not message.get("more_body", False) and len(body) <= bytes_max:
        return body
    chunks = [body]
    size = len(body)
    while message.get("more_body", False) and size <= bytes_max:
        message = await receive()
        if message["type"] != "http.request":
            raise ClientGone
        chunk: bytes = message.get("body", b"")
        size += len(chunk)
        chunks.append(chunk)
    if size > bytes_max:
        raise too_large(bytes_max)
    return b"".join(chunks)


def refuse_packed(headers: dict[bytes, bytes]) -> None:
    """Refuse a compressed body, of which a few bytes could become gigabytes.

    Raises:
        UnsupportedMediaType: the body is compressed.
    """
    if headers.get(b"content-encoding", b"identity") != b"identity":
        raise UnsupportedMediaType("Content-Encoding is not supported: send the body uncompressed")


async def made_of(body: bytes, read: Callable[[bytes], _Made]) -> _Made:
    """Return the result of ``read`` for a body; a long one is read on another thread."""
    return read(body) if len(body) <= LONG_BYTES else await aside(partial(read, body))


def read_json(text: bytes | str, *, what: str = "body") -> Any:
    """Return the JSON value of ``text``, read strictly; messages call it ``what``.

    Refused, and never echoed: text that is not UTF-8, a byte order mark, trailing text, the same key
    twice in one object, NaN and Infinity, numbers too large for a double or of thousands of digits,
    nesting that exhausts the parser, and half of a surrogate pair, which no database stores.

    Raises:
        InvalidValue: the text is refused; the message has the line and the column, if known.
    """
    try:
        if isinstance(text, bytes):
            text = text.decode("utf-8")
        value = decode(text, what=what)
    except UnicodeDecodeError as error:
        raise InvalidValue(f"{what} must be in UTF-8; byte {error.start} is not valid") from None
    except Refused as error:
        raise InvalidValue(f"{what} must be JSON: {error}") from None
    if holds_half_surrogate(text):
        refuse_flaws(value, what)
    return value


class Refused(Exception):
    """One value is not allowed by JSON or by us. Not a ValueError, which means something else here."""


@dataclass(frozen=True, slots=True)
class Flaw:
    """Takes the place of a refused value in JSON that is read in parts, and says why it was refused."""

    why: str


def decode(text: str, *, what: str, decoder: Callable[[str], Any] | None = None) -> Any:
    """Return the JSON value of ``text``, by default with the strict decoder.

    Raises:
        InvalidValue: it is not JSON, or nested too deeply.
        Refused: one of its values is refused.
    """
    try:
        return (decoder or _decode)(text)
    except json.JSONDecodeError as error:
        raise InvalidValue(f"{what} must be JSON: {error.msg} at line {error.lineno} column {error.colno}") from None
    except RecursionError:
        raise InvalidValue(f"{what} is nested too deeply") from None
    except ValueError:
        # Python raises a plain ValueError for an integer with more than 4,300 digits.
        raise Refused("a number has too many digits") from None


def read_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return the object of these pairs, each of whose keys must be unique."""
    value = dict(pairs)
    if len(value) != len(pairs):
        twice = first_repeated(key for key, _ in pairs)
        raise Refused(f"the key {ascii(twice[:_SHOWN_MAX])[:_SHOWN_MAX]} is repeated in one object")
    return value


def read_float(digits: str) -> float:
    """Return the number, which must fit a double."""
    number = float(digits)
    if not math.isfinite(number):
        raise Refused("a number is too large")
    return number


def read_constant(name: str) -> NoReturn:
    """Refuse NaN and the infinities, which Python reads but JSON does not have."""
    raise Refused(f"{name} is not a JSON number")


_decode = json.JSONDecoder(object_pairs_hook=read_object, parse_float=read_float, parse_constant=read_constant).decode


# What can be read without half of a pair, and then an escape, which is half of one. Possessive: it never goes back.
holds_half_surrogate = re.compile(
    r"(?:[^\\]++|\\[^u]|\\u(?![dD][89a-fA-F])|\\u[dD][89abAB]..\\u[dD][c-fC-F]..)*+\\u", re.DOTALL
).match


def refuse_flaws(value: Any, what: str) -> None:
    """Return a message on the first value of ``value`` that is refused or that UTF-8 cannot encode.

    Only that value's place is put into words: words for every value would take a multiple of the body.
    """
    inside: list[tuple[str | int, Iterator[tuple[str | int, Any]]]] = [("", iter([(what, value)]))]
    while inside:
        key, item = next(inside[-1][1], (None, None))
        if key is None:
            inside.pop()
        elif isinstance(item, str):
            if not _is_utf8(item):
                path = _path(inside, key)
                raise InvalidValue(f"{path} contains {_what_is_no_text(item)}, which is not a character", field=path)
        elif isinstance(item, Flaw):
            raise InvalidValue(f"{_path(inside, key)} must be JSON: {item.why}", field=_path(inside, key))
        elif isinstance(item, dict):
            if not all(map(_is_utf8, item)):
                path = _path(inside, key)
                wrong = next(_what_is_no_text(name) for name in item if not _is_utf8(name))
                raise InvalidValue(f"a key in {path} contains {wrong}", field=path)
            inside.append((key, iter(item.items())))
        elif isinstance(item, list):
            inside.append((key, enumerate(item)))


def _what_is_no_text(text: str) -> str:
    """Return what is wrong with a text; bytes that are not UTF-8 are read as halves from U+DC80 on."""
    half = next(character for character in text if "\ud800" <= character <= "\udfff")
    return "a byte that is not UTF-8" if "\udc80" <= half <= "\udcff" else "half of a surrogate pair"


def _path(inside: Iterable[tuple[str | int, object]], last: str | int) -> str:
    """Return the place of a value as ``body.items[3].name``, shortened in the middle if it is long."""
    keys = [*[key for key, _ in inside][1:], last]
    path = "".join(f"[{key}]" if isinstance(key, int) else f".{key[:_PATH_MAX]}" for key in keys)[1:]
    return path if len(path) <= _PATH_MAX else f"{path[: _PATH_MAX // 2]}…{path[-_PATH_MAX // 2 :]}"


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
