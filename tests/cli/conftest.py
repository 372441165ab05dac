"""The command line, called in this process, in a folder of its own."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from kana.cli import main

Kana = Callable[..., Result]


@pytest.fixture
def kana(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Kana:
    """Run a command as a shell would; the environment holds no setting of Kana's."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("KANA_")]:
        monkeypatch.delenv(name)
    return lambda *arguments, **options: CliRunner().invoke(main, arguments, **options)
