"""A dashboard for a browser to open."""

from __future__ import annotations

from tests.dashboard.conftest import desk

__all__ = ["desk"]
