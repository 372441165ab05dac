"""Where we override a library's methods or reach into it, a release that changes what is there fails by its name.

``SIGNATURES`` and ``ATTRIBUTES`` say what was there in the releases that were tested, and tests hold that nothing
else is touched. After a change in one of these libraries: read what it changed, mend what stands on it, and write
down here what is there now.
"""

from __future__ import annotations

import ast
import inspect
import pkgutil
import sys
import textwrap
import tomllib
from collections.abc import Iterator
from importlib import import_module
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

import kana
from tests.support.tree import ROOT, modules, text
from tests.tidy.test_files import pins

BOUNDED = {
    "ariadne": "ariadne",
    "graphql-core": "graphql",
    "httptools": "httptools",
    "msgspec": "msgspec",
    "uvicorn": "uvicorn",
}
"""The libraries whose insides we stand on, and how each is imported."""

HTTP = "uvicorn.protocols.http.httptools_impl"
FLOW = "uvicorn.protocols.http.flow_control"
EXECUTOR = "graphql.execution.executor:Executor"
CONTEXT = "graphql.validation.validation_context"
FIELD = "return_type field_details_list info path result position_context"
ITEM = "item_type field_details_list info item_path position_context"

SIGNATURES: dict[str, str | None] = {
    "click.core:Group.get_command": "self ctx cmd_name",
    "click.core:Command.invoke": "self ctx",
    "click.core:Group.invoke": "self ctx",
    f"{FLOW}:FlowControl": "transport",
    f"{FLOW}:FlowControl.pause_reading": "self",
    f"{FLOW}:FlowControl.resume_reading": "self",
    f"{HTTP}:HttpToolsProtocol": "config server_state app_state _loop",
    f"{HTTP}:HttpToolsProtocol.__init__": "self config server_state app_state _loop",
    f"{HTTP}:HttpToolsProtocol._start_asgi_task": "self cycle app",
    f"{HTTP}:HttpToolsProtocol.connection_lost": "self exc",
    f"{HTTP}:HttpToolsProtocol.connection_made": "self transport",
    f"{HTTP}:HttpToolsProtocol.data_received": "self data",
    f"{HTTP}:HttpToolsProtocol.on_body": "self body",
    f"{HTTP}:HttpToolsProtocol.on_header": "self name value",
    f"{HTTP}:HttpToolsProtocol.on_headers_complete": "self",
    f"{HTTP}:HttpToolsProtocol.on_message_begin": "self",
    f"{HTTP}:HttpToolsProtocol.on_message_complete": "self",
    f"{HTTP}:HttpToolsProtocol.on_response_complete": "self",
    f"{HTTP}:HttpToolsProtocol.on_url": "self url",
    f"{HTTP}:HttpToolsProtocol.pause_writing": "self",
    f"{HTTP}:HttpToolsProtocol.resume_writing": "self",
    f"{HTTP}:RequestResponseCycle": "scope transport flow logger access_logger access_log default_headers"
    " message_event expect_100_continue keep_alive on_response",
    f"{HTTP}:RequestResponseCycle.send": "self message",
    f"{HTTP}:STATUS_LINE": None,
    "httptools:HttpRequestParser.feed_data": "self data",
    "httptools:HttpRequestParser.get_http_version": "self",
    "httptools:HttpRequestParser.get_method": "self",
    "httptools:HttpRequestParser.should_keep_alive": "self",
    "httptools:HttpRequestParser.should_upgrade": "self",
    "httptools:parse_url": "url",
    "uvicorn.server:Server.__init__": "self config",
    "uvicorn.server:Server.capture_signals": "self",
    "uvicorn.server:Server.on_tick": "self counter",
    "uvicorn.server:Server.shutdown": "self sockets",
    "uvicorn.server:Server.startup": "self sockets",
    EXECUTOR: "schema fragment_definitions fragments root_value context_value operation variable_values field_resolver"
    " type_resolver subscribe_field_resolver enable_early_execution middleware_manager is_awaitable is_async_iterable"
    " hide_suggestions abort_signal hooks",
    f"{EXECUTOR}.__init__": "self schema fragment_definitions fragments root_value context_value operation"
    " variable_values field_resolver type_resolver subscribe_field_resolver enable_early_execution middleware_manager"
    " is_awaitable is_async_iterable hide_suggestions abort_signal hooks",
    f"{EXECUTOR}.collect_subfields": "self return_type field_details_list",
    f"{EXECUTOR}.complete_awaitable_list_item_value": f"self item {ITEM}",
    f"{EXECUTOR}.complete_iterable_value": "self item_type field_details_list info path items position_context",
    f"{EXECUTOR}.complete_leaf_value": "return_type result",
    f"{EXECUTOR}.complete_list_item_value": f"self item complete_results {ITEM}",
    f"{EXECUTOR}.complete_value": f"self {FIELD}",
    f"{EXECUTOR}.execute_field": "self parent_type source field_details_list path position_context",
    f"{EXECUTOR}.execute_fields": "self parent_type source_value path grouped_field_set position_context",
    f"{EXECUTOR}.gather_async_work": "self values",
    f"{EXECUTOR}.handle_field_error": "self raw_error return_type field_details_list path",
    f"{EXECUTOR}.settle_in_background": "self awaitables",
    f"{EXECUTOR}.track_async_work": "self values",
    "graphql.execution:default_type_resolver": "value info abstract_type",
    "graphql.execution.collect_fields:CollectedFields": "grouped_field_set new_defer_usages"
    " forbidden_directive_instances",
    "graphql.execution.collect_fields:FieldDetails": "node defer_usage fragment_variable_values",
    "graphql.execution.collect_fields:FragmentDetails": "definition variable_signatures",
    "graphql.execution.collect_fields:collect_fields": "schema fragments variable_values runtime_type operation"
    " hide_suggestions forbid_skip_and_include on_selection_set",
    "graphql.execution.get_variable_signature:GraphQLVariableSignature": "name type default default_value",
    "graphql.execution.get_variable_signature:get_variable_signature": "schema var_def_node",
    "graphql.execution.values:VariableValueSource": "signature value",
    "graphql.execution.values:VariableValues": "sources coerced",
    "graphql.execution.values:coerce_argument": "coerced_values node arg_name arg_def argument_node variable_values"
    " fragment_variable_values hide_suggestions",
    "graphql.execution.values:get_argument_values": "type_def node variable_values fragment_variable_values"
    " hide_suggestions",
    "graphql.execution.values:get_variable_values": "schema var_def_nodes inputs max_errors hide_suggestions",
    "graphql.language.parser:Parser": "source no_location max_tokens experimental_fragment_arguments lexer"
    " allow_empty_selection_sets max_lexical_tokens max_comments max_source_length",
    "graphql.language.parser:Parser.parse_document": "self",
    "graphql.pyutils:Path": "prev key typename",
    "graphql.pyutils:gather_with_cancel": "awaitables",
    "graphql.type.definition:GraphQLNamedType.reserved_types": None,
    "graphql.type.definition:GraphQLResolveInfo": "field_name field_nodes return_type parent_type path schema fragments"
    " root_value operation variable_values context is_awaitable abort_signal async_helpers",
    "graphql.type.definition:GraphQLResolveInfoHelpers": "gather track",
    "graphql.utilities:validate_input_value": "input_value type_ on_error hide_suggestions",
    "graphql.validation.validate:ValidationAbortedError": None,
    "graphql.validation.validate:query_document_keys_to_validate": None,
    f"{CONTEXT}:NodeWithSelectionSet": None,
    f"{CONTEXT}:ValidationContext": "schema ast type_info on_error hide_suggestions allow_empty_selection_sets",
    f"{CONTEXT}:ValidationContext.get_variable_usages": "self node",
    f"{CONTEXT}:VariableUsage": "node type parent_type default_value fragment_variable_definition",
    f"{CONTEXT}:VariableUsageVisitor": "type_info fragment_definition",
}
"""What we override, call or build, and its parameters; None for what has none."""

