"""Starts `kana serve` many times for the price of one: a process that has imported it forks a server each time.

What is forked is the command itself in a process of its own, which can be killed like any other;
only the second or so of reading Python files is not paid again. ``python -m tests.support.forge`` reads
one JSON object a line and answers each with a number.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

_RUNS = -1000  # answered where a process has not ended; no exit code is like this


class Forge:
    """Forks servers, and ends those that are left when it is closed. Calls may come from any thread."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.forge"],
            cwd=Path(__file__).resolve().parents[2],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self._one_at_a_time = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def start(
        self, *arguments: str, env: Mapping[str, str], folder: Path, output: Path, errors: Path | None = None
    ) -> Forked:
        """Run ``kana`` with these arguments; what it writes is appended to ``output``, or to ``errors`` too."""
        files = {"folder": str(folder), "output": str(output), "errors": str(errors or output)}
        return Forked(self, self.ask({"start": arguments, "env": dict(env), **files}))

    def run(self, *arguments: str, env: Mapping[str, str], folder: Path) -> subprocess.CompletedProcess[str]:
        """Run ``kana`` with these arguments to its end."""
        with tempfile.TemporaryDirectory(prefix="kana-command-") as written:
            output, errors = Path(written) / "output", Path(written) / "errors"
            code = self.start(*arguments, env=env, folder=folder, output=output, errors=errors).wait(60)
            return subprocess.CompletedProcess(arguments, code, output.read_text(), errors.read_text())

    def ask(self, question: Mapping[str, Any]) -> int:
        """Put one question to the process."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with self._one_at_a_time:
            self._process.stdin.write(json.dumps(question) + "\n")
            self._process.stdin.flush()
            return int(self._process.stdout.readline())

    def close(self) -> None:
        """End every process it started, then itself."""
        self._process.communicate()


class Forked:
    """A process that a forge started, with the part of Popen's interface that tests need."""

    def __init__(self, forge: Forge, pid: int) -> None:
        self._forge = forge
        self.pid = pid
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """Return the exit code (negative: the signal that ended it), None while it runs."""
        if self.returncode is None:
            code = self._forge.ask({"poll": self.pid})
            self.returncode = None if code == _RUNS else code
        return self.returncode

    def wait(self, timeout: float) -> int:
        """Return the exit code when it has ended."""
        deadline = time.monotonic() + timeout
        while (code := self.poll()) is None:
            if time.monotonic() > deadline:
                raise subprocess.TimeoutExpired("kana", timeout)
            time.sleep(0.002)
        return code

    def send_signal(self, how: int) -> None:
        """Send a signal, if it still runs."""
        if self.poll() is None:
            os.kill(self.pid, how)


def _main() -> None:
    # All that a server imports; importing starts no thread and opens nothing.
    import uvloop  # noqa: F401

    import kana.api.server
    import kana.app
    import kana.cli  # noqa: F401

    children: set[int] = set()
    for line in sys.stdin:
        question = json.loads(line)
        print(_start(question, children) if "start" in question else _poll(question["poll"], children), flush=True)
    for pid in children:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def _start(question: Mapping[str, Any], children: set[int]) -> int:
    pid = os.fork()
    if pid == 0:
        _become(question["start"], question["env"], question["folder"], (question["output"], question["errors"]))
    children.add(pid)
    return pid


def _poll(pid: int, children: set[int]) -> int:
    ended, status = os.waitpid(pid, os.WNOHANG)
    if not ended:
        return _RUNS
    children.discard(pid)
    return os.waitstatus_to_exitcode(status)


def _become(arguments: Sequence[str], env: Mapping[str, str], folder: str, written: tuple[str, str]) -> None:
    """Run the command in this process, which never returns."""
    code = 1
    try:
        os.setsid()
        os.chdir(folder)
        os.environ.clear()
        os.environ.update(env)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        for descriptor, path in zip((1, 2), written, strict=True):
            os.dup2(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT), descriptor)
        sys.modules["kana.cli"].main(list(arguments), prog_name="kana")
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:  # noqa: BLE001 - whatever it is, the forge itself must not go on in here
        traceback.print_exc()
    finally:
        with suppress(OSError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    _main()
