"""`kana publish` lets nothing go that the file never had, unless it is told to."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from kana.sdk import Grant, KanaAdmin
from tests.cli.conftest import Kana
from tests.support.forge import Forge
from tests.support.server import KanaServer

FILE = """\
features:
  - id: message
    type: CONSUMABLE
packages:
  published:
    - id: free
      features:
        - id: message
          limit: 50
"""
HELD = [Grant(id="message", limit=5)]
GONE = [
    "Package 'old' is archived: nobody new can subscribe to it (1 subscriber keeps it).",
    "Add-on 'extra' is archived: nobody new can subscribe to it (0 subscribers keep it).",
    "Package 'next' is deleted: it is a draft.",
]
ASKS = "Archive or delete these 3? Deleting cannot be undone. `kana pull` writes them into the file instead. [y/N]:"


@pytest.fixture(scope="module")
def forge() -> Iterator[Forge]:
    """Starts servers without paying for their imports each time."""
    with Forge() as forge:
        yield forge


@pytest.fixture
def server(forge: Forge) -> Iterator[KanaServer]:
    """A server that was filled by the API, before anybody thought of a file."""
    with (
        KanaServer(forge=forge) as server,
        KanaAdmin(api_key=server.private_key, endpoint=server.address) as kana,
    ):
        kana.features.create(id="message", type="CONSUMABLE")
        kana.packages.create(id="old", features=HELD)
        kana.packages.create(id="next", features=HELD)
        kana.packages.create(id="extra", features=HELD, is_addon=True)
        for package_id in ("old", "extra"):
            kana.packages.publish(id=package_id)
        kana.users.create(id="ada")
        kana.subscriptions.create(user_id="ada", package_ids=["old"])
        yield server


@pytest.fixture
def file(kana: Kana, server: KanaServer, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A first file of somebody's own."""
    monkeypatch.setenv("KANA_ENDPOINT", server.address)
    monkeypatch.setenv("KANA_KEY", server.private_key)
    path = Path("kana/kana.dev.yaml")
    path.parent.mkdir()
    path.write_text(FILE + "addons: {}\n")
    return path


def statuses(server: KanaServer) -> dict[str, str]:
    with KanaAdmin(api_key=server.private_key, endpoint=server.address) as kana:
        return {package.id: package.status.value for package in kana.packages.list(status="ALL")}


BEFORE = {"old": "PUBLISHED", "next": "DRAFT", "extra": "PUBLISHED"}
AFTER = {"old": "ARCHIVED", "extra": "ARCHIVED", "free": "PUBLISHED"}


@pytest.mark.parametrize("answers", ["", "n\n", "\n", "y\nn\n"])
def test_whoever_does_not_say_yes_lets_nothing_go(kana: Kana, file: Path, server: KanaServer, answers: str) -> None:
    """What would go is listed with who has it, and asked about by itself; no is the default, and silence is a no."""
    result = kana("publish", input=answers)
    assert result.exit_code == 1
    assert ASKS in result.stderr
    for text in GONE:
        assert f"i {text}\n" in result.stdout
    assert statuses(server) == BEFORE
    assert file.read_text().startswith(FILE)


def test_yes_to_both_questions_lets_them_go(kana: Kana, file: Path, server: KanaServer) -> None:
    """Then it is as the file says."""
    assert kana("publish", input="y\ny\n").exit_code == 0
    assert statuses(server) == AFTER


@pytest.mark.parametrize("more", [(), ("--json",)])
def test_force_is_no_yes_to_this(kana: Kana, file: Path, server: KanaServer, more: tuple[str, ...]) -> None:
    """Where nobody is asked, it has to be told by its own option; without it nothing happens."""
    result = kana("publish", "--force", *more)
    assert result.exit_code == 1
    if more:
        said: dict[str, Any] = json.loads(result.stdout)
        assert (said["ok"], said["published"], said["missing"]) == (False, False, GONE)
    else:
        assert result.stdout.endswith(
            "Nothing was published. `kana pull` writes them into the file;"
            " --archive-missing archives or deletes them.\n"
        )
    assert statuses(server) == BEFORE
    assert kana("publish", "--force", "--archive-missing", *more).exit_code == 0
    assert statuses(server) == AFTER


def test_what_was_taken_out_of_a_pulled_file_needs_one_yes(kana: Kana, file: Path, server: KanaServer) -> None:
    """The file had it, so that somebody meant it: the question is the usual one, and force is enough."""
    assert kana("pull").exit_code == 0
    pulled = file.read_text()
    start = pulled.index("    - id: next")
    file.write_text(pulled[:start].replace("  draft:\n", "  draft: []\n") + pulled[pulled.index("  published:") :])
    result = kana("publish", input="y\n")
    assert (result.exit_code, "Archive or delete" in result.stderr) == (0, False)
    assert statuses(server) == {"old": "PUBLISHED", "extra": "PUBLISHED"}


def test_what_came_after_the_pull_is_asked_about(kana: Kana, file: Path, server: KanaServer) -> None:
    """Force publishes over what was changed, and yet lets go nothing that the file never had."""
    assert kana("pull").exit_code == 0
    with KanaAdmin(api_key=server.private_key, endpoint=server.address) as admin:
        admin.packages.create(id="later", features=HELD)
        admin.packages.publish(id="later")
    result = kana("publish", "--force")
    assert result.exit_code == 1
    assert "Package 'later' is archived" in result.stdout
    assert statuses(server) == BEFORE | {"later": "PUBLISHED"}


def test_a_file_that_lacks_nothing_is_not_asked_about(kana: Kana, file: Path, server: KanaServer) -> None:
    """Without addons the add-ons stay; what is named stays; there is one question, or none with force."""
    held = "      features:\n        - id: message\n          limit: 5\n"
    file.write_text(f"{FILE}    - id: old\n{held}  draft:\n    - id: next\n{held}")
    assert kana("publish", "--force").exit_code == 0
    assert statuses(server) == BEFORE | {"free": "PUBLISHED"}


def test_the_address_of_the_published_tool_does_as_ever(server: KanaServer) -> None:
    """What Kana's own command line posts is published without another question: it has asked already."""
    config = {
        "features": [{"id": "message", "type": "CONSUMABLE"}],
        "packages": {"published": [{"id": "free", "features": [{"id": "message", "limit": 50}]}]},
    }
    headers = {"authorization": server.private_key}
    answer = httpx.post(f"{server.address}/cli/publish", json=config, headers=headers)
    assert answer.status_code == 200
    assert statuses(server) == {"old": "ARCHIVED", "extra": "PUBLISHED", "free": "PUBLISHED"}
