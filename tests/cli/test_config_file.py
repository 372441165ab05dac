"""The file is read strictly, checked in Kana's order and words, and written so that it reads back the same."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kana.cli.configuration import reader
from kana.cli.configuration.checks import ConfigInvalid, check
from kana.cli.configuration.reader import Document, YamlRefused, read_yaml
from kana.cli.configuration.remote import FACE
from kana.cli.configuration.remote import ROOT as ROOT_URL
from kana.cli.configuration.writer import config_yaml, write_file
from kana.engine.catalog.config import CAPS_COUNTED_MAX
from kana.errors import InvalidValue
from kana.model.config import BYTES_MAX, HELD_MAX, ITEMS_MAX, VALUES_MAX, read_config
from kana.model.text import identifier
from tests.support.tree import ROOT
from tests.support.world import NOON, examples


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a: 1", 1), ("a: -1", -1), ("a: 0", 0), ("a: '1'", "1"), ('a: "1"', "1"),
        ("a: true", True), ("a: False", False), ("a: null", None), ("a: ~", None), ("a:", None),
        ("a: no", "no"), ("a: yes", "yes"), ("a: on", "on"), ("a: off", "off"), ("a: y", "y"), ("a: NO", "NO"),
        ("a: 1.0.0", "1.0.0"), ("a: 2022-10-14", "2022-10-14"), ("a: 12:30", "12:30"), ("a: '1.10'", "1.10"),
        ("a: test@1", "test@1"), ("a: []", []), ("a: {}", {}), ("a: [1, x]", [1, "x"]), ("a: |\n  x\n  y\n", "x\ny\n"),
        ("a: 24-hour-support", "24-hour-support"), ("\ufeffa: 1", 1), ("a: é", "é"), ("a: ''", ""), ("a: 1 # one", 1),
    ],
)  # fmt: skip
def test_scalars_are_what_they_look_like(text: str, value: Any) -> None:
    """YAML 1.2: words are text, whole numbers are numbers, and quotes make text of anything."""
    read = read_yaml(text.encode()).value["a"]
    assert (read, type(read)) == (value, type(value))


@given(st.integers(-(10**15), 10**15))
def test_a_number_may_be_grouped_by_thousands(number: int) -> None:
    """1_000_000 is a million, and in quotes it is text, of which a limit says that it is to be without."""
    assert read_yaml(f"a: {number:_}".encode()).value == read_yaml(f"a: {number}".encode()).value == {"a": number}
    assert read_yaml(f"a: '{number:_}'".encode()).value == {"a": f"{number:_}"}


@pytest.mark.parametrize("limit", ["'1_000_000'", '"1_0"'])
def test_a_grouped_limit_in_quotes_is_told_to_be_without(limit: str) -> None:
    """What looks like a number and is text has its own words, with the place."""
    file = f"""
features: [{{id: message, type: CONSUMABLE}}]
packages:
  published:
    - id: basic
      features:
        - id: message
          limit: {limit}
