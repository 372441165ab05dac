"""What is kept in the repository runs anywhere: it names no machine and no download host."""

from __future__ import annotations

import json
import re
import tomllib
from importlib.metadata import version
from pathlib import Path

import apsw
import pytest
from packaging.requirements import Requirement
from packaging.version import Version

from tests.support.tree import ROOT, links, text, tracked

PINNED = sorted((ROOT / "requirements").glob("*.txt"))
# Written in parts, or this file would break its own rule.
HOSTS = [".".join(parts) for parts in (("pypi", "org"), ("pythonhosted", "org"), ("registry", "npmjs", "org"))]
MACHINE_PATH = re.compile(r"(?<![\w.~-])/(?:work|root|home|Users)/\w")
# The oldest releases without a hole that matters here: older ones must not come back by a careless pin.
FLOORS = {"graphql-core": "3.3.2", "pyjwt": "2.13", "strawberry-graphql": "0.312.3"}
SQLITE_FLOOR = (3, 51, 3)


def pins(name: str) -> dict[str, Version]:
    """The pinned release of each package of a requirements file."""
    found = re.findall(r"^([\w.-]+)==([\w.]+)", text(ROOT / "requirements" / name), re.MULTILINE)
    return {package: Version(release) for package, release in found}


@pytest.mark.parametrize("path", PINNED, ids=lambda path: path.name)
def test_every_pin_has_a_hash_and_names_no_host(path: Path) -> None:
    """An install can only bring the files that were reviewed, from whichever index the machine uses."""
    content = text(path)
    entries = re.split(r"\n(?=\S)", re.sub(r"^\s*#.*\n?", "", content, flags=re.MULTILINE).strip())
    assert entries
    assert [entry for entry in entries if not re.match(r"[\w.-]+==\S+ .*\\\n    --hash=sha256:\w{64}", entry)] == []
    assert re.findall(r"\S*(?:://|--(?!hash=))\S*", content) == []


@pytest.mark.parametrize(
    "path",
    [path for path in tracked() if path.name == "package-lock.json"],
    ids=lambda path: path.parent.name,
)
def test_node_lock_files_have_hashes_and_no_addresses(path: Path) -> None:
    """The same for npm: an integrity hash for each package and no "resolved" address."""
    packages = json.loads(text(path))["packages"]
    assert [name for name, entry in packages.items() if "resolved" in entry] == []
    assert [name for name, entry in packages.items() if name and "integrity" not in entry] == []


def test_no_file_names_a_download_host() -> None:
    """Which registry serves a machine is the machine's own affair."""
    assert [(path.name, host) for path in tracked() for host in HOSTS if host in text(path)] == []


def test_no_file_names_a_path_of_one_machine() -> None:
    """Nothing depends on where someone happened to work."""
    found = [
        (path.relative_to(ROOT).as_posix(), match[0])
        for path in tracked()
        for match in MACHINE_PATH.finditer(text(path))
    ]
    assert found == []


def test_nothing_that_is_kept_is_a_link() -> None:
    """A link is a path of one machine too, or takes the place of a folder that is built."""
    assert links() == []


def test_pins_satisfy_what_the_package_asks_for() -> None:
    """The pinned releases are ones that the package's own metadata allows."""
    runtime = pins("runtime.txt")
    project = tomllib.loads(text(ROOT / "pyproject.toml"))["project"]
    for line in project["dependencies"]:
        wanted = Requirement(line)
        name = wanted.name.lower().replace("_", "-").replace(".", "-")
        assert runtime[name] in wanted.specifier, line


@pytest.mark.parametrize("path", sorted((ROOT / "requirements").glob("*.in")), ids=lambda path: path.name)
def test_what_is_asked_for_is_pinned(path: Path) -> None:
    """A line added to a list of requirements is compiled before it is committed."""
    asked = re.findall(r"^[a-z][\w.-]*", text(path), re.MULTILINE)
    assert asked
    assert [name for name in asked if name not in pins(path.with_suffix(".txt").name)] == []


def test_requirement_files_agree() -> None:
    """A package has one pinned release, whichever file names it."""
    for other in ("dev.txt", "bench.txt", "build.txt"):
        for package, release in pins(other).items():
            assert pins("runtime.txt").get(package, release) == release, f"{package} in {other}"


@pytest.mark.parametrize("package", FLOORS)
def test_no_pin_falls_below_its_floor(package: str) -> None:
    """Releases with a known hole stay out."""
    releases = [pins(path.name)[package] for path in PINNED if package in pins(path.name)]
    assert releases
    assert min(releases) >= Version(FLOORS[package])


def test_the_sqlite_in_use_is_recent_enough() -> None:
    """Older SQLite can corrupt a WAL database; the one that counts is the one that apsw brings."""
    assert tuple(int(part) for part in apsw.sqlite_lib_version().split(".")) >= SQLITE_FLOOR


@pytest.mark.parametrize("package", ["graphql-core", "pyjwt"])
def test_what_is_installed_is_above_the_floor_too(package: str) -> None:
    """The environment that runs the tests is no older than the pins."""
    assert Version(version(package)) >= Version(FLOORS[package])


def test_a_private_key_has_one_name() -> None:
    """It is KANA_KEY everywhere; the names of Kana's own command line stand where that is spoken of."""
    theirs = {"KANA_DEV_KEY", "KANA_LIVE_KEY"}
    places = {"src/kana/cli/configuration/remote.py", "docs/configuration.md"}
    others = {
        (str(path.relative_to(ROOT)), name)
        for path in tracked()
        if path.suffix in {".py", ".md", ".toml", ".html", ".js", ""} and "tests" not in path.parts
        for name in re.findall(r"KANA_\w*KEY\b", text(path))
        if name not in {"KANA_KEY", "KANA_PUBLIC_KEY", "KANA_SECRET_KEY"} | theirs
        or (name in theirs and str(path.relative_to(ROOT)) not in places)
    }
    assert others == set()


@pytest.mark.parametrize("store", ["sqlite", "postgres"])
def test_migrations_are_numbered_one_after_the_other(store: str) -> None:
    """A database's version is how many migrations it has had, so each number stands once and none is left out."""
    names = sorted(path.name for path in (ROOT / "src/kana/store" / store / "migrations").glob("*.sql"))
    assert [int(name[:4]) for name in names] == list(range(1, len(names) + 1))


LINES_MAX = 400
WRITTEN = {".css", ".graphql", ".html", ".js", ".md", ".mjs", ".py", ".sh", ".sql", ".toml", ".ts"}
"""What people write and read; lock files, pins and pictures are made by programs."""
LONGER: dict[str, str] = {}
"""Files that may be longer, each with the reason."""


def longer_than(most: int) -> dict[str, int]:
    """The written files of more lines than that, with how many they have."""
    counted = {
        path.relative_to(ROOT).as_posix(): len(text(path).splitlines())
        for path in tracked()
        if path.suffix in WRITTEN or not path.suffix
    }
    return {name: lines for name, lines in counted.items() if lines > most}


def test_no_file_is_longer_than_one_reads_at_once() -> None:
    """A file that grows past that holds two things, and is two files; an exception that is none any more goes."""
    assert longer_than(LINES_MAX).keys() == LONGER.keys()


def test_long_files_are_told() -> None:
    """The control: with less allowed, files are found among Python, SQL, GraphQL and prose alike."""
    found = longer_than(100)
    assert {".graphql", ".md", ".py", ".sql"} <= {Path(name).suffix for name in found}
    assert found["tests/tidy/test_files.py"] == len(text(Path(__file__)).splitlines())
