"""Users as CSV: an export of all users, and an import that is checked before it is carried out."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import BinaryIO

from starlette.datastructures import UploadFile
from starlette.responses import Response, StreamingResponse

from kana.dashboard.context import Context
from kana.dashboard.imports import REPORTED_MAX, State
from kana.dashboard.page_request import PageRequest
from kana.dashboard.route import get, post
from kana.dashboard.users_table import COLUMNS, ROWS_MAX, written_heads, written_rows
from kana.engine.users.directory import CheckedRow
from kana.errors import BadInput
from kana.model.colleague import Role
from kana.model.user_import import RowOutcome

FILE_BYTES_MAX = 64 * 1024 * 1024
"""The largest file that an import accepts."""

_LINES = 100
_EXPORTED = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportPage(Context):
    """The form for the file."""

    template = "users_import.html"
    columns: tuple[str, ...] = COLUMNS
    rows_max: int = ROWS_MAX
    errors: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgressPage(Context):
    """The progress of an import, and its report: rows of one ``outcome`` or of all, from ``first`` on."""

    template = "users_import_progress.html"
    name: str
    state: State
    lines: Sequence[CheckedRow]
    outcome: str
    first: int
    more: int | None
    outcomes: tuple[RowOutcome, ...] = tuple(RowOutcome)
    reported_max: int = REPORTED_MAX

    @property
    def total(self) -> int:
        """How many rows of the file have been checked."""
        return sum(self.state.counts.values())


async def show_import(request: PageRequest) -> Response:
    """Ask for the file."""
    return request.show(ImportPage())


async def check(request: PageRequest) -> Response:
    """Store the file and begin to check it."""
    file = request.form.get("file")
    if not isinstance(file, UploadFile) or not file.filename:
        return request.show(ImportPage(errors={"file": "Choose a file."}), status=400)
    copy = partial(_copy, file.file)
    new = request.services.imports.check(request.environment, request.colleague.email, file.filename[:255], copy)
    return request.go("/users/import/progress", id=new.name)


def _copy(file: BinaryIO, path: Path) -> None:
    with path.open("wb") as target:
        shutil.copyfileobj(file, target)


async def show_progress(request: PageRequest) -> Response:
    """Show the progress of an import and its report."""
    found, state = request.services.imports.find(request.id, request.environment, request.colleague.email)
    asked, at = request.asked("outcome"), request.asked("first")
    outcome = RowOutcome(asked) if asked in set(RowOutcome) else None
    first = int(at) if at.isascii() and at.isdigit() and len(at) < 8 else 0
    lines = [] if state.is_running else found.report(outcome, first=first, count=_LINES + 1)
    page = ProgressPage(
        name=found.name,
        state=state,
        lines=lines[:_LINES],
        outcome=outcome or "",
        first=first,
        more=first + _LINES if len(lines) > _LINES else None,
    )
    return request.show(page)


async def carry_out(request: PageRequest) -> Response:
    """Carry out an import that was checked; if this is sent twice, it happens once."""
    found, state = request.services.imports.find(request.id, request.environment, request.colleague.email)
    if state.may_import:
        request.services.imports.carry_out(found, state)
    elif state.counts.get(RowOutcome.WRONG):
        raise BadInput("Some rows are wrong, so nothing can be imported. Correct the file and upload it again.")
    return request.go("/users/import/progress", id=found.name)


async def export(request: PageRequest) -> Response:
    """Return all users as CSV, written page by page so that memory does not grow with them."""
    headers = {"content-disposition": f'attachment; filename="users-{request.environment}.csv"'}
    if request.http.method == "HEAD":
        return Response(media_type="text/csv", headers=headers)
    return StreamingResponse(_exported(request), media_type="text/csv; charset=utf-8", headers=headers)


async def _exported(request: PageRequest) -> AsyncIterator[str]:
    yield written_heads()
    after: str | None = None
    while users := await request.engine.accounts.users(request.environment, first=_EXPORTED, after=after):
        yield written_rows(users)
        after = users[-1].id


ROUTES = (
    get("/users/import", show_import, needs=Role.EDITOR),
    post("/users/import", check, body_max=FILE_BYTES_MAX),
    get("/users/import/progress", show_progress, needs=Role.EDITOR),
    post("/users/import/carry-out", carry_out),
    get("/users/export", export),
)
