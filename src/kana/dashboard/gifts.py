"""What a user's page shows of grants: where the units of a feature come from, and what was given to the user alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import assert_never

from kana.dashboard.forms import new_key
from kana.dashboard.page_request import PageRequest
from kana.engine.ports.users import Gift
from kana.engine.users.profile import FeatureState
from kana.model.catalog import Catalog
from kana.model.change import in_words
from kana.model.feature import Feature
from kana.model.given import Given, Override, TopUp
from kana.model.grant import Grant, Source
from kana.model.package import Package
from kana.model.period import ResetPeriod

ENDED_MAX = 50
"""How many top-ups and overrides that have ended a page shows, the newest first."""

KEEPS, NEVER = "package", "never"
"""The choices of a reset period that are none: that of the user's package, and no reset at all."""

RESETS: Sequence[tuple[str, str]] = (
    (KEEPS, "As in the user's package"),
    *((reset.value, f"Every {reset.lower()}") for reset in reversed(ResetPeriod)),
    (NEVER, "Never"),
)
"""The choices of a reset period for an override: their values and labels."""

TERMS: Sequence[tuple[str, str]] = (
    ("limit", "Up to a limit"),
    ("all", "All of it: unlimited, or on"),
    ("denied", "Nothing"),
)
"""The choices of what a user may use under an override: their values and labels."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TopUpForm:
    """The values in the form for a top-up. Thanks to ``key`` it gives once, however often it is sent."""

    key: str = field(default_factory=new_key)
    feature: str = ""
    amount: str = ""
    last_day: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class OverrideForm:
    """The values in the form for an override. Sent again, it changes nothing."""

    feature: str = ""
    terms: str = "limit"
    limit: str = ""
    reset: str = KEEPS
    overage: bool = False
    last_day: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class GiftForms:
    """Both forms; the one that was sent and refused is ``opened``, with its ``error``."""

    top_up: TopUpForm = field(default_factory=TopUpForm)
    override: OverrideForm = field(default_factory=OverrideForm)
    opened: str = ""
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class GrantLine:
    """A grant as the page shows it: where its units come from, what it allows, and why if it was given."""

    grant: Grant
    source: str
    allows: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenLine:
    """A top-up or an override as the page shows it. ``used`` and ``left`` are of top-ups only."""

    given: Given
    feature: str
    gives: str
    state: str
    used: int | None
    left: int | None

    @property
    def may_end(self) -> bool:
        """Whether it can still be ended."""
        return self.state != "Ended"


async def read_gifts(request: PageRequest) -> Sequence[Gift[TopUp] | Gift[Override]]:
    """Return all that was given to the user whom the address names."""
    giving = request.engine.giving
    top_ups = await giving.top_ups(request.environment, request.id)
    overrides = await giving.overrides(request.environment, request.id)
    return [*top_ups, *overrides]


def grant_lines(
    states: Iterable[FeatureState], gifts: Sequence[Gift[TopUp] | Gift[Override]], catalog: Catalog
) -> Mapping[str, Sequence[GrantLine]]:
    """Return the grants of each counted feature, in the order in which they are used up."""
    given = {each.given.id: each.given for each in gifts}
    return {
        state.feature.id: [_grant_line(grant, state, given, catalog) for grant in state.grants]
        for state in states
        if state.feature.is_counted
    }


def _grant_line(grant: Grant, state: FeatureState, given: Mapping[int, Given], catalog: Catalog) -> GrantLine:
    behind = state.entitlement.override if grant.source is Source.OVERRIDE else given.get(grant.counter.source_id)
    return GrantLine(
        grant=grant,
        source=source_in_words(grant.source, catalog.packages.get(grant.package_id)),
        allows=in_words(grant.allowance),
        reason="" if behind is None else behind.reason,
    )


def source_in_words(source: Source, package: Package | None) -> str:
    """Return where the units of a grant come from; ``package`` is the one that its subscription is to."""
    of_package = "" if package is None else package.name
    match source:
        case Source.PACKAGE:
            return of_package
        case Source.ROLLOVER:
            return f"Carried over from {of_package}"
        case Source.OVERRIDE:
            return "Override"
        case Source.TOP_UP:
            return "Top-up"
        case _:
            assert_never(source)


def given_lines(
    gifts: Sequence[Gift[TopUp] | Gift[Override]], catalog: Catalog, *, now: datetime
) -> Sequence[GivenLine]:
    """Return what was given, the newest first: what holds or will, then a bounded number of those that ended."""
    newest = sorted(gifts, key=lambda each: each.given.id, reverse=True)
    lines = [_given_line(each, catalog, now=now) for each in newest]
    ended = [each for each in lines if not each.may_end]
    return [*(each for each in lines if each.may_end), *ended[:ENDED_MAX]]


def _given_line(gift: Gift[TopUp] | Gift[Override], catalog: Catalog, *, now: datetime) -> GivenLine:
    given = gift.given
    feature = catalog.features.get(given.feature_id)
    return GivenLine(
        given=given,
        feature=given.feature_id if feature is None else feature.name,
        gives=_gives(given, feature),
        state=_state(given, now=now),
        used=gift.used if isinstance(given, TopUp) else None,
        left=given.remaining(gift.used, now=now) if isinstance(given, TopUp) else None,
    )


def _gives(given: Given, feature: Feature | None) -> str:
    if isinstance(given, TopUp):
        return f"{given.amount:,} more"
    if given.denied:
        return "Nothing"
    return in_words(given.allowance).capitalize() if feature is None or feature.is_counted else "On"


def _state(given: Given, *, now: datetime) -> str:
    if given.ends_at is not None and given.ends_at <= now:
        return "Ended"
    return "Active" if given.start <= now else "Not yet"
