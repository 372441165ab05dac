from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import Self

from kana.dashboard.context import Context


@dataclass(frozen=True, slots=True, kw_only=True)
class ProblemPage(Context):
    """An error, as a page."""

    template = "problem.html"
    status: int
    title: str
    message: str

    @classmethod
    def of(cls, status: HTTPStatus, message: str) -> Self:
        """Return the page for a status, with a message that begins with a capital."""
        return cls(status=status.value, title=status.phrase, message=message[:1].upper() + message[1:])
