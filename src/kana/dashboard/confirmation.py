"""The page that asks for confirmation before something that cannot be undone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from starlette.responses import Response

from kana.dashboard.context import Context
from kana.dashboard.page_request import PageRequest

Tone = Literal["primary", "danger"]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Confirmation(Context):
    """The question and its effects, and the form that ``button`` sends to ``action``.

    If there is something that one ``must_type``, the form has a field for it; ``error`` says that it was another text.
    """

    template = "confirm.html"
    title: str
    lines: Sequence[str]
    action: str
    button: str
    tone: Tone
    back: str
    must_type: str
    error: str


def ask(
    request: PageRequest,
    title: str,
    *lines: str,
    action: str,
    button: str,
    back: str,
    tone: Tone = "danger",
    must_type: str = "",
    error: str = "",
) -> Response:
    """Show a question with its effects as ``lines``. ``action`` carries it out; ``back`` cancels it.

    ``action`` gets what was typed in the field "typed", and compares it with ``must_type``, without spaces around it.
    """
    page = _Confirmation(
        title=title, lines=lines, action=action, button=button, tone=tone, back=back, must_type=must_type, error=error
    )
    return request.show(page, status=400 if error else 200)
