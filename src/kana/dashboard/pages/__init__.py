"""Every page: a module for each noun, whose ``ROUTES`` join the table here."""

from __future__ import annotations

from kana.dashboard.pages import packages, sign_in
from kana.dashboard.route import Route

ROUTES: tuple[Route, ...] = (
    *sign_in.ROUTES,
    *packages.ROUTES,
)
"""The one table of addresses and of who may ask for them. Every request is checked against it."""
