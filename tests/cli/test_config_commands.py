"""`kana pull`, `validate`, `publish` and `bootstrap` against a real server, over HTTP."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest
from click.testing import Result

from kana.cli.configuration.remote import ROOT, Remote, with_dotenv
from tests.cli.conftest import Kana
from tests.support.client import AdminClient
from tests.support.forge import Forge
from tests.support.server import KanaServer
from tests.support.stranger import stranger

SETUP = """\
version: 1.0.0
features:
  - id: message
    name: Messages
    type: CONSUMABLE
packages:
  published:
    - id: free
      name: Free
      features:
        - id: message
          limit: 50
          reset_period: MONTH
"""
ADDON = """\
addons:
  published:
    - id: extra
      name: Extra
      base_packages:
        - free
      features:
        - id: message
          limit: 5
"""
QUESTION = "You are about to publish a new Kana setup. This action cannot be undone. Do you wish to continue?"
RISKY = "You are about to publish a new Kana setup with the above issues. This action cannot be undone."

Run = Callable[..., Result]


@pytest.fixture(scope="module")
def forge() -> Iterator[Forge]:
    """Starts servers without paying for their imports each time."""
    with Forge() as forge:
        yield forge


@pytest.fixture
def server(forge: Forge) -> Iterator[KanaServer]:
    """A server on an empty database."""
    with KanaServer(forge=forge) as server:
        yield server


@pytest.fixture
def setup(server: KanaServer, kana: Kana, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file of the test environment, in a folder that knows the server and its keys."""
    monkeypatch.setenv("KANA_DEV_URL", f"{server.address}/cli")
    monkeypatch.setenv("KANA_DEV_KEY", server.private_key)
    monkeypatch.setenv("KANA_LIVE_KEY", server.keys["environments"]["live"]["private_key"])
    path = Path("kana/kana.dev.yaml")
    path.parent.mkdir()
    path.write_text(SETUP)
    return path


def pulled(server: KanaServer, environment: str = "test") -> dict[str, Any]:
    """What the server has."""
    key = server.keys["environments"][environment]["private_key"]
    answer = httpx.get(f"{server.address}/cli/pull", headers={"Authorization": key}, trust_env=False)
    found: dict[str, Any] = answer.json()
    return found


def is_empty(server: KanaServer) -> bool:
    return not pulled(server)["features"]


def limits(server: KanaServer) -> list[int | None]:
    packages = pulled(server)["packages"]["published"]
    return [held["limit"] for package in packages for held in package["features"] if "limit" in held]


def test_a_setup_goes_from_file_to_server_and_back(kana: Kana, setup: Path, server: KanaServer) -> None:
    """Validate, publish, up to date; pulled into another folder it is the same; add-ons included."""
    setup.write_text(SETUP + ADDON)
    lines = [
        "+ Feature 'message' is created as CONSUMABLE.",
        "+ Package 'free' is created and published: 'message' 50 per month.",
        "+ Add-on 'extra' is created and published: 'message' 5 in all, goes with 'free'.",
    ]

    validated = kana("validate")
    assert is_empty(server)
    published = kana("publish", input="y\n")
    text = setup.read_text()
    again = kana("validate")
    setup.unlink()
    pull = kana("pull")

    assert [result.exit_code for result in (validated, published, again, pull)] == [0, 0, 0, 0]
    assert validated.stdout.splitlines()[0] == "i Loaded API key from environment variable."
    assert validated.stdout.splitlines()[-3:] == lines
    assert QUESTION in published.stderr
    assert published.stdout.endswith("i Publishing...\n\n✔ Kana config successfully updated!\n")
    assert again.stdout.endswith("\n✔ The local config file is up to date.\n")
    message = "Local Kana config successfully synced! Check out your Kana config file at ./kana/kana.dev.yaml"
    assert pull.stdout.endswith(f"i Pulling...\n\n✔ {message}\n")
    without_date = [line for line in setup.read_text().splitlines() if not line.startswith("# Updated: ")]
    assert without_date == [line for line in text.splitlines() if not line.startswith("# Updated: ")]
    assert without_date[0] == f"# yaml-language-server: $schema={server.address}/schema/kana.json"
    assert "addons:" in without_date


def test_publishing_what_is_there_already_asks_nothing(kana: Kana, setup: Path, server: KanaServer) -> None:
    """There is nothing to do, and nothing is done."""
    kana("publish", "--force")
    before = pulled(server)
    result = kana("publish")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.endswith("✔ The local config file is up to date.\n")
    assert pulled(server) == before