"""
    with pytest.raises(ConfigInvalid, match=r"^line 8, column 11: .*limit must be a whole number .*; write it without"):
        check(read_yaml(file.encode()), lambda _: None)


@pytest.mark.parametrize(
    "text",
    [
        "1.10",
        "0123",
        "1e3",
        "0x1f",
        "0o17",
        "0b1",
        "1_00",
        "1__000",
        "1_000_",
        "0_000",
        "1_000.5",
        ".5",
        "5.",
        "+5",
        ".inf",
        "-.INF",
        ".nan",
        "1E+3",
    ],
)
def test_what_readers_disagree_about_is_refused(text: str) -> None:
    """1.10 is 1.1 to one and text to another; the message shows how to write it as text."""
    with pytest.raises(YamlRefused) as refused:
        read_yaml(f"a:\n  - id: {text}".encode())
    assert refused.value.message == (
        f"line 2, column 9: {text} may be read as a number or as text:"
        f" write a whole number as 1000000 or 1_000_000, and text in quotes as '{text}'"
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\nb: 2\na: 3\n", "line 3, column 1: the key 'a' is repeated, first used in line 1"),
        ("x:\n  - a: 1\n    a: 1\n", "line 3, column 5: the key 'a' is repeated, first used in line 2"),
        ("a: &x 1\nb: *x\n", r"line 1, column 4: anchors \(&\) and aliases \(\*\) are not supported: write"),
        ("a: *x\n", r"line 1, column 4: anchors \(&\) and aliases"),
        ("? [a]\n: 1\n", "line 1, column 3: a key must be plain text"),
        ("? &x a\n: 1\n", "line 1, column 3: a key must be plain text"),
        ("a: !!str 1\n", r"line 1, column 4: tags \(!\) are not supported"),
        ("a: !x [1]\n", r"line 1, column 4: tags \(!\) are not supported"),
        ("a: 1\n---\nb: 2\n", "line 2, column 1: the file must contain one document"),
        ("a:\n\t- b\n", "line 2, column 1: .*; indent with spaces"),
        ("a: [1\n", "line 2, column 1: while parsing a flow sequence"),
        ("a: 'x\n", "line 2, column 1: while scanning a quoted scalar"),
        ("a: b: c\n", "line 1, column 5: mapping values are not allowed"),
        ("[" * 40, "line 1, column 11: the file must be at most 10 levels deep"),
        ("a: \x00\n", "characters are not allowed"),
    ],
)  # fmt: skip
def test_what_is_not_strict_is_refused_with_its_place(text: str, message: str) -> None:
    """Line and column, both from 1."""
    with pytest.raises(YamlRefused, match=message):
        read_yaml(text.encode())


def test_a_bomb_of_aliases_costs_nothing() -> None:
    """280 bytes that would be megabytes are refused at the first anchor."""
    lines = ["a: &a [x,x,x,x,x,x,x,x,x]"]
    lines += [f"{new}: &{new} [{','.join([f'*{old}'] * 9)}]" for old, new in zip("abcdef", "bcdefg", strict=True)]
    with pytest.raises(YamlRefused, match="line 1, column 4: anchors"):
        read_yaml("\n".join(lines).encode())


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"#" * (BYTES_MAX + 1), f"at most {BYTES_MAX} bytes"),
        (b"[" + b"x," * 100 + b"]", "at most 100 values"),
        (b"a: \xff", "must be in UTF-8; byte 3 is not valid"),
    ],
    ids=["bytes", "values", "encoding"],
)
def test_a_file_is_bounded_and_utf8(content: bytes, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is in it, reading ends."""
    monkeypatch.setattr(reader, "VALUES_MAX", 100)
    with pytest.raises(YamlRefused, match=message):
        read_yaml(content)


def test_a_large_file_is_read() -> None:
    """One that the server takes is not refused here: 210 packages of 20 features have more than 20,000 values."""
    held = "".join(f"        - {{id: f{number}, limit: {number}, reset_period: MONTH}}\n" for number in range(20))
    packages = "".join(f"    - id: p{number}\n      features:\n{held}" for number in range(210))
    features = "".join(f"  - {{id: f{number}, type: CONSUMABLE}}\n" for number in range(20))
    found = read_config(read_yaml(f"features:\n{features}packages:\n  published:\n{packages}".encode()).value)
    assert [len(package.features) for package in found.packages] == [20] * 210


def test_positions_are_known_or_those_of_what_is_around() -> None:
    """What is missing in the file is placed at what misses it."""
    document = read_yaml(b"a:\n  - id: x\n    b: 1\n")
    assert document.position("a[0].b") == (3, 5)
    assert document.position("a[0].missing") == document.position("a[0]") == (2, 5)
    assert document.position("other") is None
    assert read_yaml(b"").value is None


FEATURES = "features:\n  - id: sso\n    type: BINARY\n  - id: msg\n    type: CONSUMABLE\n"
PACKAGE = "packages:\n  draft:\n    - id: free\n      features:\n        - id: msg\n          limit: 5\n"
PASSED = [
    "Config contains at least one feature.",
    "All feature IDs are unique.",
    "Config contains at least one package.",
    "All package IDs are unique",
    "All packages contain at least one feature",
    "All package features link to an existing feature.",
    "All packages feature reset periods are valid",
]


def checked(text: str) -> tuple[str, list[str]]:
    """What a file's checks fail with, and what they passed before."""
    passed: list[str] = []
    try:
        check(read_yaml(text.encode()), passed.append)
    except ConfigInvalid as error:
        return error.message, passed
    return "", passed


