"""`kana init`, `kana keys` and `kana audit`: what they print, what they change, and how they end."""

from __future__ import annotations

import json
import re
from importlib.metadata import version
from pathlib import Path

import apsw
import pytest

from kana.cli import main
from kana.cli.database import whoever_runs_this
from tests.cli.conftest import Kana

KEY = r"(prv|pub)_{environment}_[0-9A-Za-z]{{32}}"


def rows(kana: Kana) -> list[dict[str, str | None]]:
    """What `kana keys list --json` prints."""
    found: list[dict[str, str | None]] = json.loads(kana("keys", "list", "--json").stdout)
    return found


def test_version_is_the_distributions(kana: Kana) -> None:
    """`kana --version` says which release runs."""
    assert kana("--version").stdout == f"kana {version('kana-server')}\n"


def test_init_prints_the_keys_of_both_environments_as_json(kana: Kana) -> None:
    """Programs read the workspace and four keys, each naming its kind and environment."""
    result = kana("init", "--workspace", "Acme", "--json")

    made = json.loads(result.stdout)
    assert (result.exit_code, result.stderr) == (0, "")
    assert (made["workspace"], list(made["environments"])) == ("Acme", ["test", "live"])
    for environment, keys in made["environments"].items():
        assert list(keys) == ["private_key", "public_key"]
        assert [re.fullmatch(KEY.format(environment=environment), key)[1] for key in keys.values()] == ["prv", "pub"]  # type: ignore[index]


def test_init_in_words_shows_every_key_and_a_line_to_paste(kana: Kana) -> None:
    """People read the same, with a first call to make."""
    result = kana("init")

    assert result.exit_code == 0
    assert result.stdout.startswith("'My workspace' is a new workspace in sqlite:///kana.db.\n")
    keys = re.findall(r"^  (test|live) (private|public) +(\S+)", result.stdout, re.MULTILINE)
    assert [(environment, kind) for environment, kind, _ in keys] == [
        ("test", "private"),
        ("test", "public"),
        ("live", "private"),
        ("live", "public"),
    ]
    assert "curl -s http://127.0.0.1:8080/graphql" in result.stdout
    assert f"-H 'Authorization: {keys[0][2]}'" in result.stdout


def test_a_second_init_changes_nothing(kana: Kana) -> None:
    """Keys in use cannot be lost by running a command twice."""
    kana("init")
    before = rows(kana)

    again = kana("init", "--workspace", "Other", "--json")

    assert (again.exit_code, again.stdout) == (1, "")
    assert again.stderr == (
        "Error: sqlite:///kana.db already has a workspace. Nothing was changed."
        " `kana keys list` lists its keys; `kana keys create` creates another.\n"
    )
    assert rows(kana) == before


@pytest.mark.parametrize("command", [("keys", "list"), ("audit",), ("keys", "create", "--environment", "test")])
def test_looking_at_a_database_that_is_not_there_makes_none(kana: Kana, command: tuple[str, ...]) -> None:
    """A command run in the wrong folder says so and leaves no file behind."""
    result = kana(*command)

    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == f"Error: There is no database at {Path.cwd() / 'kana.db'}; `kana init` creates one.\n"
    assert list(Path.cwd().iterdir()) == []


def test_keys_are_created_listed_and_revoked(kana: Kana) -> None:
    """A key is shown whole once, then masked; older keys stay valid beside it; revoked ones stay in the list."""
    kana("init")
    made = json.loads(kana("keys", "create", "--environment", "live", "--name", "billing job", "--json").stdout)

    masked = f"{made['key'][:13]}…{made['key'][-4:]}"
    [listed] = [row for row in rows(kana) if row["name"] == "billing job"]
    assert listed == made | {"key": masked}
    assert (listed["environment"], listed["kind"], listed["revoked"]) == ("live", "private", None)

    revoked = kana("keys", "revoke", masked)

    assert (revoked.exit_code, revoked.stdout) == (0, f"{masked} was revoked. It stops working within a second.\n")
    gone = {row["name"]: row["revoked"] is not None for row in rows(kana)}
    assert gone == {"first": False, "billing job": True}
    assert len(rows(kana)) == 5


def test_a_key_can_be_revoked_by_showing_it_whole(kana: Kana) -> None:
    """Whoever found a leaked key need not look for it in the list; revoking again keeps the first time."""
    kana("init")
    key = kana("keys", "create", "--environment", "test", "--kind", "public").stdout.split()[0]

    first, again = (json.loads(kana("keys", "revoke", key, "--json").stdout) for _ in range(2))

    assert key.startswith("pub_test_")
    assert first["revoked"] is not None
    assert again == first


