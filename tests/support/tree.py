"""The project's own files, for tests that hold them to a rule."""

from __future__ import annotations

import ast
import gc
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src" / "kana"
BUILT = {".git", ".venv", "node_modules", "__pycache__", "dist", "build", "htmlcov", ".coverage"} | {
    f".{tool}" for tool in ("mypy_cache", "pytest_cache", "ruff_cache", "import_linter_cache", "hypothesis")
}


def tracked() -> list[Path]:
    """Every file that the project keeps, as it stands in the working tree; nothing that was built there."""
    return [path for path in _kept() if path.is_file()]


def links() -> list[Path]:
    """Every symbolic link that the project keeps, wherever it leads."""
    return [path for path in _kept() if path.is_symlink()]


def _kept() -> list[Path]:
    try:
        answer = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True)
        return [ROOT / name for name in answer.stdout.split("\0") if name]
    except (OSError, subprocess.CalledProcessError):  # an unpacked archive, or a machine without git
        return [path for path in ROOT.rglob("*") if not BUILT.intersection(path.relative_to(ROOT).parts)]


def text(path: Path) -> str:
    """A file's text; empty for files that hold none, such as pictures."""
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return ""


def modules(folder: Path = SOURCE) -> Iterator[tuple[str, ast.Module]]:
    """Each module below a folder, as its path from there and its syntax tree."""
    for path in sorted(folder.rglob("*.py")):
        yield path.relative_to(folder).as_posix(), _parsed(path)


@cache
def _parsed(path: Path) -> ast.Module:
    """The syntax tree of a file. No garbage is collected meanwhile: to print what a finalizer raises Python parses too.

    Python 3.11 cannot do both at once and says "recursion depth mismatch".
    """
    gc.disable()
    try:
        return ast.parse(path.read_text(encoding="utf-8"))
    finally:
        gc.enable()


def imports(tree: ast.Module) -> Iterator[str]:
    """The full names of the modules that a module imports, wherever in it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def strings(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Each string in a module's code with its line; docstrings are prose and left out."""
    prose = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in prose:
            yield node.lineno, node.value