@pytest.mark.parametrize(
    ("text", "message", "passes"),
    [
        (FEATURES + PACKAGE, "", 7),
        (PACKAGE, "your setup must contain at least one feature!", 0),
        ("", "your setup must contain at least one feature!", 0),
        ("features: []\n", "line 1, column 1: your setup must contain at least one feature!", 0),
        (FEATURES + "  - id: msg\n    type: BINARY\n" + PACKAGE,
         "line 6, column 5: duplicate feature IDs are not allowed!", 1),
        (FEATURES, "your setup must contain at least one package!", 2),
        (FEATURES + "packages: {draft: []}\n", "line 6, column 1: your setup must contain at least one package!", 2),
        (FEATURES + PACKAGE + "  published:\n    - id: free\n",
         "line 13, column 7: all package IDs must be unique!", 3),
        (FEATURES + PACKAGE + "addons:\n  draft:\n    - id: free\n",
         "line 14, column 7: all package IDs must be unique!", 3),
        (FEATURES + PACKAGE + "  published:\n    - id: pro\n      features: []\n",
         "line 13, column 7: all packages must link to at least one feature!", 4),
        (FEATURES + PACKAGE + "  published:\n    - id: pro\n",
         "line 13, column 7: all packages must link to at least one feature!", 4),
        (FEATURES + PACKAGE.replace("limit: 5", "limit: -5"),
         'line 11, column 11: all package features of "CONSUMABLE" type must be defined with null or a positive'
         " numeric value", 5),
        (FEATURES + PACKAGE.replace("limit: 5", "limit: five"),
         'line 11, column 11: all package features of "CONSUMABLE" type must be defined with null or a positive'
         " numeric value", 5),
        (FEATURES + PACKAGE.replace("          limit: 5\n", ""),
         'line 10, column 11: all package features of "CONSUMABLE" type must be defined with null or a positive'
         " numeric value", 5),
        (FEATURES + PACKAGE + "          reset_period: WEEKS\n",
         'line 12, column 11: package feature reset periods must be "HOUR", "DAY", "WEEK", "MONTH", "QUARTER",'
         ' or "YEAR"!', 6),
        (FEATURES + PACKAGE + "          reset_period: [DAY]\n",
         'line 12, column 11: package feature reset periods must be "HOUR", "DAY", "WEEK", "MONTH", "QUARTER",'
         ' or "YEAR"!', 6),
        (FEATURES + PACKAGE.replace("limit: 5", "limits: 5"),
         "line 11, column 11: packages.draft[0].features[0].limits is not a known field; did you mean limit?", 0),
        (FEATURES + PACKAGE + "addon: {}\n", "line 12, column 1: addon is not a known field; did you mean addons?", 0),
        (FEATURES + PACKAGE + "          overage_enabled: yes\n",
         "line 12, column 11: packages.draft[0].features[0].overage_enabled must be true or false, got 'yes'", 7),
        (FEATURES + PACKAGE + "version: 2\n",
         "line 12, column 1: version must be text (in quotes if it looks like something else), got 2", 7),
    ],
)  # fmt: skip
def test_checks_come_in_kanas_order_with_kanas_words(text: str, message: str, passes: int) -> None:
    """And with the place, which Kana's had not; a misspelt field is named before anything else."""
    assert checked(text) == (message, PASSED[:passes])


def test_a_file_without_a_version_or_with_null_limits_passes() -> None:
    """As older files are, and as unlimited is written."""
    assert checked(FEATURES + PACKAGE.replace("limit: 5", "limit: null"))[0] == ""


def _is_identifier(text: str) -> bool:
    try:
        return bool(identifier(text, field="id"))
    except InvalidValue:
        return False


AWKWARD = ["no", "1.10", "0123", "a: b", "- x", "#", "'", '"', "null", "ends ", " begins", "x #y", "\\n", "{}"]
AWKWARD += [
    "\u2028",
    "\u00a0",
    "\ufeff",
    "\U00018cd6",
    "\U0001f600",
    "a\u202eb",
    "<<",
    "=",
    "@",
    "!x",
    "&a",
    "*a",
    "%",
    "|",
]
names = st.text(min_size=1, max_size=12).filter(_is_identifier) | st.sampled_from(AWKWARD)
NEEDS = {"rollover": ("limit", "reset_period"), "grace_percent": ("limit",)}  # Without them there is nothing to send.
held = st.fixed_dictionaries(
    {"id": st.just("count"), "limit": st.none() | st.integers(0, 2**53 - 1), "overage_enabled": st.booleans()},
    optional={
        "reset_period": st.sampled_from(["DAY", "MONTH", "YEAR"]),
        "combine": st.sampled_from(["HIGHEST", "ADD"]),
        "rollover": st.fixed_dictionaries({"limit": st.integers(0, 2**53 - 1), "periods": st.integers(1, 12)}),
        "grace_percent": st.integers(0, 100),
    },
).map(lambda one: {key: one[key] for key in one if all(one.get(need) is not None for need in NEEDS.get(key, ()))})
trial = {"trial_days": st.none() | st.integers(1, 365)}
package = st.fixed_dictionaries({"id": names, "name": names, "features": st.lists(held, max_size=1)}, optional=trial)
addon = st.fixed_dictionaries(
    {"id": names, "name": names, "base_packages": st.lists(names, max_size=2)}, optional=trial
)
configs = st.fixed_dictionaries(
    {
        "app": names,
        "revision": st.builds("test_a{}@{}".format, st.integers(0, 9), st.integers(0, 2**60)),
        "features": st.lists(
            st.fixed_dictionaries({"id": names, "name": names, "type": st.just("BINARY")}), max_size=2
        ),
        "packages": st.fixed_dictionaries(
            {"draft": st.lists(package, max_size=2), "published": st.lists(package, max_size=2)}
        ),
        "addons": st.fixed_dictionaries(
            {"draft": st.lists(addon, max_size=2), "published": st.lists(addon, max_size=2)}
        ),
    }
)