def test_keys_list_in_words_is_a_table(kana: Kana) -> None:
    """A line for each key under one head; no key stands whole anywhere."""
    kana("init")

    lines = kana("keys", "list").stdout.splitlines()

    assert lines[0].split() == ["key", "environment", "kind", "name", "created", "revoked", "used"]
    assert {line.split()[-1] for line in lines[1:]} == {"never"}
    assert [line.split()[1:4] for line in lines[1:]] == [
        ["live", "private", "first"],
        ["test", "private", "first"],
        ["live", "public", "first"],
        ["test", "public", "first"],
    ]


def test_an_unknown_key_is_not_revoked(kana: Kana) -> None:
    """A slip of the hand is told, and every key stays."""
    kana("init")

    result = kana("keys", "revoke", "prv_test_nothing")

    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == (
        "Error: 0 keys match 'prv_test_nothing'; give the whole key, or the text that `kana keys list` shows\n"
    )
    assert [row["revoked"] for row in rows(kana)] == [None] * 4


def test_an_older_secret_of_user_tokens_is_listed_and_revoked(kana: Kana) -> None:
    """Secrets are shown by id and never themselves; the one that signs stays, and says why."""
    kana("init")
    kana("keys", "rotate-tokens", "live")
    listed = json.loads(kana("keys", "secrets", "--json").stdout)
    assert [list(row) for row in listed] == [["kid", "environment", "created", "revoked"]] * 3
    old, new = (row["kid"] for row in listed if row["environment"] == "live")

    refused = kana("keys", "revoke-secret", new)
    revoked = json.loads(kana("keys", "revoke-secret", old, "--json").stdout)
    unknown = kana("keys", "revoke-secret", "nothing")

    sentence = f"Error: Secret {new} signs the user tokens of live now; create another one first\n"
    assert (refused.exit_code, refused.stderr) == (1, sentence)
    assert (revoked["kid"], revoked["environment"], revoked["revoked"] is None) == (old, "live", False)
    assert (unknown.exit_code, unknown.stderr) == (1, "Error: Signing secret not found: 'nothing'\n")
    table = [line.split() for line in kana("keys", "secrets").stdout.splitlines()]
    assert table[0] == ["kid", "environment", "created", "revoked"]
    assert [(row[0], len(row)) for row in table[1:] if row[1] == "live"] == [(old, 4), (new, 3)]


def test_a_database_without_a_workspace_says_what_to_do(kana: Kana) -> None:
    """A file that holds nothing yet has no keys to list."""
    Path("kana.db").touch()

    result = kana("keys", "list")

    assert (result.exit_code, result.stderr) == (1, "Error: the database has no workspace yet; run `kana init`\n")


def test_a_file_that_is_no_database_is_refused_in_a_sentence(kana: Kana) -> None:
    """Somebody's notes are neither opened nor overwritten."""
    Path("kana.db").write_text("These are notes and no database at all. " * 100)

    result = kana("audit")

    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("Error: ")
    assert "Traceback" not in result.stderr
    assert Path("kana.db").read_text() == "These are notes and no database at all. " * 100


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("init", "--workspace", ""), "workspace must be 1 to 255 characters, got 0: ''"),
        (("keys", "create"), "Missing option '--environment'"),
        (("keys", "create", "--environment", "staging"), "'staging' is not one of 'test', 'live'."),
        (("serve", "--port", "http"), "KANA_PORT must be a whole number from 0 to 65535, got 'http'"),
        (("audit", "--database-url", "kana.db"), "KANA_DATABASE_URL must be sqlite:///FILE"),
        (("frobnicate",), "No such command 'frobnicate'."),
    ],
)
def test_usage_is_refused_with_2(kana: Kana, arguments: tuple[str, ...], sentence: str) -> None:
    """What is misspelt ends with 2, a sentence, and no file."""
    result = kana(*arguments)

    assert (result.exit_code, result.stdout) == (2, "")
    assert sentence in result.stderr
    assert list(Path.cwd().iterdir()) == []


def test_a_bad_variable_is_usage_too(kana: Kana) -> None:
    """The environment is held to the same rules as flags."""
    result = kana("init", env={"KANA_WORKERS": "none"})

    assert result.exit_code == 2
    assert "KANA_WORKERS must be a whole number from 1 to 64 processes, got 'none'" in result.stderr


