"""JSON that holds several items, each of which is taken or refused for itself."""

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
    """A JSON value in parts, of which one that cannot be taken fails none of the others.

    Nothing of ``value`` may be used before ``taken`` has returned it.
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
        """Return what an object holds beside its items.

        Raises:
            InvalidValue: it is no object, or something beside the items cannot be taken.
        """
        if not isinstance(self.value, dict):
            raise InvalidValue(f"{self.what} must be a JSON object, got {shown(self.taken(self.value))}")
        return dict(self.taken({name: part for name, part in self.value.items() if name not in names}))


def read_parts(text: bytes | str, *, what: str = "body") -> Parts:
    """Return the JSON value of ``text``; what ``read_json`` refuses of one value is left to who takes the part.

    So one that stands in a batch with half of a surrogate pair, a byte that is not UTF-8, a key twice, or a
    number that nothing holds, is refused alone.

    Raises:
        InvalidValue: it is no JSON at all, or nested too deeply: nobody can tell where its items are.
    """
    try:
        decoded = text if isinstance(text, str) else text.decode("utf-8")
        return Parts(decode(decoded, what=what), holds_half_surrogate(decoded) is not None, what)
    except Refused:
        return Parts(_read_flawed(decoded, what), is_flawed=True, what=what)
    except UnicodeDecodeError as error:
        with suppress(InvalidValue):
            return Parts(_read_flawed(error.object.decode("utf-8", "surrogateescape"), what), is_flawed=True, what=what)
        raise InvalidValue(f"{what} must be UTF-8; byte {error.start} is not") from None


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
