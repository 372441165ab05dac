"""The programs that other tests drive are there and are what the lock files say."""

from __future__ import annotations

import json
import subprocess

import pytest

from tests.support.programs import NODE_FOLDER, chromium, node

LOCKED = json.loads((NODE_FOLDER / "package-lock.json").read_text())["packages"]
NEEDED = [name for name, package in LOCKED.items() if name and not package.get("optional")]
"""What `make` installs: not what a package can do without, which npm may leave out on any machine."""


@pytest.mark.parametrize("package", NEEDED)
def test_node_packages_are_installed_as_locked(package: str) -> None:
    """The installed release of each Node package is the locked one."""
    installed = json.loads((NODE_FOLDER / package / "package.json").read_text())
    assert installed["version"] == LOCKED[package]["version"]


def test_node_runs_the_locked_packages() -> None:
    """Node.js loads the audit of graphql-http from the tests' folder."""
    script = "console.log(typeof require('graphql-http').serverAudits)"
    answer = subprocess.run([node(), "-e", script], cwd=NODE_FOLDER, capture_output=True, text=True, check=True)
    assert answer.stdout == "function\n"


def test_chromium_says_its_version() -> None:
    """Chromium starts on this machine."""
    answer = subprocess.run([chromium(), "--version"], capture_output=True, text=True, check=True)
    assert answer.stdout.startswith(("Chromium ", "Google Chrome "))
