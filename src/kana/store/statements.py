"""Named SQL statements, read from .sql files: ``-- name: load_accounts`` starts one."""

from __future__ import annotations

import re
from importlib.resources import files

_NAME = re.compile(r"^-- name: (\w+)$", re.MULTILINE)


def read_statements(package: str, file: str = "queries.sql") -> dict[str, str]:
    """Return the statements of a package's .sql file by name, comments included."""
    text = files(package).joinpath(file).read_text(encoding="utf-8")
    _, *parts = _NAME.split(text)
    return {name: sql.strip().rstrip(";") for name, sql in zip(parts[::2], parts[1::2], strict=True)}


def read_migrations(package: str) -> list[str]:
    """Return the scripts of a package's migrations/ folder in order: the first makes version 1."""
    folder = files(package).joinpath("migrations")
    names = sorted(item.name for item in folder.iterdir() if item.name.endswith(".sql"))
    return [folder.joinpath(name).read_text(encoding="utf-8") for name in names]
