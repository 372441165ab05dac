"""What only an administrator of the machine can do to a server: file systems that fail, and system calls that do.

Where this machine does not allow it, as to who is not root, the test is skipped and says why.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.programs import strace


class Disk:
    """A small ext4 disk in a file, to plug in, cut off from power and plug in again."""

    def __init__(self, folder: Path) -> None:
        self._image = folder / "disk.img"
        self.folder = folder / "disk"
        self.folder.mkdir()
        with self._image.open("wb") as image:
            image.truncate(64 * 1024 * 1024)
        subprocess.run(["mkfs.ext4", "-q", "-F", self._image], check=True, capture_output=True)

    @contextmanager
    def plugged_in(self) -> Iterator[Path]:
        """Mount it, which recovers it after a power cut; unmount it at the end."""
        with _mounted(self.folder, "-o", "loop", str(self._image)):
            yield self.folder


@contextmanager
def small_disk(folder: Path, *, megabytes: int) -> Iterator[Path]:
    """Mount a file system that is soon full."""
    place = folder / "small"
    place.mkdir()
    with _mounted(place, "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs"):
        yield place


@contextmanager
def read_only(folder: Path) -> Iterator[Path]:
    """Mount a folder that nobody may write to, root included."""
    place = folder / "read-only"
    place.mkdir()
    with _mounted(place, "-t", "tmpfs", "-o", "size=1m,ro", "tmpfs"):
        yield place


@contextmanager
def _mounted(place: Path, *arguments: str) -> Iterator[None]:
    if os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("this machine does not let us mount a file system (that takes root)")
    mount = subprocess.run(["mount", *arguments, str(place)], check=False, capture_output=True, text=True)
    if mount.returncode != 0:
        pytest.skip(f"this machine does not let us mount a file system: {mount.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", str(place)], check=True)


@contextmanager
def traced(pid: int, output: Path, *options: str) -> Iterator[None]:
    """Watch, or make fail, the system calls of a process that runs, all its threads included."""
    said = output.with_suffix(".strace")
    command = [str(strace()), "-f", "-s", "24", "-p", str(pid), "-o", str(output), *options]
    with said.open("wb") as errors:
        tracer = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=errors)
    try:
        _wait_until_attached(tracer, said)
        yield
    finally:
        tracer.terminate()
        tracer.wait(30)


def _wait_until_attached(tracer: subprocess.Popen[bytes], said: Path) -> None:
    while not re.search(r"Process \d+ attached", said.read_text()):
        if tracer.poll() is not None:
            pytest.skip(f"this machine does not let strace watch a process: {said.read_text().strip()}")
        time.sleep(0.01)