def test_the_audit_log_names_whoever_ran_the_command(kana: Kana, monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine's user, or the number of one without a name, as in a container."""
    monkeypatch.setenv("LOGNAME", "operator")
    assert (whoever_runs_this().kind, whoever_runs_this().name) == ("cli", "operator")

    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("pwd.getpwuid", {}.__getitem__)
    assert whoever_runs_this().name.isdigit()


def damaged(kana: Kana) -> None:
    """A database with one entry of 3 units whose counter says 4."""
    kana("init")
    connection = apsw.Connection("kana.db")
    for statement in (
        "insert into counters values (7, 99, 'messages', 'MONTH', 1767225600000, 4)",
        "insert into entries (bucket, user_key, id, environment, feature_id, action, delta, outcome, reason, change,"
        " subscription_id, reset_period, period_start, used, budget, overage_enabled, key, timestamp, metadata,"
        " recorded_at) values (7, 1, 5, 'test', 'messages', 'ADD', 3, 'RECORDED', null, 3, 99, 'MONTH',"
        " 1767225600000, 3, 10, 0, null, null, null, 1767225600001)",
        "insert into usage_days values (7, 1, 'messages', 1767225600000, '', 'test', 3, 1, 0)",
        "insert into usage_hours values ('test', 'messages', '', 1767225600000, 0, 3, 1, 0)",
    ):
        connection.execute(statement)
    connection.close()


def test_audit_finds_totals_that_were_tampered_with(kana: Kana) -> None:
    """A day or an hour that says something else than its entries is named with both, and exit 1."""
    damaged(kana)
    connection = apsw.Connection("kana.db")
    connection.execute("update counters set used = 3")
    connection.execute("update usage_days set units = 5")
    connection.execute("delete from usage_hours")
    connection.close()

    words, program = kana("audit"), kana("audit", "--json")

    feature = "Feature 'messages' of package '' in test"
    assert (words.exit_code, words.stdout.splitlines()) == (
        1,
        [
            f"{feature}, the day of user 1 (bucket 7) from 2026-01-01T00:00:00+00:00: the total is"
            " 5 units, 1 entry, 0 refusals; the ledger adds up to 3 units, 1 entry, 0 refusals.",
            f"{feature}, the hour of all users from 2026-01-01T00:00:00+00:00: the total is"
            " 0 units, 0 entries, 0 refusals; the ledger adds up to 3 units, 1 entry, 0 refusals.",
            "1 entry, 1 counter: 2 totals of days and hours differ from the ledger.",
        ],
    )
    assert (program.exit_code, json.loads(program.stdout)["totals"][0]) == (
        1,
        {
            "environment": "test",
            "userKey": "1",
            "featureId": "messages",
            "packageId": "",
            "start": "2026-01-01T00:00:00+00:00",
            "total": {"units": 5, "entries": 1, "refusals": 0},
            "ledger": {"units": 3, "entries": 1, "refusals": 0},
        },
    )


def test_audit_is_silent_about_nothing(kana: Kana) -> None:
    """Without drift it says what it looked at, and ends with 0."""
    kana("init")

    words, program = kana("audit"), kana("audit", "--json")

    assert (words.exit_code, words.stdout) == (
        0,
        "0 entries, 0 counters: every counter equals the sum of its entries.\n",
    )
    assert (program.exit_code, json.loads(program.stdout)) == (0, {"entries": 0, "counters": 0, "drifts": []})


def test_audit_finds_a_counter_that_was_tampered_with(kana: Kana) -> None:
    """One unit too many is named: which feature, subscription and period, both numbers, and exit 1."""
    damaged(kana)

    words, program = kana("audit"), kana("audit", "--json")

    assert (words.exit_code, words.stdout.splitlines()) == (
        1,
        [
            "Feature 'messages' of subscription 99, period from 2026-01-01T00:00:00+00:00:"
            " the counter is 4, the ledger adds up to 3.",
            "1 entry, 1 counter: 1 counter differs from the ledger.",
        ],
    )
    assert (program.exit_code, json.loads(program.stdout)["drifts"]) == (
        1,
        [
            {
                "subscriptionId": "99",
                "featureId": "messages",
                "periodStart": "2026-01-01T00:00:00+00:00",
                "counter": 4,
                "ledger": 3,
            }
        ],
    )


def test_help_of_every_command_opens_with_a_sentence() -> None:
    """`kana --help` tells what each command does."""
    for name, command in main.commands.items():
        assert command.help, name
