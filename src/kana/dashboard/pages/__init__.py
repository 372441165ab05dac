"""The pages: one module for each noun, whose ``ROUTES`` join the table here."""

from __future__ import annotations

from kana.dashboard.pages import (
    console,
    developer,
    features,
    insights,
    integrations,
    ledger,
    log,
    package,
    package_life,
    packages,
    people,
    provider,
    segment_rules,
    sign_in,
    subscribers,
    subscribers_move,
    tokens,
    user,
    user_actions,
    user_edit,
    user_giving,
    user_life,
    user_why,
    users_csv,
)
from kana.dashboard.route import Route

ROUTES: tuple[Route, ...] = (
    *sign_in.ROUTES,
    *provider.ROUTES,
    *people.ROUTES,
    *packages.ROUTES,
    *package.ROUTES,
    *package_life.ROUTES,
    *features.ROUTES,
    *subscribers.ROUTES,
    *subscribers_move.ROUTES,
    *user.ROUTES,
    *ledger.ROUTES,
    *user_actions.ROUTES,
    *user_edit.ROUTES,
    *user_giving.ROUTES,
    *user_life.ROUTES,
    *user_why.ROUTES,
    *users_csv.ROUTES,
    *insights.ROUTES,
    *integrations.ROUTES,
    *segment_rules.ROUTES,
    *developer.ROUTES,
    *tokens.ROUTES,
    *console.ROUTES,
    *log.ROUTES,
)
"""The one table of addresses and of the roles that they need. Every request is checked against it."""