@given(config=configs)
@examples(100)
def test_what_is_written_reads_back_the_same(config: dict[str, Any]) -> None:
    """Whatever names a server sends, the file means what it sent; and no name breaks out of a comment."""
    config["features"].insert(0, {"id": "count", "name": "n", "type": "CONSUMABLE"})
    text = config_yaml(config, schema_url="http://x/schema/kana.json", now=NOON)
    read, sent = read_config(read_yaml(text.encode()).value), read_config({**config, "version": "1.0.0"})
    assert (read.revision, read.features, read.packages) == (sent.revision, sent.features, sent.packages)
    assert (read.addons or ()) == sent.addons


def test_the_layout_is_kanas() -> None:
    """The version, a line of two spaces, the comments; ours adds the schema, the revision and add-ons."""
    config = {
        "app": "Acme\nfeatures: []",
        "revision": "test_a@3",
        "features": [
            {"id": "sso", "name": "SSO", "type": "BINARY"},
            {"id": "msg", "name": "M", "type": "CONSUMABLE"},
            {"id": "call", "name": "C", "type": "CONSUMABLE"},
        ],
        "packages": {
            "published": [
                {
                    "id": "free",
                    "name": "no",
                    "trial_days": 14,
                    "features": [
                        {"id": "sso", "limit": None, "overage_enabled": False},
                        {"id": "msg", "limit": None, "overage_enabled": True, "reset_period": "DAY", "combine": "ADD"},
                        {"id": "call", "limit": 9, "rollover": {"limit": 5, "periods": 2}, "grace_percent": 10},
                    ],
                }
            ]
        },
        "addons": {"draft": [{"id": "extra", "name": "Extra", "base_packages": ["free"], "features": []}]},
    }
    now = datetime(2022, 10, 14, 12, 57, 25, tzinfo=UTC)
    assert config_yaml(config, schema_url="http://h/schema/kana.json", now=now) == (
        "# yaml-language-server: $schema=http://h/schema/kana.json\n"
        "version: 1.0.0\n"
        "revision: test_a@3\n"
        "  \n"
        "# Updated: Fri Oct 14 2022 12:57:25 GMT+0000 (Coordinated Universal Time)\n"
        "\n"
        "# PROJECT: Acmefeatures: []\n"
        "\n"
        "# FEATURES\n"
        "features:\n"
        "  - id: sso\n    name: SSO\n    type: BINARY\n"
        "  - id: msg\n    name: M\n    type: CONSUMABLE\n"
        "  - id: call\n    name: C\n    type: CONSUMABLE\n"
        "\n"
        "# PACKAGES\n"
        "packages:\n"
        "  draft: []\n"
        "  published:\n"
        '    - id: free\n      name: "no"\n      trial_days: 14\n'
        "      features:\n"
        "        - id: sso\n"
        "        - id: msg\n          limit: null\n          overage_enabled: true\n          reset_period: DAY\n"
        "          combine: ADD\n"
        "        - id: call\n          limit: 9\n"
        "          rollover: {limit: 5, periods: 2}\n          grace_percent: 10\n"
        "\n"
        "# ADD-ONS\n"
        "addons:\n"
        "  draft:\n"
        "    - id: extra\n      name: Extra\n      base_packages:\n        - free\n      features: []\n"
        "  published: []\n"
    )


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    """The folder is made, and nothing is left beside the file."""
    path = tmp_path / "kana" / "kana.yaml"
    write_file(path, "a: é\n")
    write_file(path, "b: é\n")
    assert path.read_text(encoding="utf-8") == "b: é\n"
    assert [each.name for each in path.parent.iterdir()] == ["kana.yaml"]


def test_numbers_that_are_none_stay_out() -> None:
    """The reader never makes a float, so that no amount is rounded."""
    assert not isinstance(read_yaml(b"a: 9007199254740993").value["a"], float)
    assert Document(None, {}).position(None) is None


def test_the_documented_file_and_its_bounds_are_true() -> None:
    """The file that docs/configuration.md shows passes every check, and the bounds it names are ours."""
    documentation = (ROOT / "docs/configuration.md").read_text(encoding="utf-8")
    [shown] = re.findall(r"^```yaml\n(.*?)^```$", documentation, re.MULTILINE | re.DOTALL)
    assert checked(shown) == ("", PASSED)
    prose = " ".join(documentation.split())
    bounds = f"{VALUES_MAX:,} values, {ITEMS_MAX:,} items in a list and {HELD_MAX:,} features"
    assert f"At most {BYTES_MAX // 1_000_000} MB, {bounds}" in prose
    assert f"A review makes at most {CAPS_COUNTED_MAX} such counts" in prose
    assert f"default `{ROOT_URL.removesuffix(FACE)}`" in prose