ATTRIBUTES = {
    f"{FLOW}:FlowControl": "_transport",
    f"{HTTP}:HttpToolsProtocol": "_start_asgi_task access_logger app connections cycle flow headers logger loop"
    " on_response_complete parser scope server_state tasks transport url",
    f"{HTTP}:RequestResponseCycle": "default_headers disconnected flow keep_alive message_event more_body on_response"
    " response_complete response_started scope transport waiting_for_100_continue",
    "uvicorn.server:Server": "_captured_signals config server_state servers started",
    EXECUTOR: "_relevant_sub_fields abort_signal async_helpers collect_subfields collected_errors complete_value"
    " context_value execute_field execute_fields fragment_definitions fragments gather_async_work handle_field_error"
    " hide_suggestions is_awaitable operation root_value schema settle_in_background track_async_work variable_values",
    f"{CONTEXT}:ValidationContext": "_type_info _variable_usages",
    "graphql.language.parser:Parser": "_lexer",
    "graphql.language.lexer:Lexer": "token",
    "graphql.language.ast:Token": "next prev",
}
"""What we read or set of their objects."""


def found(name: str) -> Any:
    """What stands at ``module:Class.method``."""
    module, _, path = name.partition(":")
    it: Any = import_module(module)
    for part in path.split("."):
        it = inspect.getattr_static(it, part) if inspect.isclass(it) else getattr(it, part)
    return it.__func__ if isinstance(it, staticmethod) else it


def parameters(of: Any) -> str | None:
    """The names of its parameters in order; None for what has none to tell."""
    try:
        return " ".join(inspect.signature(of).parameters)
    except (TypeError, ValueError):
        return None


