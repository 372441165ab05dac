"""What is given to one user: units on top of what their packages allow, or something in place of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TypeVar

from kana.engine.ids import IdMaker
from kana.engine.ports.clock import Clock
from kana.engine.ports.users import AccountStore, Gift, Signed
from kana.errors import GivenNotFound, IdempotencyKeyReused, InvalidValue, Unavailable, UserNotFound
from kana.model.account import Account
from kana.model.catalog import Catalog
from kana.model.effective import effective
from kana.model.environment import Actor, Environment
from kana.model.feature import Feature
from kana.model.given import Given, Override, OverrideTerms, TopUp
from kana.model.notification import NewNotification, of_given
from kana.model.page import page_of, rows_to_read
from kana.model.text import idempotency_key, key_digest, published_number

_TRIES = 5

_Kind = TypeVar("_Kind", TopUp, Override)
_Change = Callable[[Account, Catalog, datetime], Sequence[Given]]


class GivingEngine:
    """Gives units and exceptions to single users, ends them, and lists them.

    ``by`` says who does it, for the administrative log and for everybody who asks why a user may use something.
    """

    def __init__(self, store: AccountStore, *, clock: Clock, ids: IdMaker) -> None:
        self._store = store
        self._clock = clock
        self._ids = ids

    async def create_top_up(
        self,
        environment: Environment,
        user_id: str,
        feature_id: str,
        amount: int,
        *,
        reason: str,
        by: Actor,
        starts_at: datetime | None = None,
        expires_at: datetime | None = None,
        key: str | None = None,
    ) -> Gift[TopUp]:
        """Give units of a CONSUMABLE feature to a user, from now or a given time on, until a time or for ever.

        They are used up beside what the user's packages allow, those that end first before the others. Repeating it
        with the same idempotency key gives them once, without a time limit, and returns the first top-up.

        Raises:
            UserNotFound, FeatureNotFound: no such id.
            InvalidValue: the amount is not 1 to 2^53-1, the time it ends is not after its start, or the feature is
                BINARY.
            IdempotencyKeyReused: the key gave something else before.
        """
        digest = None if key is None else key_digest(idempotency_key(key))
        first: list[TopUp] = []

        def change(account: Account, catalog: Catalog, now: datetime) -> list[Given]:
            first[:] = [each for each in _of_kind(account.given, TopUp) if digest is not None and each.key == digest]
            feature = catalog.feature(feature_id)
            top_up = TopUp(
                id=self._ids.with_bucket(account.user.bucket),
                bucket=account.user.bucket,
                user_key=account.user.key,
                feature_id=feature.id,
                amount=amount,
                start=starts_at or now,
                ends_at=expires_at,
                reason=reason,
                by=by.name,
                created_at=now,
                key=digest,
            )
            if first:
                _check_same(first[0], top_up, starts_at=starts_at)
                return []
            _check_new(top_up, feature, now=now)
            return [top_up]

        made = _of_kind(await self._change(environment, user_id, change, by), TopUp)
        if made:
            return Gift(user_id, made[0])
        return (await self._found(environment, first[0].id, TopUp))._replace(duplicate=True)

    async def set_override(
        self, environment: Environment, user_id: str, feature_id: str, terms: OverrideTerms, *, reason: str, by: Actor
    ) -> Gift[Override]:
        """Give a user something else of a feature than their packages allow, from now on; end the override before it.

        What they have used in the current period counts on. Without a reset period in the terms that of their
        package stays. Setting the same again, with the same reason, changes nothing and returns the first.

        Raises:
            UserNotFound, FeatureNotFound: no such id.
            InvalidValue: a field is not allowed, see ``OverrideTerms.override``.
        """
        first: list[Override] = []

        def change(account: Account, catalog: Catalog, now: datetime) -> list[Given]:
            feature = catalog.feature(feature_id)
            answering = effective(replace(account, given=()), catalog, feature, now=now)
            override = terms.override(
                id=self._ids.with_bucket(account.user.bucket),
                user=account.user,
                feature=feature,
                reset_period=None if answering is None else answering.allowance.reset_period,
                reason=reason,
                by=by.name,
                now=now,
            )
            standing = _standing(account, feature_id, now)
            first[:] = [each for each in standing if each.says_the_same_as(override)]
            return [] if first else [*(_ended(each, now) for each in standing), override]

        made = _of_kind(await self._change(environment, user_id, change, by), Override)
        return Gift(user_id, first[0], duplicate=True) if first else Gift(user_id, made[-1])

    async def end_top_up(self, environment: Environment, top_up_id: int, *, by: Actor) -> Gift[TopUp]:
        """End a top-up now: what is left of it is lost. One that has ended stays as it is.

        Raises:
            GivenNotFound: no top-up has this id.
        """
        return await self._end(environment, top_up_id, TopUp, by)

    async def end_override(self, environment: Environment, override_id: int, *, by: Actor) -> Gift[Override]:
        """End an override now: the user's packages apply again. One that has ended stays as it is.

        Raises:
            GivenNotFound: no override has this id.
        """
        return await self._end(environment, override_id, Override, by)

    async def top_ups(
        self, environment: Environment, user_id: str, *, first: int | None = None, after: int | None = None
    ) -> list[Gift[TopUp]]:
        """Return top-ups of a user, ended ones included, the oldest first: all, or ``first`` after an id.

        Raises:
            UserNotFound: no user has this id.
            InvalidValue: there are more than 10,000 and ``first`` is not given, or it is out of range.
        """
        return await self._listed(environment, user_id, TopUp, first=first, after=after)

    async def overrides(
        self, environment: Environment, user_id: str, *, first: int | None = None, after: int | None = None
    ) -> list[Gift[Override]]:
        """Return overrides of a user, ended ones included, the oldest first: all, or ``first`` after an id.

        Raises:
            UserNotFound: no user has this id.
            InvalidValue: there are more than 10,000 and ``first`` is not given, or it is out of range.
        """
        return await self._listed(environment, user_id, Override, first=first, after=after)

    async def _listed(
        self, environment: Environment, user_id: str, kind: type[_Kind], *, first: int | None, after: int | None
    ) -> list[Gift[_Kind]]:
        found = await self._store.given(environment, user_id, kind, limit=rows_to_read(first), after=after)
        return page_of([_as_kind(each, kind) for each in found], first, noun=f"{kind.noun}s")

    async def _end(self, environment: Environment, given_id: int, kind: type[_Kind], by: Actor) -> Gift[_Kind]:
        def change(account: Account, _: Catalog, now: datetime) -> list[Given]:
            found = [each for each in account.given if each.id == given_id]
            return [_ended(each, now) for each in found if each.ends_at is None or now < each.ends_at]

        for _ in range(_TRIES):
            found = await self._found(environment, given_id, kind)
            try:
                await self._change(environment, found.user_id, change, by)
            except UserNotFound:  # Renamed meanwhile: it is found again under the new id.
                continue
            return await self._found(environment, given_id, kind)
        raise Unavailable("the user is being renamed by others; end it again", retry_after_s=1)

    async def _found(self, environment: Environment, given_id: int, kind: type[_Kind]) -> Gift[_Kind]:
        found = await self._store.find_given(environment, given_id)
        if found is None or not isinstance(found.given, kind):
            raise GivenNotFound(f"{kind.noun.capitalize()} not found: '{given_id}'")
        return _as_kind(found, kind)

    async def _change(self, environment: Environment, user_id: str, change: _Change, by: Actor) -> list[Given]:
        """Change what was given at a time that is read under the account's lock."""

        def change_now(account: Account, catalog: Catalog) -> Sequence[Given]:
            return change(account, catalog, account.time(self._clock()))

        def notify(account: Account, changed: Sequence[Given]) -> Sequence[NewNotification]:
            return of_given(account, changed, now=account.time(self._clock()))

        signed = Signed(by, self._clock)
        return await self._store.change_given(environment, user_id, change_now, notify=notify, signed=signed)


