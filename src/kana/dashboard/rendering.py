"""Jinja templates: an undefined name is an error, and everything is escaped."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from kana.dashboard.assets import asset_url
from kana.dashboard.outcomes import outcome_in_words
from kana.model.environment import Environment as KanaEnvironment
from kana.model.text import counted

FOLDER = Path(__file__).parent / "templates"


def load_templates() -> Environment:
    """Return the templates, with the globals and filters that all of them can use."""
    templates = Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
        cache_size=-1,
    )
    templates.globals.update(asset=asset_url, environments=tuple(KanaEnvironment))
    templates.filters.update(
        units=in_groups, moment=in_words, instant=in_iso, outcome=outcome_in_words, counted=counted
    )
    return templates


def in_groups(number: int) -> str:
    """Return a whole number with separators: ``1,234,567``."""
    return f"{number:,}"


def in_words(moment: datetime) -> str:
    """Return a time in words, in UTC."""
    return f"{moment:%-d %B %Y, %H:%M} UTC"


def in_iso(moment: datetime) -> str:
    """Return a time in ISO format, for programs."""
    return moment.isoformat(timespec="seconds")
