"""JSON with several items, each of which is accepted or refused separately."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from kana.api.body import (
    Flaw,
    Refused,
    decode,
    holds_half_surrogate,
    read_constant,
    read_float,
    read_object,
    refuse_flaws,
)
from kana.errors import InvalidValue
from kana.model.text import shown


@dataclass(frozen=True, slots=True)
class Parts:
    """A JSON value in parts, of which a refused one never fails the others.

    No part of ``value`` may be used before ``taken`` has returned it.
    """

    value: Any
    is_flawed: bool = False
    what: str = "body"

    def taken(self, part: Any, what: str | None = None) -> Any:
        """Return a part of the value when it is all that ``read_json`` takes; ``what`` names it in messages.

        Raises:
            InvalidValue: it is not.
        """
        if self.is_flawed:
            refuse_flaws(part, what or self.what)
        return part

    def all_but(self, *names: str) -> dict[str, Any]:
        """Return the fields of an object besides its items.

        Raises:
            InvalidValue: it is no object, or a field besides the items is refused.
        """
        if not isinstance(self.value, dict):
            raise InvalidValue(f"{self.what} must be a JSON object, got {shown(self.taken(self.value))}")
        return dict(self.taken({name: part for name, part in self.value.items() if name not in names}))


def read_parts(text: bytes | str, *, what: str = "body") -> Parts:
    """Return the JSON value of ``text``; a value that ``read_json`` refuses is refused only when its part is used.

    So an item of a batch with half of a surrogate pair, a byte that is not UTF-8, a repeated key or a number
    that is too large is refused alone.

    Raises:
        InvalidValue: it is not JSON, or nested too deeply, so that its items cannot be found.
    """
    try:
        decoded = text if isinstance(text, str) else text.decode("utf-8")
        return Parts(decode(decoded, what=what), holds_half_surrogate(decoded) is not None, what)
    except Refused:
        return Parts(_read_flawed(decoded, what), is_flawed=True, what=what)
    except UnicodeDecodeError as error:
        with suppress(InvalidValue):
            return Parts(_read_flawed(error.object.decode("utf-8", "surrogateescape"), what), is_flawed=True, what=what)
        raise InvalidValue(f"{what} must be in UTF-8; byte {error.start} is not valid") from None


def _read_flawed(text: str, what: str) -> Any:
    return decode(text, what=what, decoder=_decode_flawed)


def _or_flaw(read: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def read_or_flaw(given: Any) -> Any:
        try:
            return read(given)
        except Refused as error:
            return Flaw(str(error))
        except ValueError:
            return Flaw("a number has too many digits")

    return read_or_flaw


_decode_flawed = json.JSONDecoder(
    object_pairs_hook=_or_flaw(read_object),
    parse_float=_or_flaw(read_float),
    parse_int=_or_flaw(int),
    parse_constant=_or_flaw(read_constant),
).decode
