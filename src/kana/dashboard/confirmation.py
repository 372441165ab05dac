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
    """The question and its effects, and the form that ``button`` sends to ``action``."""

    template = "confirm.html"
    title: str
    lines: Sequence[str]
    action: str
    button: str
    tone: Tone
    back: str


def ask(
    request: PageRequest, title: str, *lines: str, action: str, button: str, back: str, tone: Tone = "danger"
) -> Response:
    """Show a question with its effects as ``lines``. ``action`` carries it out; ``back`` cancels it."""
    page = _Confirmation(title=title, lines=lines, action=action, button=button, tone=tone, back=back)
    return request.show(page)
