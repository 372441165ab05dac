"""The Python guides, as programs."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from tests.support.server import KanaServer
from tests.support.tree import ROOT, text

GUIDES = [
    "create-users",
    "subscribe-manually",
    "block-access-backend",
    "gates",
    "record-usage",
    "sell-more",
    "exceptions",
    "explain",
    "meter-ai",
    "sell-credits",
    "never-over",
]
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(path: Path, language: str) -> str:
    """All blocks of a language, as one text."""
    return "\n".join(body for spoken, body in BLOCK.findall(text(path)) if spoken == language)


def prints_what_it_shows(path: Path, server: KanaServer) -> None:
    """Run a guide's samples as one program, which prints the guide's text blocks and nothing else."""
    ended = subprocess.run(
        [sys.executable, "-c", blocks(path, "python")],
        env=os.environ | {"KANA_KEY": server.private_key, "KANA_ENDPOINT": server.address},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (path.stem, ended.stderr) == (path.stem, "")
    assert (path.stem, ended.stdout) == (path.stem, blocks(path, "text").replace("\n\n", "\n"))
