"""Programs of the machine that tests drive."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from tests.support.tree import ROOT

NODE_FOLDER = ROOT / "tests" / "node"  # its node_modules are installed from the lock file by `make test`

# No sandbox, since root may be running the tests; nothing that looks for another host by itself.
CHROMIUM_ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


class ProgramMissing(RuntimeError):
    """A program is not to be had: tests that need it fail, they are never skipped."""


def node() -> Path:
    """Node.js: the machine's, or the one installed beside the Python that runs the tests."""
    return _find("node")


def chromium() -> Path:
    """Chromium, by any of its names."""
    return _find("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def strace() -> Path:
    """What watches the system calls of a process, and makes them fail."""
    return _find("strace")


def pgbouncer() -> Path:
    """The pooler that people put before PostgreSQL."""
    return _find("pgbouncer")


def curl() -> Path:
    """curl, as the documentation has it typed."""
    return _find("curl")


def _find(*names: str) -> Path:
    folder = Path(sys.executable).parent
    for name in names:
        if found := shutil.which(name) or shutil.which(name, path=f"{folder}:/usr/sbin"):
            return Path(found)
    raise ProgramMissing(f"{names[0]} is not found: `make test` installs it")
