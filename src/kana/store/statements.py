"""Named SQL statements, read from .sql files: ``-- name: load_user_ref`` starts one.

Statements for both databases are written once, for PostgreSQL, in the file of their noun beside this module:
``$1::text``, ``= any($1::text[])``. ``for_sqlite`` translates them for SQLite. Statements that have to differ have
the same name in a file in each database's folder.

What several statements have in common is a fragment, which stands in the file of its noun, once for both databases:
``-- fragment: stands(s, moment)`` starts one, and a statement takes it as ``{stands(s, $3)}``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from importlib.resources import files
from typing import NamedTuple, TypeVar

_Part = TypeVar("_Part")

_SHARED = "kana.store"
_HEADING = re.compile(r"^-- (name|fragment): (\w+)(?:\(([\w, ]+)\))?$", re.MULTILINE)
_COMMENT = re.compile(r"^--.*\n", re.MULTILINE)
_FRAGMENT = re.compile(r"\{(\w+)\(([^(){}]+)\)\}")
_LISTED = re.compile(r"= any\((\$\d+)(?:::\w+\[\])?\)")
_CAST = re.compile(r"::\w+(?:\[\])?")
_LOCKING = re.compile(r"\s+for update(?: of \w+)?(?=;|$)", re.MULTILINE)
_COLLATION = ' collate "C"'
_BINDING = re.compile(r"\$(\d+)")


class Fragment(NamedTuple):
    """A piece of SQL that several statements share, with the names of its parameters."""

    parameters: tuple[str, ...]
    sql: str

    def filled(self, arguments: Sequence[str]) -> str:
        """Return it with arguments in the places of the parameters."""
        by_name = dict(zip(self.parameters, arguments, strict=True))
        return re.sub(rf"\b({'|'.join(self.parameters)})\b", lambda found: by_name[found[1]], self.sql)


Fragments = Mapping[str, Fragment]


def for_sqlite(sql: str) -> str:
    """Return a statement in SQLite's words: ``?1`` binds what ``$1`` does.

    Lists come as JSON; casts and the collation that SQLite has anyway are left out, and so are locks of rows, as one
    transaction writes at a time.
    """
    sql = _LISTED.sub(r"in (select value from json_each(\1))", sql).replace("json_array_elements(", "json_each(")
    return _BINDING.sub(r"?\1", _CAST.sub("", _LOCKING.sub("", sql.replace(_COLLATION, ""))))


def expanded(sql: str, fragments: Fragments) -> str:
    """Return a statement with its fragments in it, and theirs in them.

    Raises:
        KeyError, ValueError: no fragment has this name, or not so many parameters.
    """
    return _FRAGMENT.sub(
        lambda found: expanded(fragments[found[1]].filled(re.split(r",\s*", found[2])), fragments), sql
    )


def read_all(package: str, *, translate: Callable[[str], str] = str) -> dict[str, str]:
    """Return the statements that the databases share and those of one's own ``queries.sql`` by name, translated.

    Raises:
        ValueError: a name stands twice.
    """
    fragments = read_fragments()
    books = [*(read_statements(_SHARED, noun) for noun in _nouns()), read_statements(package)]
    statements = _by_name("statements", (pair for book in books for pair in book.items()))
    return {name: translate(expanded(sql, fragments)) for name, sql in statements.items()}


def read_fragments() -> Fragments:
    """Return the fragments of all nouns by name.

    Raises:
        ValueError: a name stands twice.
    """
    return _by_name(
        "fragments",
        (
            (name, Fragment(tuple(re.split(r",\s*", parameters)), _COMMENT.sub("", sql).strip()))
            for noun in _nouns()
            for kind, name, parameters, sql in _parts(_SHARED, noun)
            if kind == "fragment"
        ),
    )


def read_statements(package: str, file: str = "queries.sql") -> dict[str, str]:
    """Return the statements of one .sql file by name, comments included."""
    return {name: sql.strip().rstrip(";") for kind, name, _, sql in _parts(package, file) if kind == "name"}


def _by_name(kind: str, pairs: Iterable[tuple[str, _Part]]) -> dict[str, _Part]:
    by_name: dict[str, _Part] = {}
    for name, part in pairs:
        if name in by_name:
            raise ValueError(f"{kind} named twice: {name}")
        by_name[name] = part
    return by_name


def _nouns() -> list[str]:
    return sorted(item.name for item in files(_SHARED).iterdir() if item.name.endswith(".sql"))


def _parts(package: str, file: str) -> Iterator[tuple[str, str, str, str]]:
    """Yield what a file holds: of each part its kind, its name, its parameters and its SQL."""
    _, *parts = _HEADING.split(files(package).joinpath(file).read_text(encoding="utf-8"))
    return zip(parts[::4], parts[1::4], parts[2::4], parts[3::4], strict=True)


def read_migrations(package: str) -> list[str]:
    """Return the scripts of a package's migrations/ folder in order: the first creates version 1."""
    folder = files(package).joinpath("migrations")
    names = sorted(item.name for item in folder.iterdir() if item.name.endswith(".sql"))
    return [folder.joinpath(name).read_text(encoding="utf-8") for name in names]
