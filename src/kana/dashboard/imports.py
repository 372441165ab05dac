"""Imports in progress: each has a folder, so that every process on this machine can show its progress.

A folder contains the uploaded file, the report of what the import would do, and ``state.json``, which is
replaced as a whole. Only the uploader knows the folder's name. It is deleted after a day. Each server has
its own place for these folders, which its processes share.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import secrets
import shutil
import tempfile
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from hashlib import sha256
from itertools import islice
from pathlib import Path

from kana.dashboard.users_table import read_rows
from kana.engine.pace import Pace
from kana.engine.users.directory import CheckedRow, DirectoryEngine, in_chunks
from kana.engine.users.imports import ImportEngine
from kana.errors import Forbidden, KanaError, NotFound, RateLimited
from kana.model.environment import Actor, Environment
from kana.model.period import from_milliseconds, to_milliseconds
from kana.model.user_import import RowOutcome
from kana.model.word import Word

REPORTED_MAX = 1_000
"""The most wrong rows that a report lists; it counts all of them."""

KEPT = timedelta(days=1)
"""How long an import is kept."""

INTERRUPTED = (
    "The import was interrupted. If it had started to change users, the server finishes it after its next start."
    " Upload the file again: the report shows what is still to be done."
)

_KEPT_MAX = 50
_STALE = timedelta(seconds=30)
_TOLD_S = 0.3
_NAME = re.compile(r"[0-9a-f]{32}").fullmatch


class Stage(Word):
    """The stage of an import."""

    CHECKING = "checking"
    CHECKED = "checked"
    IMPORTING = "importing"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """The state of an import. ``why`` says why it failed; ``told_at`` is when it last reported."""

    environment: str
    email: str
    file: str
    stage: Stage
    told_at: int
    rows: int = 0
    counts: dict[str, int] = field(default_factory=dict)
    why: str = ""

    @property
    def is_running(self) -> bool:
        """Whether the import is in progress."""
        return self.stage in (Stage.CHECKING, Stage.IMPORTING)

    @property
    def may_import(self) -> bool:
        """Whether it was checked and all rows are correct."""
        return self.stage is Stage.CHECKED and not self.counts.get(RowOutcome.WRONG)


@dataclass(frozen=True, slots=True)
class Import:
    """One import: its name in addresses, and its folder."""

    name: str
    folder: Path

    @property
    def table(self) -> Path:
        """The uploaded file."""
        return self.folder / "users.csv"

    def state(self, now: datetime) -> State | None:
        """Return its state, or None if there is no such import; one whose process has ended counts as failed."""
        try:
            state = State(**json.loads((self.folder / "state.json").read_text()))
            state = replace(state, stage=Stage(state.stage))
        except (OSError, ValueError, TypeError):
            return None  # There is none, or another version wrote it.
        if state.is_running and now - from_milliseconds(state.told_at) > _STALE:
            return replace(state, stage=Stage.FAILED, why=INTERRUPTED)
        return state

    def tell(self, state: State) -> None:
        """Store its state."""
        draft = self.folder / f"state-{secrets.token_hex(4)}"
        draft.write_text(json.dumps(asdict(state)))
        draft.replace(self.folder / "state.json")

    def report(self, outcome: RowOutcome | None, *, first: int, count: int) -> list[CheckedRow]:
        """Return rows of the report, of one outcome or of all, starting at row ``first``."""
        try:
            with (self.folder / "report").open() as lines:
                wanted = (line for line in lines if outcome is None or line.startswith(f"{outcome}\t"))
                return [_checked_row(line) for line in islice(wanted, first, first + count)]
        except FileNotFoundError:
            return []


def _line(checked: CheckedRow) -> str:
    return f"{checked.outcome}\t{json.dumps((checked.number, checked.id, checked.why))}\n"


def _checked_row(line: str) -> CheckedRow:
    outcome, told = line.split("\t", 1)
    number, user_id, why = json.loads(told)
    return CheckedRow(number, user_id, RowOutcome(outcome), why)


class Imports:
    """The imports of one server, which ``server`` identifies. It runs those that were sent to this process."""

    def __init__(
        self, directory: DirectoryEngine, imports: ImportEngine, *, server: str, clock: Callable[[], datetime]
    ) -> None:
        self._server = sha256(server.encode()).hexdigest()[:16]
        self._directory = directory
        self._merges = imports
        self._clock = clock
        self._tasks: set[asyncio.Task[None]] = set()

    def find(self, name: str, environment: Environment, email: str) -> tuple[Import, State]:
        """Return an import of this colleague.

        Raises:
            NotFound: there is no such import, or it belongs to another colleague or environment.
        """
        if _NAME(name):
            found = Import(name, self._folder() / name)
            state = found.state(self._clock())
            if state is not None and (state.environment, state.email) == (environment.value, email):
                return found, state
        raise NotFound("Import not found. It may be too old: upload the file again.")

    def check(self, environment: Environment, email: str, file: str, copy: Callable[[Path], None]) -> Import:
        """Store the file that ``copy`` writes and begin to check it.

        Raises:
            RateLimited: this colleague has too many imports already.
        """
        self._sweep(email)
        name = secrets.token_hex(16)
        new = Import(name, self._folder() / name)
        new.folder.mkdir(mode=0o700)
        copy(new.table)
        state = State(
            environment=environment.value, email=email, file=file, stage=Stage.CHECKING, told_at=self._moment()
        )
        new.tell(state)
        self._start(new, state, self._check)
        return new

    def carry_out(self, checked: Import, state: State) -> None:
        """Begin to carry out an import that was checked and is correct."""
        state = replace(state, stage=Stage.IMPORTING, rows=0, told_at=self._moment())
        checked.tell(state)
        self._start(checked, state, self._merge)

    def _start(self, which: Import, state: State, work: Callable[[Import, State], Awaitable[None]]) -> None:
        task = asyncio.create_task(self._run(which, state, work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run(self, which: Import, state: State, work: Callable[[Import, State], Awaitable[None]]) -> None:
        try:
            await work(which, state)
        except KanaError as error:
            which.tell(replace(state, stage=Stage.FAILED, why=error.message, told_at=self._moment()))
        except Exception:
            why = "The import failed because of an error on our side."
            which.tell(replace(state, stage=Stage.FAILED, why=why, told_at=self._moment()))
            raise

    async def _check(self, which: Import, state: State) -> None:
        counts: Counter[str] = Counter()
        loop, pace = asyncio.get_running_loop(), Pace()
        with (which.folder / "report").open("w") as report:
            told_at = loop.time()
            for chunk in in_chunks(read_rows(which.table)):
                for checked in await self._directory.rule(Environment(state.environment), chunk):
                    counts[checked.outcome] += 1
                    if checked.outcome is not RowOutcome.WRONG or counts[RowOutcome.WRONG] <= REPORTED_MAX:
                        report.write(_line(checked))
                await pace.rest()
                if loop.time() - told_at > _TOLD_S:
                    told_at = loop.time()
                    state = self._tell(which, state, counts.total(), counts)
        self._tell(which, replace(state, stage=Stage.CHECKED), counts.total(), counts)

    async def _merge(self, which: Import, state: State) -> None:
        done = 0

        def note(rows: int) -> None:
            nonlocal done
            done = rows

        merging = asyncio.create_task(
            self._merges.merge(
                Environment(state.environment),
                read_rows(which.table),
                on_rows=note,
                source=state.file,
                by=Actor(kind="person", name=state.email),
            )
        )
        while not (await asyncio.wait({merging}, timeout=_TOLD_S))[0]:
            self._tell(which, state, done, state.counts)
        await merging
        self._tell(which, replace(state, stage=Stage.DONE), done, state.counts)

    def _tell(self, which: Import, state: State, rows: int, counts: dict[str, int]) -> State:
        state = replace(state, rows=rows, counts=dict(counts), told_at=self._moment())
        which.tell(state)
        return state

    def _moment(self) -> int:
        return to_milliseconds(self._clock())

    def _sweep(self, email: str) -> None:
        """Delete old imports, and refuse another one to a colleague who has too many; others are not affected."""
        kept, now = 0, self._clock()
        for folder in self._folder().iterdir():
            state = Import(folder.name, folder).state(now)
            touched_at = folder.stat().st_mtime * 1000 if state is None else state.told_at
            if now - from_milliseconds(int(touched_at)) > KEPT:
                shutil.rmtree(folder, ignore_errors=True)
            elif state is not None and state.email == email:
                kept += 1
        if kept >= _KEPT_MAX:
            raise RateLimited(f"You have {_KEPT_MAX} imports from the last day. Try again later.", retry_after_s=3600)

    def _folder(self) -> Path:
        """Return the folder of this server's imports, which no other user of this machine can read."""
        folder = Path(tempfile.gettempdir(), f"kana-imports-{os.getuid()}-{self._server}")
        folder.mkdir(mode=0o700, exist_ok=True)
        status = folder.lstat()
        if folder.is_symlink() or status.st_uid != os.getuid() or status.st_mode & 0o077:
            raise Forbidden(f"Imports need the folder {folder}, but other users of this machine can access it.")
        return folder
