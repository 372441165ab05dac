"""What the documentation tells people to type works as it stands, and answers what it says."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.docs.guides import GUIDES, prints_what_it_shows
from tests.support.programs import curl
from tests.support.server import KanaServer
from tests.support.tree import ROOT, text, tracked

FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
ADDRESS = "http://127.0.0.1:8080"
SEPARATOR = "\x1e"
SETTINGS = {"KANA_WEBHOOKS_ALLOW_PRIVATE": "true"}
"""What docs/webhooks.md asks to start a server with."""

DOCUMENTS = [path for path in tracked() if path.suffix == ".md" and path.parent in (ROOT, ROOT / "docs")]
WITH_EXAMPLES = [path for path in DOCUMENTS if "```sh\n" in text(path)]


def run(script: str, server: KanaServer) -> str:
    """What a shell prints, with ``KANA_KEY`` and ``KANA_PUBLIC_KEY`` set as the documents ask; curl is the real one."""
    curl()
    assert shutil.which("bash"), "bash is needed. On Debian: apt-get install bash"
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script.replace(ADDRESS, server.address)],
        env=os.environ
        | {
            "KANA_KEY": server.private_key,
            "KANA_PUBLIC_KEY": server.keys["environments"]["test"]["public_key"],
            "LC_ALL": "C.UTF-8",
        },
        cwd=server.folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def steps(document: str) -> list[tuple[str, list[Any]]]:
    """Each shell block of a document, with the answers that the block after it shows."""
    blocks = FENCE.findall(document)
    found: list[tuple[str, list[Any]]] = []
    for (language, body), (next_language, shown) in zip(blocks, [*blocks[1:], ("", "")], strict=True):
        if language == "sh":
            answers = [json.loads(line) for line in shown.splitlines()] if next_language == "json" else []
            found.append((body, answers))
    return found


def matches(shown: Any, answer: Any) -> bool:
    """Whether an answer is the one shown; ``…`` stands for anything."""
    if shown == "…":
        return True
    if isinstance(shown, dict) and isinstance(answer, dict):
        return shown.keys() == answer.keys() and all(matches(shown[key], answer[key]) for key in shown)
    if isinstance(shown, list) and isinstance(answer, list):
        return len(shown) == len(answer) and all(map(matches, shown, answer))
    return bool(shown == answer)


@pytest.mark.parametrize("path", WITH_EXAMPLES, ids=lambda path: path.name)
def test_examples_run_and_answer_what_is_shown(path: Path) -> None:
    """From an empty workspace, in one shell: every answer is the one shown, and those not shown are no errors."""
    with KanaServer(settings=SETTINGS) as server:
        answers_what_it_shows(path, server)


@pytest.mark.parametrize("backwards", [False, True])
def test_all_documents_run_on_one_server(*, backwards: bool) -> None:
    """Whoever tries one after the other, in whichever order, meets no id that another has made; guides included."""
    runs = [
        *((answers_what_it_shows, path) for path in WITH_EXAMPLES),
        *((prints_what_it_shows, ROOT / "docs" / "guides" / f"{guide}.md") for guide in GUIDES),
    ]
    with KanaServer(settings=SETTINGS) as server:
        for check, path in reversed(runs) if backwards else runs:
            check(path, server)


def answers_what_it_shows(path: Path, server: KanaServer) -> None:
    """Run the shell blocks of a document."""
    blocks = steps(text(path))
    printed = run(f"printf '{SEPARATOR}'\n".join(body for body, _ in blocks), server)
    parts = printed.split(SEPARATOR)
    assert len(parts) == len(blocks)
    for part, (body, shown) in zip(parts, blocks, strict=True):
        answers = [json.loads(line) for line in part.splitlines()]
        unshown = len(answers) - len(shown)
        assert [answer for answer in answers[:unshown] if "errors" in answer] == [], body
        for expected, answer in zip(shown, answers[unshown:], strict=True):
            assert matches(expected, answer), f"{body}\nshown: {expected}\nanswered: {answer}"


def test_the_guide_and_the_readme_are_among_what_runs() -> None:
    """The test above looks at what people read first."""
    assert {"README.md", "guide-record-usage.md"} <= {path.name for path in WITH_EXAMPLES}


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_no_curl_stands_where_nothing_runs_it(path: Path) -> None:
    """Every curl line of the documentation is in a block that the test above runs."""
    elsewhere = [body for language, body in FENCE.findall(text(path)) if language != "sh" and "curl -" in body]
    assert elsewhere == []


@pytest.mark.parametrize(
    ("shown", "answer", "expected"),
    [
        ({"a": "…"}, {"a": [1]}, True),
        ({"a": 1}, {"a": 2}, False),
        ({"a": 1}, {"a": 1, "b": 2}, False),
        ([1, "…"], [1, {"any": "thing"}], True),
        ([1], [1, 2], False),
    ],
)
def test_the_comparison_sees_what_it_should(shown: object, answer: object, *, expected: bool) -> None:
    """Only ``…`` stands for anything; all else has to be equal."""
    assert matches(shown, answer) is expected


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(path: Path) -> None:
    """A link to a file of the project names one that is there."""
    links = re.findall(r"\]\((?!https?://|#)([^)#]+)", text(path))
    assert [link for link in links if not (path.parent / link).exists()] == []
