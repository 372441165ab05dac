"""The pages that list something list all of it, and nothing else."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from types import ModuleType

import click

from kana import errors, sdk
from kana.cli import main
from kana.sdk import errors as sdk_errors
from tests.support.tree import ROOT

CLI = ROOT / "docs/cli.md"
SERVER, _, SDK = (ROOT / "docs/errors.md").read_text().partition("\n## In the Python SDK\n")


def test_every_error_is_listed() -> None:
    """docs/errors.md has a row for each class of the tree in its order: code, name and what it means."""
    assert listed(SERVER) == [row_of(kind) for kind in classes(errors)]


def test_every_error_of_the_sdk_is_listed() -> None:
    """The same of those that only clients raise; all of them are to be had from ``kana.sdk``."""
    own = [kind for kind in classes(sdk_errors) if kind.__module__ == sdk_errors.__name__]
    assert listed(SDK) == [row_of(kind) for kind in own]
    assert {kind.__name__ for kind in own} <= set(sdk.__all__)


def classes(module: ModuleType) -> list[type[errors.KanaError]]:
    """The errors that a module names, in its order."""
    return [kind for kind in vars(module).values() if isinstance(kind, type) and issubclass(kind, errors.KanaError)]


def listed(page: str) -> list[tuple[str, ...]]:
    """The rows of a page about classes of errors."""
    return re.findall(r"^\| `(\w+)` \| `(\w+)` \| `(\w+)` \| (.*) \|$", page, re.MULTILINE)


def row_of(kind: type[errors.KanaError]) -> tuple[str, ...]:
    """What is to be said of an error."""
    return (kind.__name__, kind.code, kind.name, first_paragraph(kind))


def first_paragraph(kind: type) -> str:
    """The first paragraph of a docstring as Markdown on one line."""
    paragraph = (inspect.getdoc(kind) or "").split("\n\n")[0]
    return paragraph.replace("\n", " ").replace("``", "`")


def test_every_code_says_what_to_do() -> None:
    """The second table of docs/errors.md has a row for each code."""
    codes = re.findall(r"^\| `([A-Z_]+)` \| [A-Z]", SERVER, re.MULTILINE)
    tree = classes(errors)

    assert len(codes) == len(set(codes))
    assert set(codes) == {kind.code for kind in tree}


def test_every_command_and_option_is_listed() -> None:
    """docs/cli.md repeats what `kana COMMAND --help` says; `python -m tests.docs.test_reference` writes it anew."""
    assert CLI.read_text() == written_anew()


def written_anew() -> str:
    """docs/cli.md with the commands as they are now below its introduction."""
    introduction, _, _ = CLI.read_text().partition("## ")
    return introduction + "\n".join(reference(main, "kana"))


def test_every_guarantee_names_tests_that_exist() -> None:
    """Each row of docs/guarantees.md ends with tests that are there under that name."""
    rows = re.findall(r"^\| (\*\*.*) \| (`tests/.*`) \|$", (ROOT / "docs/guarantees.md").read_text(), re.MULTILINE)
    named = re.findall(r"`(tests/\S+\.py)::(\w+)`", "\n".join(tests for _, tests in rows))

    assert len(named) >= len(rows) > 0
    assert [f"{path}::{name}" for path, name in named if not defines(path, name)] == []


def defines(path: str, name: str) -> bool:
    """Whether a module of ours has a function of this name."""
    module = ROOT / path
    return module.exists() and re.search(rf"def {name}\(", module.read_text()) is not None


def reference(command: click.Command, name: str) -> Iterator[str]:
    """The lines that docs/cli.md has for a command, or for each command of a group."""
    if isinstance(command, click.Group):
        for each in command.commands.values():
            yield from reference(each, f"{name} {each.name}")
        return
    arguments = [parameter.human_readable_name.upper() for parameter in command.params if is_argument(parameter)]
    yield f"## {' '.join([name, *arguments])}\n"
    yield f"{inspect.cleandoc(command.help or '')}\n"
    yield "| option | default | what it does |\n|---|---|---|"
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            yield f"| `{spelling(parameter)}` | {default(parameter)} | {parameter.help} |"
    yield ""


def is_argument(parameter: click.Parameter) -> bool:
    """Whether it stands without a name."""
    return isinstance(parameter, click.Argument)


def spelling(option: click.Option) -> str:
    """How an option is typed, choices included."""
    if option.is_flag:
        return option.opts[0]
    choices = "\\|".join(option.type.choices) if isinstance(option.type, click.Choice) else option.metavar
    return f"{option.opts[0]} {choices}"


def default(option: click.Option) -> str:
    """What holds when an option is not given."""
    if option.required:
        return "required"
    return f"`{option.default}`" if isinstance(option.default, str) and option.default else ""


if __name__ == "__main__":
    CLI.write_text(written_anew())
