"""Several server processes behind one socket, and the parent that supervises them."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from types import FrameType

import click

from kana.errors import KanaError

RESTART_PAUSE_S = 0.5
"""The pause before a process that died is replaced, so that one that cannot start is not restarted too fast."""

Work = Callable[[int], int]
"""The work of each process: given the descriptor to watch (``run_workers``), it returns the exit status."""


def run_workers(work: Work, count: int) -> int:
    """Run ``work`` in ``count`` processes until SIGTERM or SIGINT; return the exit status.

    Each gets a file descriptor that becomes readable when it has to end: after a signal to the parent,
    or when the parent is gone for any reason. A process that was killed is replaced; one that exits with
    an error ends all of them, since the others have the same problem.
    """
    watched, held = os.pipe()
    stopped: list[int] = []

    def stop(number: int, _frame: FrameType | None) -> None:
        if not stopped:
            os.close(held)
        stopped.append(number)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    running = {_fork(work, watched, held) for _ in range(count)}
    worst = 0
    while running:
        pid, status = os.wait()
        running.discard(pid)
        code = os.waitstatus_to_exitcode(status)
        if stopped:
            worst = max(worst, code)
        elif code > 0:
            worst = code
            stop(0, None)
        else:
            with suppress(OSError):  # A message that cannot be printed must not stop the work.
                click.echo(f"Process {pid} was killed. A new process replaces it.", err=True)
            time.sleep(RESTART_PAUSE_S)
            if not stopped:
                running.add(_fork(work, watched, held))
    os.close(watched)
    return worst


def _fork(work: Work, watched: int, held: int) -> int:
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_DFL)
        with suppress(OSError):  # The parent may have closed it just before, when told to stop.
            os.close(held)
        code = work(watched)
    except KanaError as error:
        click.echo(f"Error: {error.message}", err=True)
    finally:
        try:
            sys.stdout.flush()
            sys.stderr.flush()
        finally:
            os._exit(code)
