"""What the documentation says to make can be made, and what it says to install can be installed."""

from __future__ import annotations

import re
import signal
import subprocess
import time
from pathlib import Path

import httpx

from tests.support.tree import ROOT, text, tracked

START_TIMEOUT_S = 120.0
DOCUMENTS = [path for path in tracked() if path.suffix == ".md" and path.name != "CHANGELOG.md"]


def test_every_target_that_is_named_is_one() -> None:
    """No page says to make what the Makefile does not know."""
    targets = set(re.findall(r"^([a-z-]+):", text(ROOT / "Makefile"), re.MULTILINE))
    named = {
        (path.name, target)
        for path in DOCUMENTS
        for target in re.findall(r"(?:`|\$ )make ([a-z-]+)", text(path))
        if target not in targets
    }
    assert named == set()


def test_what_is_only_a_beta_is_named_with_its_version() -> None:
    """Pip finds no beta by its name alone; the version is the one that our tests run."""
    [version] = re.findall(r"^openmeter==(\S+)", text(ROOT / "requirements/dev.txt"), re.MULTILINE)
    said = [found for path in DOCUMENTS for found in re.findall(r"pip install (openmeter[^`\s]*)", text(path))]
    assert said == [f"openmeter=={version}"]


def test_make_demo_serves_a_year_beside_the_database_of_make_serve(tmp_path: Path) -> None:
    """It fills a database of its own the first time and serves that each time, whatever kana.db holds."""
    demo = tmp_path / "demo.db"
    inodes = []
    for _ in range(2):
        said = tmp_path / "said"
        with said.open("w") as output:
            running = subprocess.Popen(
                ["make", "--no-print-directory", "-o", "install", "demo", f"DEMO={demo}", "DEMO_PORT=0"],
                cwd=ROOT,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        try:
            address = listens(running, said)
            assert httpx.get(f"{address}/healthz").status_code == 200
            inodes.append(demo.stat().st_ino)
        finally:
            running.send_signal(signal.SIGTERM)
            running.wait()
    assert inodes[0] == inodes[1]
    assert said.read_text().count("a year of history") == 0


def listens(running: subprocess.Popen[bytes], said: Path) -> str:
    """Where the server is, once it says so."""
    deadline = time.monotonic() + START_TIMEOUT_S
    while (found := re.search(r"Kana listens on (\S+) ", said.read_text())) is None:
        assert running.poll() is None, said.read_text()
        assert time.monotonic() < deadline, said.read_text()
        time.sleep(0.05)
    return found[1]