def tree_of(cls: type) -> ast.Module:
    """A class's source."""
    return ast.parse(textwrap.dedent(inspect.getsource(cls)))


def of_self(cls: type, *, stored: bool = False) -> set[str]:
    """The names that a class's source reads or sets of ``self``, or only those it sets."""
    return {
        node.attr
        for node in ast.walk(tree_of(cls))
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "self"
        if not stored or isinstance(node.ctx, ast.Store)
    }


def names_in(cls: type) -> set[str]:
    """What an instance of a library's class has: methods, declared fields, and what its methods set."""
    names: set[str] = set()
    for base in cls.__mro__[:-1]:
        names |= set(vars(base)) | set(inspect.get_annotations(base))
        if base.__module__.split(".")[0] not in sys.stdlib_module_names:
            names |= of_self(base, stored=True)
    return names


def bases_of_ours() -> Iterator[tuple[type, type]]:
    """Each class of ours with each class of a library that it is made of."""
    for info in pkgutil.walk_packages(kana.__path__, "kana."):
        if info.name.endswith("__main__"):
            continue
        for cls in vars(import_module(info.name)).values():
            if inspect.isclass(cls) and cls.__module__ == info.name:
                for base in cls.__mro__[1:]:
                    if base.__module__.split(".")[0] not in {*sys.stdlib_module_names, "kana"}:
                        yield cls, base


OURS = list(bases_of_ours())


@pytest.mark.parametrize("name", SIGNATURES)
def test_what_we_stand_on_takes_what_it_took(name: str) -> None:
    """It is there, and its parameters are those of the release that was tested, in their order."""
    expected = SIGNATURES[name]
    if expected is None:
        found(name)
    else:
        assert parameters(found(name)) == expected


@pytest.mark.parametrize(
    ("name", "attribute"), [(name, attribute) for name, listed in ATTRIBUTES.items() for attribute in listed.split()]
)
def test_what_we_read_of_their_objects_is_there(name: str, attribute: str) -> None:
    """A field that is renamed is not set in vain."""
    assert attribute in names_in(found(name))


def test_what_is_not_there_is_told() -> None:
    """The control: another parameter, another name and another field are seen."""
    assert parameters(found(f"{HTTP}:RequestResponseCycle.send")) != "self event"
    assert "_transports" not in names_in(found(f"{FLOW}:FlowControl"))
    with pytest.raises(AttributeError, match="on_tock"):
        found("uvicorn.server:Server.on_tock")


@pytest.mark.parametrize(("cls", "base"), OURS, ids=lambda it: it.__name__)
def test_every_override_is_listed(cls: type, base: type) -> None:
    """A method of a library that a class of ours replaces stands in the table."""
    replaced = {name for name in vars(cls) if name in vars(base)} - set(vars(type("Empty", (), {}))) - {
        "__annotations__", "__orig_bases__", "__parameters__", "__firstlineno__", "__static_attributes__",
    }  # fmt: skip
    names = {f"{base.__module__}:{base.__name__}.{name}" for name in replaced}
    assert names - set(SIGNATURES) == set()


@pytest.mark.parametrize(
    ("cls", "base"), [pair for pair in OURS if pair[0].__bases__[0] is pair[1]], ids=lambda it: it.__name__
)
def test_every_field_that_we_share_is_listed(cls: type, base: type) -> None:
    """So a release that takes a name of ours for something of its own is seen too."""
    listed = set(ATTRIBUTES.get(f"{base.__module__}:{base.__name__}", "").split())
    assert of_self(cls) & names_in(base) - listed == set()


def test_every_inner_name_that_we_import_is_listed() -> None:
    """What is imported from below a library's front door may move without a word."""
    imported = {
        f"{node.module}:{alias.name}"
        for _, tree in modules()
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module and "." in node.module
        if node.module.split(".")[0] in BOUNDED.values()
        for alias in node.names
    }
    assert f"{HTTP}:STATUS_LINE" in imported
    assert imported - set(SIGNATURES) == set()


@pytest.mark.parametrize("package", BOUNDED)
def test_no_release_is_installed_that_was_not_tested(package: str) -> None:
    """Of a library that we reach into, an installer takes the minor version that was tested and no later one."""
    project = tomllib.loads(text(ROOT / "pyproject.toml"))["project"]
    wanted = {each.name: each for each in map(Requirement, project["dependencies"])}[package]
    pinned = pins("runtime.txt")[package]
    assert pinned in wanted.specifier
    assert Version(f"{pinned.major}.{pinned.minor}.999") in wanted.specifier
    assert Version(f"{pinned.major}.{pinned.minor + 1}") not in wanted.specifier
    assert Version(f"{pinned.major}.{pinned.minor - 1}.999") not in wanted.specifier if pinned.minor else True
    assert Version(f"{pinned.major + 1}.0") not in wanted.specifier
