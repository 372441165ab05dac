"""Several processes behind one socket, and the parent that looks after them."""

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
"""How long a process that died is missed, so that one that cannot live does not die in a hurry."""

Work = Callable[[int], int]
"""What each process runs: given what to watch (``run_workers``), it returns what to exit with."""


def run_workers(work: Work, count: int) -> int:
    """Run ``work`` in ``count`` processes until SIGTERM or SIGINT; return what to exit with.

    Each gets a file descriptor that becomes readable when it is time to end: after a signal to the
    parent, or when the parent is no more, however it went. One that somebody ended is started again;
    one that ends by itself with a problem ends all, since the others have the same one.
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
            with suppress(OSError):  # What cannot be said must not keep it from being done.
                click.echo(f"Process {pid} was ended by somebody; another takes its place.", err=True)
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
        with suppress(OSError):  # The parent may have been told to stop, and have closed it, just before.
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