def parse_given_id(text: str, kind: type[Given]) -> int:
    """Return the number of the published id of a top-up or an override, which is decimal digits.

    Raises:
        GivenNotFound: it cannot be the id of one.
    """
    return published_number(text, GivenNotFound, kind.noun.capitalize())


def _of_kind(given: Sequence[Given], kind: type[_Kind]) -> list[_Kind]:
    return [each for each in given if isinstance(each, kind)]


def _as_kind(gift: Gift[Given], kind: type[_Kind]) -> Gift[_Kind]:
    assert isinstance(gift.given, kind)
    return Gift(gift.user_id, gift.given, gift.used, gift.duplicate)


def _standing(account: Account, feature_id: str, now: datetime) -> list[Override]:
    return [each for each in _of_kind(account.given, Override) if each.feature_id == feature_id and each.holds(now)]


def _ended(given: Given, now: datetime) -> Given:
    return replace(given, ends_at=max(given.start, now))


def _check_new(top_up: TopUp, feature: Feature, *, now: datetime) -> None:
    if not feature.is_counted:
        raise InvalidValue(f"featureId must name a CONSUMABLE feature, and {feature.id!r} is BINARY", field="featureId")
    if top_up.ends_at is not None and top_up.ends_at <= max(top_up.start, now):
        raise InvalidValue(
            f"expiresAt must be after {max(top_up.start, now).isoformat()}, got {top_up.ends_at.isoformat()}",
            field="expiresAt",
        )


def _check_same(first: TopUp, again: TopUp, *, starts_at: datetime | None) -> None:
    """Refuse a key that gave something else before. A start that is left out is whenever it was given."""
    pairs = (
        ("featureId", first.feature_id, again.feature_id),
        ("amount", first.amount, again.amount),
        ("startsAt", first.start, first.start if starts_at is None else again.start),
        ("reason", first.reason, again.reason),
    )
    differing = [name for name, mine, other in pairs if mine != other]
    if differing:
        raise IdempotencyKeyReused(
            f"idempotencyKey was used before with other content: {', '.join(differing)} differ; nothing was given"
        )