@pytest.mark.parametrize("answer", ["n\n", "\n", ""])
def test_whoever_does_not_say_yes_publishes_nothing(kana: Kana, setup: Path, server: KanaServer, answer: str) -> None:
    """No is the default, and nobody there is a no; exit 1, as what was asked for was not done."""
    result = kana("publish", input=answer)
    assert (result.exit_code, QUESTION in result.stderr) == (1, True)
    assert is_empty(server)
    assert setup.read_text() == SETUP


async def use(server: KanaServer, **used: int) -> None:
    """Subscribe users to ``free``, and record what they used."""
    async with AdminClient(server.address, server.private_key) as client:
        for user_id, delta in used.items():
            await client.enrol(user_id, "free")
            await client.record(user_id, delta=delta)


def test_a_lower_limit_says_who_is_above_it(kana: Kana, setup: Path, server: KanaServer) -> None:
    """How many subscribers, and how many of them have used more."""
    kana("publish", "-f")
    asyncio.run(use(server, ada=30, bob=3))
    setup.write_text(setup.read_text().replace("limit: 50", "limit: 10"))

    words, answered = kana("validate"), kana("validate", "--json")

    what = "Package 'free' changes 'message' from 50 per month to 10 per month"
    assert words.exit_code == 0
    assert words.stdout.splitlines()[-2:] == [
        f"! [WARNING] {what}: this touches 2 subscribers, 1 of them above 10 already in their current period.",
        f"~ {what} (at once for 2 subscribers).",
    ]
    found = json.loads(answered.stdout)
    assert (found["ok"], found["up_to_date"], found["file"]) == (True, False, "kana/kana.dev.yaml")
    assert [(line["severity"], line["subscribers"], line["over"]) for line in found["lines"]] == [
        ("WARNING", 2, 1),
        ("CHANGE", 2, 1),
    ]


def test_errors_of_the_server_stop_with_their_place(kana: Kana, setup: Path, server: KanaServer) -> None:
    """Exit 1 and nothing published; forced, it asks, and the server still refuses what it cannot hold."""
    kana("publish", "--force")
    before = pulled(server)
    setup.write_text(setup.read_text().replace("type: CONSUMABLE", "type: BINARY").replace("limit: 50", "limit: null"))

    validated, published = kana("validate"), kana("publish")
    forced = kana("publish", "--force", input="y\n")
    declined = kana("publish", "--force", input="n\n")

    text = "[ERROR] Feature 'message' is CONSUMABLE and cannot become BINARY; a type cannot change."
    assert f"✖ {text} (line 13, column 5)\n" in validated.stdout
    assert published.stdout.endswith('Config validation failed. Review above error(s) or pass in "--force" ("-f")\n')
    assert RISKY in forced.stderr
    assert forced.stderr.endswith(f"✖ [ERROR]: {text}\n")
    assert [result.exit_code for result in (validated, published, forced, declined)] == [1, 1, 1, 1]
    assert pulled(server) == before


def test_a_stale_file_is_an_error_that_force_overrides(kana: Kana, setup: Path, server: KanaServer) -> None:
    """What someone else changed since the pull is not overwritten unseen."""
    kana("publish", "--force")
    mine = setup.read_text().replace("limit: 50", "limit: 60")
    setup.write_text(setup.read_text().replace("limit: 50", "limit: 70"))
    kana("publish", "--force")
    setup.write_text(mine)

    stopped = kana("publish")
    assert (stopped.exit_code, limits(server)) == (1, [70])
    assert "✖ [ERROR] The file was made from revision test_" in stopped.stdout
    assert "(line 3, column 1)" in stopped.stdout
    forced = kana("publish", "--force")
    assert (forced.exit_code, forced.stderr, limits(server)) == (0, "", [60])


