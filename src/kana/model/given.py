"""What was given to one user: units on top of what their packages allow, or something in place of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field, replace
from datetime import datetime
from typing import ClassVar, TypeAlias

from kana.errors import InvalidValue
from kana.model.allowance import Allowance
from kana.model.counting import Counting
from kana.model.feature import Feature
from kana.model.grant import CounterKey, Grant, Source
from kana.model.package import NO_PACKAGE
from kana.model.period import ResetPeriod
from kana.model.text import reason_text, units
from kana.model.user import UserRef
from kana.model.value import value_object


@value_object(kw_only=True)
class TopUp(Counting):
    """Units of a feature that were given or sold to one user, from ``start`` until ``ends_at`` or for ever.

    ``id`` is unique in the database and is shown as a decimal string. ``by`` says who gave them, as the log names
    them. What is left at the end is lost.

    Raises:
        InvalidValue: a field is not allowed; the message names it.
    """

    noun: ClassVar[str] = "top-up"

    id: int
    bucket: int
    user_key: int
    feature_id: str
    amount: int
    start: datetime
    ends_at: datetime | None = None
    reason: str
    by: str
    created_at: datetime
    key: bytes | None = None
    allowance: Allowance = field(init=False, repr=False, compare=False)
    """Its units, which never reset."""
    counter: CounterKey = field(init=False, repr=False, compare=False)
    """The total of what is used of them."""
    held_counter: CounterKey = field(init=False, repr=False, compare=False)
    """The total of what is set aside of them."""

    def __post_init__(self) -> None:
        units(self.amount, field="amount", least=1)
        object.__setattr__(self, "allowance", Allowance(limit=self.amount))
        counter = CounterKey(self.bucket, self.id, self.feature_id, None, self.start)
        object.__setattr__(self, "counter", counter)
        object.__setattr__(self, "held_counter", counter.held)
        _check_window(self.start, self.ends_at, field="expiresAt")
        reason_text(self.reason)

    @property
    def package_id(self) -> str:
        """None: its usage counts for no package."""
        return NO_PACKAGE

    @property
    def source(self) -> Source:
        """Where its units come from."""
        return Source.TOP_UP

    def holds(self, moment: datetime) -> bool:
        """Whether its units may be used at a moment."""
        return _holds(self, moment)

    def remaining(self, used: int, *, now: datetime) -> int:
        """Return how many units may still be used, now or from its start on: 0 once it has ended."""
        has_ended = self.ends_at is not None and self.ends_at <= now
        return 0 if has_ended else max(0, self.amount - used)


@value_object()
class TopUps:
    """Top-ups of one feature that hold together; somebody may have a hundred of them."""

    held: tuple[TopUp, ...]

    @property
    def begins(self) -> datetime:
        """When the last of them began."""
        return max(each.start for each in self.held)

    def holder_of(self, grant: Grant) -> TopUp:
        """Return the one that a grant is of."""
        return next(each for each in self.held if each.id == grant.holder_id)

    def counters_at(self, _moment: datetime) -> Sequence[CounterKey]:
        """Return their totals, which are the same as long as they hold."""
        return [each.counter for each in self.held]

    def grants_at(self, _moment: datetime, used: Mapping[CounterKey, int]) -> list[Grant]:
        """Return a grant of each."""
        return [
            Grant(
                source=Source.TOP_UP,
                counter=each.counter,
                holder_id=each.id,
                package_id=NO_PACKAGE,
                since=each.start,
                ends_at=each.ends_at,
                allowance=each.allowance,
                used=used.get(each.counter, 0),
                held=used.get(each.held_counter, 0),
            )
            for each in self.held
        ]


@value_object(kw_only=True)
class Override(Counting):
    """What one user has of a feature in place of what their packages allow, until ``ends_at`` or for ever.

    ``denied`` gives nothing, whatever the other fields say. What is added to packages and top-ups stays. At most one
    holds at a time: a new one ends the one before.

    Raises:
        InvalidValue: a field is not allowed; the message names it.
    """

    noun: ClassVar[str] = "override"

    id: int
    bucket: int
    user_key: int
    feature_id: str
    limit: int | None = None
    overage_enabled: bool = False
    reset_period: ResetPeriod | None = None
    denied: bool = False
    start: datetime
    ends_at: datetime | None = None
    reason: str
    by: str

    def __post_init__(self) -> None:
        if self.limit is not None:
            units(self.limit, field="limit")
        _check_window(self.start, self.ends_at, field="endsAt")
        reason_text(self.reason)

    @property
    def created_at(self) -> datetime:
        """When it was set, from when on it holds."""
        return self.start

    @property
    def package_id(self) -> str:
        """None, where it stands in place of nothing."""
        return NO_PACKAGE

    @property
    def source(self) -> Source:
        """Where its units come from."""
        return Source.OVERRIDE

    @property
    def allowance(self) -> Allowance:
        """What may be used; of what is denied, nothing."""
        if self.denied:
            return Allowance(limit=0, reset_period=self.reset_period)
        return Allowance(limit=self.limit, overage_enabled=self.overage_enabled, reset_period=self.reset_period)

    def holds(self, moment: datetime) -> bool:
        """Whether it stands in place of packages at a moment."""
        return _holds(self, moment)

    def says_the_same_as(self, other: Override) -> bool:
        """Whether another one would give the same until the same end for the same reason."""
        return self == replace(other, id=self.id, start=self.start, by=self.by)


Given: TypeAlias = TopUp | Override


@value_object(kw_only=True)
class OverrideTerms:
    """What an override says of a feature.

    ``limit=None`` is unlimited; ``omits_limit`` says that nobody said so, which is only enough for a denial or a
    BINARY feature. ``keeps_reset_period``: the one that answers without it stays.
    """

    limit: int | None = None
    omits_limit: bool = False
    overage_enabled: bool = False
    reset_period: ResetPeriod | None = None
    keeps_reset_period: bool = True
    denied: bool = False
    ends_at: datetime | None = None

    def override(
        self,
        *,
        id: int,  # noqa: A002 - the field's name
        user: UserRef,
        feature: Feature,
        reset_period: ResetPeriod | None,
        reason: str,
        by: str,
        now: datetime,
    ) -> Override:
        """Return the override of these terms from now on.

        Raises:
            InvalidValue: a field is not allowed, the end is not after now, a denial or a BINARY feature is given
                units, or nothing says how many units a CONSUMABLE feature is given.
        """
        self._check(feature)
        if self.ends_at is not None and self.ends_at <= now:
            raise InvalidValue(
                f"endsAt must be after {now.isoformat()}, got {self.ends_at.isoformat()}", field="endsAt"
            )
        return Override(
            id=id,
            bucket=user.bucket,
            user_key=user.key,
            feature_id=feature.id,
            limit=self.limit,
            overage_enabled=self.overage_enabled,
            reset_period=reset_period if self.keeps_reset_period else self.reset_period,
            denied=self.denied,
            start=now,
            ends_at=self.ends_at,
            reason=reason,
            by=by,
        )

    def _check(self, feature: Feature) -> None:
        """Refuse terms that contradict each other or the feature, or that would be unlimited by omission."""
        gives_units = self.limit is not None or self.overage_enabled
        if gives_units and not feature.is_counted:
            raise InvalidValue(f"limit is for CONSUMABLE features, and {feature.id!r} is BINARY", field="limit")
        if gives_units and self.denied:
            raise InvalidValue("denied must not be true together with a limit or overage", field="denied")
        if self.omits_limit and feature.is_counted and not self.denied:
            raise InvalidValue(
                f"limit must be given for {feature.id!r}, which is CONSUMABLE: a number of units, or null for"
                " unlimited, unless denied is true",
                field="limit",
            )


def _holds(given: Given, moment: datetime) -> bool:
    return given.start <= moment and (given.ends_at is None or moment < given.ends_at)


def _check_window(start: datetime, ends_at: datetime | None, *, field: str) -> None:
    # Ended at its start, it was taken back before it held.
    if ends_at is not None and ends_at < start:
        raise InvalidValue(
            f"{field} must not be before {start.isoformat()}, from when on it holds, got {ends_at.isoformat()}",
            field=field,
        )
