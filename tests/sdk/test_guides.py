"""The Python guides run as they stand, and print what they say."""

from __future__ import annotations

import pytest

from tests.docs.guides import GUIDES, prints_what_it_shows
from tests.support.server import KanaServer
from tests.support.tree import ROOT, text

FOLDER = ROOT / "docs" / "guides"


@pytest.mark.parametrize("guide", GUIDES)
def test_each_guide_stands_alone(guide: str) -> None:
    """From an empty server, whichever a reader begins with; that they also follow each other, tests/docs proves."""
    with KanaServer() as server:
        prints_what_it_shows(FOLDER / f"{guide}.md", server)


def test_every_guide_is_run() -> None:
    """A guide with Python in it is in the list."""
    assert {path.stem for path in FOLDER.glob("*.md") if "```python" in text(path)} == set(GUIDES)
