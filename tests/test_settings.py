"""Settings: one table, read from a mapping, refused in words that name what is wrong."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import pytest

from kana.errors import InvalidValue
from kana.settings import Settings, rule_of, variable
from tests.support.tree import ROOT

ALLOWED_DATABASES = "sqlite:///FILE (sqlite:////FILE from the root) or postgresql://USER:PASSWORD@HOST:PORT/NAME"


def test_defaults_need_no_environment() -> None:
    """With nothing set, Kana runs on one file in the current folder and listens to this machine only."""
    settings = Settings.from_mapping({})

    assert settings == Settings()
    assert (settings.database_url, settings.sqlite_path) == ("sqlite:///kana.db", Path("kana.db"))
    assert (settings.host, settings.port, settings.workers) == ("127.0.0.1", 8080, 1)


def test_a_flag_stands_above_its_variable_and_a_variable_above_the_default() -> None:
    """What is nearest to the command counts; a flag that is not given and an empty variable say nothing."""
    variables = {"KANA_PORT": "9000", "KANA_HOST": "0.0.0.0", "KANA_LOG_LEVEL": "", "HOME": "anywhere"}

    settings = Settings.from_mapping(variables, port=9001, host=None)

    assert (settings.port, settings.host, settings.log_level) == (9001, "0.0.0.0", "info")


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("port", "0", 0),
        ("port", "65535", 65_535),
        ("head_s", "2.5", 2.5),
        ("log_level", "WARNING", "warning"),
        ("log_requests", "1", True),
        ("log_requests", "False", False),
        ("trusted_proxies", "10.1.2.3/8 ::1,192.0.2.1", "10.0.0.0/8, ::1/128, 192.0.2.1/32"),
        ("public_url", "https://kana.example:443/", "https://kana.example"),
        ("database_url", "postgresql:///kana?host=here", "postgresql:///kana?host=here"),
    ],
)
def test_text_becomes_a_value(name: str, text: str, value: object) -> None:
    """Numbers, switches and words are read at their bounds and in either case."""
    assert getattr(Settings.from_mapping({variable(name): text}), name) == value


def test_a_database_is_one_however_its_file_is_written(tmp_path: Path) -> None:
    """By a path from the root, a longer way or a link; another file is another."""
    (tmp_path / "link").symlink_to(tmp_path)
    ways = ("kana.db", "link/kana.db", "./kana.db")
    places = {Settings(database_url=f"sqlite:///{tmp_path}/{way}").database_place for way in ways}
    assert len(places) == 1
    assert Settings(database_url=f"sqlite:///{tmp_path}/other.db").database_place not in places
    assert Settings(database_url="postgresql://db/kana").database_place == "postgresql://db/kana"


@pytest.mark.parametrize(
    ("name", "texts"),
    [
        ("public_url", ["https://ada@kana.example", "https://ada:secret@kana.example", "https://@kana.example"]),
        ("public_url", ["https://kana.example/kana", "https://kana.example?a", "https://kana.example#a"]),
        (
            "public_url",
            ["kana.example", "ftp://kana.example", "https://", "https://[::1", "https://b\u00fccher.example"],
        ),
        (
            "public_url",
            ["https://kana.example:99999", "https://kana.example:x", "https://ka na.example", "https://a\n"],
        ),
        ("trusted_proxies", ["proxy.example", "10.0.0.0/33", "0.0.0.0/0", "10.0.0.1, ::/0", "*"]),
        ("oidc_issuer", ["https://ada@id.example", "https://id.example?a", "https://id.example#a", "id.example"]),
    ],
)
def test_an_address_that_would_not_work_is_refused(name: str, texts: list[str]) -> None:
    """At the start, and not when every form of the dashboard is; a password in it is not repeated."""
    for text in texts:
        with pytest.raises(InvalidValue, match=f"^{variable(name)} must be ") as refused:
            Settings.from_mapping({variable(name): text})
        assert refused.value.field == name
        assert "secret" not in refused.value.message


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("sqlite:///kana.db", "kana.db"),
        ("sqlite:///data/kana.db", "data/kana.db"),
        ("sqlite:////var/lib/kana.db", "/var/lib/kana.db"),
        ("postgresql://kana@db/kana", None),
    ],
)
def test_three_slashes_are_relative_and_four_are_from_the_root(url: str, path: str | None) -> None:
    """The file of a SQLite URL is what follows its third slash."""
    assert Settings(database_url=url).sqlite_path == (None if path is None else Path(path))


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("port", "http", "KANA_PORT must be a whole number from 0 to 65535, got 'http'"),
        ("port", "65536", "KANA_PORT must be a whole number from 0 to 65535, got '65536'"),
        ("port", "-1", "KANA_PORT must be a whole number from 0 to 65535, got '-1'"),
        ("port", "80.5", "KANA_PORT must be a whole number from 0 to 65535, got '80.5'"),
        ("workers", "0", "KANA_WORKERS must be a whole number from 1 to 64 processes, got '0'"),
        ("head_s", "nan", "KANA_HEAD_S must be a number from 1 to 600 seconds, got 'nan'"),
        ("body_s", "0.9", "KANA_BODY_S must be a number from 1 to 600 seconds, got '0.9'"),
        ("log_level", "loud", "KANA_LOG_LEVEL must be debug, info, warning, error, got 'loud'"),
        ("log_requests", "yes", "KANA_LOG_REQUESTS must be true or false, got 'yes'"),
        ("host", "a b", "KANA_HOST must be a host name or an IP address, got 'a b'"),
        ("database_url", "kana.db", f"KANA_DATABASE_URL must be {ALLOWED_DATABASES}, got 'kana.db'"),
        ("database_url", "sqlite://kana.db", f"KANA_DATABASE_URL must be {ALLOWED_DATABASES}, got 'sqlite://kana.db'"),
        ("database_url", "sqlite:///", f"KANA_DATABASE_URL must be {ALLOWED_DATABASES}, got 'sqlite:///'"),
        (
            "database_url",
            "mysql://u:secret@h/d",
            f"KANA_DATABASE_URL must be {ALLOWED_DATABASES}, got 'mysql://u:***@h/d'",
        ),
    ],
)
def test_a_bad_value_is_refused_in_words(name: str, text: str, message: str) -> None:
    """The message names the variable, the value and what is allowed; a password is never repeated."""
    with pytest.raises(InvalidValue) as refused:
        Settings.from_mapping({variable(name): text})

    assert (refused.value.message, refused.value.field) == (message, name)


def test_a_file_has_one_writer() -> None:
    """Several processes take PostgreSQL; on SQLite they are refused with the reason."""
    assert Settings(workers=2, database_url="postgresql://db/kana").workers == 2
    with pytest.raises(InvalidValue) as refused:
        Settings(workers=2)

    assert refused.value.message == (
        "KANA_WORKERS must be 1 on SQLite, whose file has one writer, got 2;"
        " for more processes use PostgreSQL in KANA_DATABASE_URL"
    )


def test_values_given_in_python_are_held_to_the_same_rules() -> None:
    """There is no way around the table."""
    with pytest.raises(InvalidValue, match="KANA_PORT must be a whole number from 0 to 65535, got '70000'"):
        Settings(port=70_000)


@pytest.mark.parametrize(
    ("url", "named"),
    [
        ("sqlite:///kana.db", "sqlite:///kana.db"),
        ("postgresql://kana@db/kana", "postgresql://kana@db/kana"),
        ("postgresql://kana:p@ss:w@db:5432/kana", "postgresql://kana:***@db:5432/kana"),
        (
            "postgresql://db/kana?user=kana&password=secret&sslmode=require",
            "postgresql://db/kana?user=kana&password=***&sslmode=require",
        ),
    ],
)
def test_messages_name_the_database_without_its_password(url: str, named: str) -> None:
    """Whoever reads a log learns where data is kept, not how to open it."""
    assert Settings(database_url=url).database == named


def test_the_documentation_holds_the_same_table() -> None:
    """docs/settings.md has one row for each field: variable, default, what is allowed, and what it does."""
    rows = re.findall(
        r"^\| `(KANA_\w+)` \| `(.*?)` \| (.*?) \| (.*?) \|$", (ROOT / "docs/settings.md").read_text(), re.MULTILINE
    )

    defaults = Settings()
    assert rows == [
        (
            variable(each.name),
            str(getattr(defaults, each.name)).lower(),
            rule_of(each).allowed,
            each.metadata["meaning"],
        )
        for each in fields(Settings)
    ]
