"""A server and a key for its secrets: sealed at the start, refused without the key, and said where there is none."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest

from kana.model.text import counted
from tests.support.server import KanaServer, ServerEnded

KEY, OTHER = (base64.b64encode(letter * 32).decode() for letter in (b"k", b"o"))
UNSEALED = "Warning: KANA_SECRET_KEY is not set"


@pytest.fixture
def stopped(tmp_path: Path) -> Iterator[KanaServer]:
    """A workspace whose secrets are not sealed, not served."""
    server = KanaServer(tmp_path)
    server.init()
    yield server
    server.close()


def _secrets(server: KanaServer) -> list[bytes]:
    connection = apsw.Connection(str(server.database))
    kept = [bytes(row[0]) for row in connection.execute("select secret from signing_secrets order by id")]
    connection.close()
    return kept


def _on_disk(server: KanaServer) -> bytes:
    return b"".join(path.read_bytes() for path in server.folder.glob("kana.db*"))


def test_a_server_with_a_key_seals_what_is_there(stopped: KanaServer) -> None:
    """Nothing of the secrets is left in any file; without the key it is said once that they are not sealed."""
    plain = _secrets(stopped)
    stopped.start()
    assert stopped.output.count(UNSEALED) == 1
    assert _secrets(stopped) == plain
    assert all(secret in _on_disk(stopped) for secret in plain)
    stopped.terminate()
    stopped.settings["KANA_SECRET_KEY"] = KEY
    stopped.start()
    assert UNSEALED not in stopped.output
    assert {len(secret) for secret in _secrets(stopped)} == {69}
    assert not any(secret in _on_disk(stopped) for secret in plain)


@pytest.mark.parametrize("key", ["", OTHER])
def test_without_the_key_a_server_does_not_start(stopped: KanaServer, key: str) -> None:
    """It says so in a sentence and makes no secret of its own; commands that need none work. The control has it."""
    stopped.settings["KANA_SECRET_KEY"] = KEY
    stopped.start()
    stopped.terminate()
    sealed = _secrets(stopped)
    stopped.settings["KANA_SECRET_KEY"] = key
    with pytest.raises(ServerEnded) as ended:
        stopped.start()
    assert ended.value.code == 1
    [sentence] = ended.value.said.splitlines()
    assert sentence.startswith("Error: the signing secret ")
    assert "KANA_SECRET_KEY" in sentence
    assert stopped.kana("audit").returncode == 0
    assert stopped.kana("keys", "rotate-tokens", "test").returncode == 1
    assert _secrets(stopped) == sealed
    stopped.settings["KANA_SECRET_KEY"] = KEY
    stopped.start()


def test_a_key_is_rotated_and_given_up(stopped: KanaServer) -> None:
    """A new key before the old one seals anew at the start; `kana keys seal --off` takes the seals off."""
    plain = _secrets(stopped)
    stopped.settings["KANA_SECRET_KEY"] = KEY
    assert stopped.kana("keys", "seal").stdout == "2 secrets were sealed. All others already were.\n"
    stopped.settings["KANA_SECRET_KEY"] = f"{OTHER},{KEY}"
    stopped.start()
    stopped.terminate()
    stopped.settings["KANA_SECRET_KEY"] = OTHER
    assert stopped.kana("keys", "seal").stdout == "0 secrets were sealed. All others already were.\n"
    assert stopped.kana("keys", "seal", "--off").stdout == "2 secrets were unsealed. All others already were.\n"
    assert _secrets(stopped) == plain


def test_secrets_of_a_lost_key_are_forgotten_when_told(stopped: KanaServer) -> None:
    """Then the server starts, with new ones."""
    stopped.settings["KANA_SECRET_KEY"] = KEY
    stopped.kana("keys", "seal")
    del stopped.settings["KANA_SECRET_KEY"]
    said = stopped.kana("keys", "seal", "--forget").stdout
    assert said.startswith("2 secrets were deleted: ")
    assert {len(secret) for secret in _secrets(stopped)} == {32}
    stopped.start()


@pytest.mark.parametrize("arguments", [["keys", "seal"], ["keys", "seal", "--off", "--forget"]])
def test_a_command_that_makes_no_sense_changes_nothing(stopped: KanaServer, arguments: list[str]) -> None:
    """Sealing without a key, or both ways at once."""
    plain = _secrets(stopped)
    assert stopped.kana(*arguments).returncode == 2
    assert _secrets(stopped) == plain


@pytest.mark.parametrize("key", ["secret-of-ours", base64.b64encode(b"k" * 31).decode(), f"{KEY},{KEY[:-1]}", ","])
def test_a_key_that_is_none_is_refused_and_not_shown(stopped: KanaServer, key: str) -> None:
    """The message names the variable and what is allowed, and never what was given."""
    stopped.settings["KANA_SECRET_KEY"] = key
    ended = stopped.kana("keys", "list")
    assert ended.returncode == 2
    rule = "KANA_SECRET_KEY must be 32 random bytes in base64 (`openssl rand -base64 32`)"
    assert (
        f"{rule}; several separated by commas, the newest first, got {counted(len(key), 'character')}" in ended.stderr
    )
    assert key == "," or key not in ended.stderr