def test_what_changes_while_someone_thinks_is_not_overwritten(
    kana: Kana, setup: Path, server: KanaServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is published is what was shown: a change between the question and the answer makes a conflict."""

    def confirm(*_: object, **__: object) -> bool:
        other = {"features": [{"id": "other", "type": "BINARY"}], "packages": {}}
        headers = {"Authorization": server.private_key}
        httpx.post(f"{server.address}/cli/publish", json=other, headers=headers, trust_env=False)
        return True

    monkeypatch.setattr("click.confirm", confirm)
    result = kana("publish")

    assert result.exit_code == 1
    assert "✖ [ERROR]: The file was made from revision test_" in result.stderr
    assert [feature["id"] for feature in pulled(server)["features"]] == ["other"]


def test_what_works_in_test_goes_live_with_the_same_file(kana: Kana, setup: Path, server: KanaServer) -> None:
    """--live is another file, another key and another environment; a revision of test does not stand in the way."""
    kana("publish", "--force")
    live = setup.with_name("kana.yaml")
    live.write_text(setup.read_text())
    result = kana("publish", "--live", "--force")
    assert (result.exit_code, result.stderr) == (0, "")
    assert pulled(server, "live")["packages"] == pulled(server)["packages"]
    assert "revision: live_" in live.read_text()
    assert kana("pull", "--live").exit_code == 0


def test_programs_get_one_object(kana: Kana, setup: Path, server: KanaServer) -> None:
    """--json answers on standard output alone, whatever comes of it."""
    published = json.loads(kana("publish", "--force", "--json").stdout)
    again = json.loads(kana("publish", "--json").stdout)
    pull = json.loads(kana("pull", "--json").stdout)
    setup.write_text("features: [\n")
    broken = kana("validate", "--json")

    assert (published["ok"], published["published"], published["config"]) == (True, True, pulled(server))
    assert (again["ok"], again["published"], again["up_to_date"]) == (True, False, True)
    assert pull == {"ok": True, "file": "kana/kana.dev.yaml", "config": pulled(server)}
    assert broken.exit_code == 1
    assert json.loads(broken.stdout)["error"].startswith("line 2, column 1: ")


@pytest.mark.parametrize("command", ["pull", "validate", "publish"])
@pytest.mark.parametrize(("option", "name"), [((), "KANA_DEV_KEY"), (("--live",), "KANA_LIVE_KEY")])
def test_without_a_key_nothing_is_asked(kana: Kana, command: str, option: tuple[str, ...], name: str) -> None:
    """Kana's words, and exit 1."""
    result = kana(command, *option)
    words = f"apikey is required, please define {name} as an environment variable (.env)"
    assert (result.exit_code, result.stderr) == (1, f"✖ [ERROR]: {words}\n")


def test_the_key_and_the_address_may_stand_in_dotenv(
    kana: Kana, setup: Path, server: KanaServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the current folder; what is set in the environment stands above it."""
    monkeypatch.delenv("KANA_DEV_KEY")
    monkeypatch.delenv("KANA_DEV_URL")
    Path(".env").write_text(f"# keys\nexport KANA_DEV_KEY='{server.private_key}'\nKANA_DEV_URL={server.address}/cli\n")
    assert kana("publish", "--force").exit_code == 0
    monkeypatch.setenv("KANA_DEV_KEY", "prv_test_wrong")
    assert kana("pull").exit_code == 1


def test_the_name_that_all_else_goes_by_is_taken_too(
    kana: Kana, setup: Path, server: KanaServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """KANA_KEY and KANA_ENDPOINT are enough; a key of the other environment is never taken for this one's."""
    monkeypatch.delenv("KANA_DEV_KEY")
    monkeypatch.delenv("KANA_LIVE_KEY")
    monkeypatch.delenv("KANA_DEV_URL")
    monkeypatch.setenv("KANA_ENDPOINT", server.address)
    for environment, options, other in (("test", (), ("--live",)), ("live", ("--live",), ())):
        monkeypatch.setenv("KANA_KEY", server.keys["environments"][environment]["private_key"])
        assert kana("pull", *options).exit_code == 0
        assert "apikey is required" in kana("pull", *other).stderr


@pytest.mark.parametrize("tail", ["", "/", "/cli", "/cli/", "/graphql"])
def test_the_address_may_end_in_a_path_of_ours_or_not(
    kana: Kana, setup: Path, server: KanaServer, monkeypatch: pytest.MonkeyPatch, tail: str
) -> None:
    """One address serves everything."""
    monkeypatch.setenv("KANA_DEV_URL", f"{server.address}{tail}")
    assert kana("pull").exit_code == 0


def test_dotenv_is_read_as_shells_read_it(tmp_path: Path) -> None:
    """Quotes go, comments go, lines that assign nothing are skipped."""
    (tmp_path / ".env").write_text(
        "\ufeffA=1\n B = two words # said\nexport C=\"x # y\"\nD='q'\nE=\nnothing\n#F=1\nG='\n"
    )
    found = with_dotenv({"A": "set"}, tmp_path)
    assert found == {"A": "set", "B": "two words", "C": "x # y", "D": "q", "E": "", "G": "'"}
    assert with_dotenv({"A": "1"}, tmp_path / "none") == {"A": "1"}


def test_dotenv_that_cannot_be_read_is_said(kana: Kana, setup: Path) -> None:
    """Rather than a key that seems to be missing."""
    Path(".env").write_bytes(b"A=\xff")
    result = kana("pull")
    assert (result.exit_code, result.stderr.startswith("✖ [ERROR]: cannot read .env: ")) == (1, True)


@pytest.mark.parametrize("command", ["pull", "validate", "publish"])
def test_a_wrong_key_is_told(kana: Kana, setup: Path, monkeypatch: pytest.MonkeyPatch, command: str) -> None:
    """With the server's words and exit 1; the file stays as it is."""
    monkeypatch.setenv("KANA_DEV_KEY", "prv_test_wrong")
    result = kana(command)
    assert result.exit_code == 1
    assert result.stderr == "✖ [ERROR]: Unauthenticated: a valid key is needed in the Authorization header.\n"
    assert setup.read_text() == SETUP


def test_no_server_is_told(kana: Kana, setup: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the address that was asked."""
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
    monkeypatch.setenv("KANA_DEV_URL", f"http://127.0.0.1:{port}/cli")
    result = kana("pull")
    assert result.exit_code == 1
    assert result.stderr.startswith(f"✖ [ERROR]: request to http://127.0.0.1:{port}/cli/pull failed, reason: ")


@pytest.mark.parametrize("content", [b"<!doctype html><h1>Welcome</h1>", b"[]", b"ok"])
def test_a_server_that_is_no_kana_is_told(
    kana: Kana, setup: Path, monkeypatch: pytest.MonkeyPatch, content: bytes
) -> None:
    """Whatever it answers, the file is not overwritten."""
    with stranger(content) as address:
        monkeypatch.setenv("KANA_DEV_URL", address)
        result = kana("pull")
    assert result.exit_code == 1
    words = f"{address}/cli/pull did not answer as a Kana server does: is KANA_DEV_URL the address of one?"
    assert result.stderr == f"✖ [ERROR]: {words}\n"
    assert setup.read_text() == SETUP


def test_a_missing_file_is_told(kana: Kana, setup: Path) -> None:
    """With how to get one."""
    setup.unlink()
    result = kana("validate")
    words = "no file ./kana/kana.dev.yaml found; `kana pull` creates it from the server's setup"
    assert (result.exit_code, result.stderr) == (1, f"✖ [ERROR]: {words}\n")


def test_a_folder_that_cannot_be_written_is_told(kana: Kana, setup: Path) -> None:
    """Without a traceback."""
    setup.unlink()
    setup.mkdir()
    result = kana("pull")
    assert (result.exit_code, "Traceback" in result.output) == (1, False)
    assert result.stderr.startswith("✖ [ERROR]: Is a directory")


@pytest.mark.parametrize("command", ["pull", "validate", "publish", "bootstrap"])
def test_a_misspelt_option_is_a_usage_error(kana: Kana, command: str) -> None:
    """Exit 2; and --help says what each option does, in Kana's words."""
    assert kana(command, "--lve").exit_code == 2
    help_text = kana(command, "--help").stdout
    for words in ("-f, --force", "Override errors when publishing kana.yaml", "--live", "--json"):
        assert words in help_text


def test_bootstrap_is_a_setup_that_works(kana: Kana, setup: Path, server: KanaServer) -> None:
    """The example is published as it stands, and asks no server to be written."""
    result = kana("bootstrap", "--json")
    example = Path("kana/kana.example.yaml")
    assert json.loads(result.stdout) == {"ok": True, "file": str(example)}
    setup.write_text(example.read_text())
    assert kana("publish", "--force").exit_code == 0
    assert limits(server) == [10, 1000]


def test_the_root_is_this_machine_unless_named() -> None:
    """Kana's own host is gone; its variable still names the root."""
    assert ROOT == "http://127.0.0.1:8080/cli"
    assert Remote({"KANA_DEV_KEY": "k"}, live=False).schema_url == "http://127.0.0.1:8080/schema/kana.json"
    behind = Remote({"KANA_DEV_KEY": "k", "KANA_DEV_URL": "http://h/x/"}, live=False)
    assert behind.schema_url == "http://h/x/schema/kana.json"
