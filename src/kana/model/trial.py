"""Trials: until when a new subscription is one, by its terms or else by its package."""

from __future__ import annotations

from datetime import datetime, timedelta

from kana.errors import InvalidValue
from kana.model.account import Account
from kana.model.package import Package
from kana.model.terms import Terms


def trial_end(account: Account, package: Package, terms: Terms, *, start: datetime, now: datetime) -> datetime | None:
    """Return until when a subscription that starts then is a trial; None if it is none.

    What the terms say comes first. Otherwise it is for as many days of 24 hours as the package says, from the start
    on, even if they are over by now; once for each user and package, however that trial ended.

    Raises:
        InvalidValue: it is to end with its trial, and there is none, or none that is not over.
    """
    ends_at = terms.trial_ends_at
    if ends_at is None and not terms.without_trial and not _has_tried(account, package):
        ends_at = None if package.trial_days is None else start + timedelta(days=package.trial_days)
    if terms.ends_with_trial and (ends_at is None or ends_at <= now):
        what = "would have none" if ends_at is None else f"would have had its until {ends_at.isoformat()}"
        raise InvalidValue(
            f"endsWithTrial needs a trial to end with, and {package.id!r} {what}: give trialEndsAt",
            field="endsWithTrial",
        )
    return ends_at


def _has_tried(account: Account, package: Package) -> bool:
    """Whether a trial of a package has begun, or will; one that was cancelled before it began does not count."""
    return any(
        each.trial_ends_at is not None and (each.ends_at is None or each.start < each.ends_at)
        for each in account.subscriptions
        if each.package_id == package.id
    )
