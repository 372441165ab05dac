"""The query of an address: percent-encoded UTF-8, bounded, with every argument known."""

from __future__ import annotations

from urllib.parse import parse_qs

from kana.errors import InvalidValue

ARGUMENTS_MAX = 300
"""The most arguments of one query."""


def arguments_in(query_string: bytes) -> dict[str, list[str]]:
    """Return the arguments of a query by name, each with all that it was given as.

    Raises:
        InvalidValue: it is not percent-encoded UTF-8, or has too many arguments.
    """
    if not query_string:
        return {}
    try:
        return parse_qs(
            query_string.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=ARGUMENTS_MAX
        )
    except ValueError:
        raise InvalidValue(f"the query must be percent-encoded UTF-8 with at most {ARGUMENTS_MAX} arguments") from None
