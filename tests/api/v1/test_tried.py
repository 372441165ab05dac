"""Another program tries every address, by what the server says of itself."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from kana.api.v1 import document
from kana.model.environment import Environment
from kana.model.key import KeyKind
from tests.support.serving import Served
from tests.support.v1 import OPERATIONS

CASES = 6
"""How many cases are made up for each address and phase."""

NOT_CHECKED = ("positive_data_acceptance", "ignored_auth", "missing_required_header")
"""Rules of ours cannot all be said in a schema, so what fits it may be refused; and who fails with a key too often is
told to wait, by which these checks do not see that they were not let in (tests/isolation/test_v1.py does)."""


BATCH = "recordUsageBatch"
"""Its items are answered each for itself, so one that does not fit is no error of the request."""


def tried(served: Served, folder: Path, location: str, *more: str) -> subprocess.CompletedProcess[str]:
    """Run the program, always with the same cases."""
    key = served.keys[Environment.TEST][KeyKind.PRIVATE]
    return subprocess.run(
        [
            str(Path(sys.executable).parent / "schemathesis"),
            *("run", location, "--url", served.url, "--header", f"Authorization: Bearer {key}"),
            *("--seed", "15", "--generation-deterministic", "--max-examples", str(CASES), "--no-color"),
            *more,
        ],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.timeout(600)
def test_every_address_answers_as_it_says(served: Served, tmp_path: Path) -> None:
    """No error of the server, no answer that is not described, and nothing that does not fit is taken."""
    where, checks = f"{served.url}/v1/openapi.json", ",".join(NOT_CHECKED)
    done = tried(served, tmp_path, where, "--exclude-checks", checks, "--exclude-operation-id", BATCH)
    batch = f"{checks},negative_data_rejection"
    alone = tried(served, tmp_path, where, "--exclude-checks", batch, "--include-operation-id", BATCH)

    for each in (done, alone):
        assert each.returncode == 0, each.stdout[-5_000:]
    assert f"Tested: {len(OPERATIONS) - 1}" in done.stdout
    assert "Tested: 1" in alone.stdout


def test_what_does_not_answer_as_it_says_is_found(served: Served, tmp_path: Path) -> None:
    """The control: a field that no answer has, of one address alone."""
    whole = json.loads(json.dumps(document()))
    whole["paths"] = {"/v1/settings": whole["paths"]["/v1/settings"]}
    whole["components"]["schemas"]["EnvironmentSettings"]["required"].append("never")
    path = tmp_path / "openapi.json"
    path.write_text(json.dumps(whole))

    done = tried(served, tmp_path, str(path), "--exclude-checks", ",".join(NOT_CHECKED))

    assert done.returncode == 1
    assert '"never" is a required property' in done.stdout
