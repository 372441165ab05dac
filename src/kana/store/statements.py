"""Named SQL statements, read from .sql files: ``-- name: load_accounts`` starts one.

What both databases understand stands once, in the file of its noun beside this module, in PostgreSQL's words:
``$1::text``, ``= any($1::text[])``. SQLite gets it in its own by the rules of ``for_sqlite``. What differs for
a reason stands under one name in a file of either database's folder.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from importlib.resources import files

_SHARED = "kana.store"
_NAME = re.compile(r"^-- name: (\w+)$", re.MULTILINE)
_LISTED = re.compile(r"= any\((\$\d+)(?:::\w+\[\])?\)")
_CAST = re.compile(r"::\w+(?:\[\])?")
_LOCKING = re.compile(r"\s+for update(?: of \w+)?(?=;|$)", re.MULTILINE)
_BINDING = re.compile(r"\$(\d+)")


def for_sqlite(sql: str) -> str:
    """Return a statement in SQLite's words: ``?1`` binds what ``$1`` does.

    Lists come as JSON; casts and locks of rows are left out, as one transaction writes at a time.
    """
    sql = _LISTED.sub(r"in (select value from json_each(\1))", sql).replace("json_array_elements(", "json_each(")
    return _BINDING.sub(r"?\1", _CAST.sub("", _LOCKING.sub("", sql)))


def read_all(package: str, *, translate: Callable[[str], str] = str) -> dict[str, str]:
    """Return the statements that the databases share, translated, and those of one's own ``queries.sql``, by name.

    Raises:
        ValueError: a name stands twice.
    """
    nouns = sorted(item.name for item in files(_SHARED).iterdir() if item.name.endswith(".sql"))
    shared = [pair for noun in nouns for pair in read_statements(_SHARED, noun).items()]
    statements = [(name, translate(sql)) for name, sql in shared] + list(
        read_statements(package, "queries.sql").items()
    )
    by_name = dict(statements)
    if len(by_name) != len(statements):
        names = [name for name, _ in statements]
        raise ValueError(f"statements named twice: {sorted({name for name in names if names.count(name) > 1})}")
    return by_name


def read_statements(package: str, file: str = "queries.sql") -> dict[str, str]:
    """Return the statements of one .sql file by name, comments included."""
    text = files(package).joinpath(file).read_text(encoding="utf-8")
    _, *parts = _NAME.split(text)
    return {name: sql.strip().rstrip(";") for name, sql in zip(parts[::2], parts[1::2], strict=True)}


def read_migrations(package: str) -> list[str]:
    """Return the scripts of a package's migrations/ folder in order: the first makes version 1."""
    folder = files(package).joinpath("migrations")
    names = sorted(item.name for item in folder.iterdir() if item.name.endswith(".sql"))
    return [folder.joinpath(name).read_text(encoding="utf-8") for name in names]
