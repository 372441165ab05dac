"""The Python guides run as they stand, in the order in which they refer to each other, and print what they say."""

from __future__ import annotations

import os
import re
import subprocess
import sys

from tests.support.server import KanaServer
from tests.support.tree import ROOT, text

GUIDES = ["create-users", "subscribe-manually", "block-access-backend", "record-usage"]
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(guide: str, language: str) -> str:
    found = BLOCK.findall(text(ROOT / "docs" / "guides" / f"{guide}.md"))
    return "\n".join(body for spoken, body in found if spoken == language)


def test_each_guide_prints_what_it_shows() -> None:
    """From an empty server, each guide's samples are one program, which prints the guide's text blocks."""
    with KanaServer() as server:
        for guide in GUIDES:
            ended = subprocess.run(
                [sys.executable, "-c", blocks(guide, "python")],
                env=os.environ | {"KANA_KEY": server.private_key, "KANA_ENDPOINT": server.address},
                cwd=ROOT,
                capture_output=True,
                text=True,
                check=False,
            )
            assert (guide, ended.stderr) == (guide, "")
            shown = blocks(guide, "text").replace("\n\n", "\n")
            assert (guide, ended.stdout) == (guide, shown)


def test_every_guide_is_run() -> None:
    """A guide with Python in it is in the list above."""
    with_python = {path.stem for path in (ROOT / "docs" / "guides").glob("*.md") if "```python" in text(path)}
    assert with_python == set(GUIDES)
