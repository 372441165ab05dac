"""A field that is added to allowances is missing by name on every face that has to carry it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from dataclasses import fields

import pytest
from graphql import GraphQLInputObjectType, GraphQLObjectType

from kana.api.admin.schema import build_schema
from kana.api.config.wire import config_json
from kana.cli.configuration.reader import read_yaml
from kana.cli.configuration.writer import config_yaml
from kana.dashboard.forms import Errors
from kana.dashboard.package_form import changes_of, filled
from kana.model.allowance import Allowance
from kana.model.config import HELD_FIELDS, read_config
from kana.model.package import Package, PackageFeature
from kana.model.plan import plan
from kana.sdk import Grant, PackageEntitlement
from kana.store.catalogs import _held, _held_from
from tests.support.allowances import FULL
from tests.support.tree import SOURCE, text
from tests.support.world import NOON, a_catalog, a_feature, a_package

FIELDS = {each.name for each in fields(Allowance) if each.init}
HELD = PackageFeature(feature_id="message", allowance=FULL)
BASIC = a_package("basic", HELD)
CATALOG = a_catalog(a_feature("message"), a_feature("credit"), BASIC)


def in_admin_api(name: str) -> Iterable[str]:
    """The fields of a type of the Admin API, in Python's spelling."""
    kind = build_schema().type_map[name]
    assert isinstance(kind, GraphQLObjectType | GraphQLInputObjectType)
    return {re.sub(r"[A-Z]", lambda letter: f"_{letter[0].lower()}", field) for field in kind.fields}


def in_file_schema() -> Iterable[str]:
    """The fields that an editor offers for a feature of a package."""
    schema = json.loads(text(SOURCE / "api" / "config" / "kana.schema.json"))
    return set(schema["definitions"]["held"]["items"]["properties"])


NAMED: dict[str, Callable[[], Iterable[str]]] = {
    "what the Admin API takes": lambda: in_admin_api("EntitlementInput"),
    "what the Admin API answers": lambda: in_admin_api("PackageEntitlement"),
    "what the SDK sends": lambda: {each.name for each in fields(Grant)},
    "what the SDK answers": lambda: {each.name for each in fields(PackageEntitlement)},
    "the file": lambda: HELD_FIELDS,
    "the schema of the file": in_file_schema,
}


@pytest.mark.parametrize("face", NAMED)
def test_every_field_has_its_name_on_every_face(face: str) -> None:
    """Whoever adds one is told where it lacks."""
    assert FIELDS - set(NAMED[face]()) == set()


def by_file() -> Package:
    """The package after ``kana pull`` and ``kana publish``, from a catalogue where it allows something else."""
    written = config_yaml(config_json(CATALOG, app="", revision=""), schema_url=None, now=NOON)
    other = a_catalog(
        a_feature("message"), a_feature("credit"), a_package("basic", PackageFeature(feature_id="message"))
    )
    planned = plan(other, read_config(read_yaml(written.encode()).value), now=NOON)
    assert planned.catalog is not None
    return planned.catalog.package("basic")


def by_form() -> Package:
    """The package after its form was opened and sent."""
    return a_package("basic", *changes_of(filled(BASIC, CATALOG), BASIC, Errors())["features"])


CARRIED: dict[str, Callable[[], Package]] = {
    "by the file": by_file,
    "by the form": by_form,
    "by the store": lambda: a_package("basic", _held_from(*json.loads(json.dumps(_held(HELD))))),
}


def test_the_allowance_says_something_in_every_field() -> None:
    """So that a field that is lost is seen below."""
    plain = Allowance()
    assert [name for name in FIELDS if getattr(FULL, name) == getattr(plain, name)] == []


@pytest.mark.parametrize("way", CARRIED)
def test_every_field_is_carried(way: str) -> None:
    """What comes back is what went in."""
    assert CARRIED[way]().features == (HELD,)
