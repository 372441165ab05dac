"""A real `kana serve` in a process of its own: to start, to ask, to stop, to kill, and to start again."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from tests.support.forge import Forge, Forked

KANA = Path(sys.executable).with_name("kana")
START_TIMEOUT_S = 60.0
POLL_S = 0.005

_LISTENS = re.compile(r"^Kana listens on http://127\.0\.0\.1:(\d+) ", re.MULTILINE)


class ServerEnded(RuntimeError):
    """A command ended, though it should not have. ``code`` is what it exited with, ``said`` all that it wrote."""

    def __init__(self, code: int, said: str) -> None:
        super().__init__(f"kana exited with {code}:\n{said[-3000:]}")
        self.code = code
        self.said = said


class KanaServer:
    """One `kana serve` on a database of its own; leaving the context ends it and removes what it kept.

    The first start takes a free port and every later one the same again, so that clients find it.
    ``keys`` holds what `kana init --json` prints; the workspace is made before the first start.

    Args:
        folder: where the database is kept and the server runs; a temporary folder that is removed by
            ``close`` unless given.
        database_url: another database than the file ``kana.db`` in the folder.
        settings: variables (``KANA_…``) of its environment.
        forge: what starts it, for tests that do so many times; without one a new Python does.
        program: what is run in place of ``kana`` to serve, where there is no forge.
    """

    def __init__(
        self,
        folder: Path | None = None,
        *,
        database_url: str | None = None,
        settings: Mapping[str, str] | None = None,
        forge: Forge | None = None,
        program: Sequence[str] = (str(KANA),),
    ) -> None:
        self._temporary = folder is None
        self.folder = folder or Path(tempfile.mkdtemp(prefix="kana-server-"))
        self.database = self.folder / "kana.db"
        self.database_url = database_url or f"sqlite:///{self.database}"
        self.settings = dict(settings or {})
        self.port = 0
        self.keys: dict[str, Any] = {}
        self._forge = forge
        self._program = program
        self._process: subprocess.Popen[bytes] | Forked | None = None
        self._output = Path(tempfile.mkstemp(prefix="kana-output-")[1])

    def __enter__(self) -> Self:
        """Make the workspace and start; a server that cannot start leaves nothing behind."""
        try:
            self.init()
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def address(self) -> str:
        """The server's URL."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def private_key(self) -> str:
        """The key that opens the Admin API of the test environment."""
        return str(self.keys["environments"]["test"]["private_key"])

    @property
    def public_key(self) -> str:
        """The key that opens the Client API of the test environment."""
        return str(self.keys["environments"]["test"]["public_key"])

    @property
    def pid(self) -> int:
        """The process id.

        Raises:
            RuntimeError: it does not run.
        """
        if self._process is None or self._process.poll() is not None:
            raise RuntimeError("the server does not run")
        return self._process.pid

    @property
    def output(self) -> str:
        """All that the server has written since it was last started, logs included."""
        return self._output.read_text(errors="replace")

    def init(self) -> None:
        """Make the workspace, as `kana init` does, and keep its keys.

        Raises:
            ServerEnded: the command failed, and why.
        """
        made = self.kana("init", "--json")
        if made.returncode != 0:
            raise ServerEnded(made.returncode, made.stderr)
        self.keys = json.loads(made.stdout)

    def kana(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run another command on the same database, beside the server or without; its exit code is the caller's."""
        environment = self._environment()
        if self._forge is not None:
            return self._forge.run(*arguments, env=environment, folder=self.folder)
        command = [str(KANA), *arguments]
        return subprocess.run(command, env=environment, cwd=self.folder, text=True, capture_output=True, check=False)

    def start(self) -> None:
        """Start and wait until it is ready.

        Raises:
            ServerEnded: it ended instead, and why.
        """
        self.launch()
        self.wait_until_ready()

    def launch(self) -> None:
        """Start without waiting."""
        self._output.write_bytes(b"")
        arguments = ("serve", "--port", str(self.port))
        environment = self._environment()
        if self._forge is not None:
            self._process = self._forge.start(*arguments, env=environment, folder=self.folder, output=self._output)
            return
        with self._output.open("ab") as output:
            self._process = subprocess.Popen(
                [*self._program, *arguments],
                env=environment,
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,  # a Ctrl-C at the terminal is for the tests, which then end the server
            )

    def wait_until_ready(self) -> None:
        """Wait until a launched server says where it listens.

        Raises:
            ServerEnded: it ended instead, and why.
        """
        assert self._process is not None
        deadline = time.monotonic() + START_TIMEOUT_S
        while (found := _LISTENS.search(self.output)) is None:
            if (code := self._process.poll()) is not None:
                raise ServerEnded(code, self.output)
            if time.monotonic() > deadline:
                self.kill()
                raise TimeoutError(f"kana serve is not ready after {START_TIMEOUT_S:.0f} s:\n{self.output[-3000:]}")
            time.sleep(POLL_S)
        self.port = int(found[1])

    def signal(self, how: signal.Signals) -> None:
        """Send a signal, if it still runs."""
        if self._process is not None:
            self._process.send_signal(how)

    def wait(self, timeout_s: float = START_TIMEOUT_S) -> int:
        """Wait until it has ended; return its exit code."""
        assert self._process is not None
        return self._process.wait(timeout_s)

    def terminate(self) -> int:
        """Ask it to end, as a supervisor does; return its exit code."""
        self.signal(signal.SIGTERM)
        return self.wait()

    def kill(self) -> None:
        """End it at once, as the kernel does when memory runs out: nothing is finished."""
        self.signal(signal.SIGKILL)
        self.wait()

    def restart(self) -> None:
        """End it in order and start it again, on the same port and data."""
        self.terminate()
        self.start()

    def close(self) -> None:
        """End it and remove what it kept."""
        if self._process is not None:
            self.kill()
        self._output.unlink(missing_ok=True)
        if self._temporary:
            shutil.rmtree(self.folder, ignore_errors=True)

    def _environment(self) -> dict[str, str]:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("KANA_")}
        return {**inherited, "KANA_DATABASE_URL": self.database_url, **self.settings}
