"""What would unlock a feature: each package that the user could have instead or as well is tried, one at a time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import TypeAlias

from kana.errors import SubscriptionRefused
from kana.model.entitlement import Place
from kana.model.package import Package, PackagePrice, PackageStatus
from kana.model.question import Question
from kana.model.subscribing import change_base, subscribe
from kana.model.subscription import Subscription
from kana.model.value import value_object
from kana.model.word import Word


class Way(Word):
    """How a user gets a package: by subscribing to it, or by changing from their base package to it."""

    SUBSCRIBE = "SUBSCRIBE"
    CHANGE_SUBSCRIPTION = "CHANGE_SUBSCRIPTION"


@value_object()
class Unlock:
    """A package with which the units would be admitted, and how the user gets it.

    ``price`` is the one it is compared by; None if the package has none.
    """

    package: Package
    way: Way
    price: PackagePrice | None = None


Attempt: TypeAlias = tuple[Unlock, Place | None]


def attempts(question: Question) -> Iterator[Attempt]:
    """Yield each package that the user could have now, in the order of the catalogue, and what would answer then.

    One that lacks the feature and takes nothing away changes nothing, and is left out.
    """
    account = question.account
    moment = account.time(question.moment)
    for package in question.catalog.packages.values():
        for way, subscriptions in _ways(question, package):
            changed = {each.id: each for each in (*account.subscriptions, *subscriptions)}
            place = question.place(moment, account=replace(account, subscriptions=tuple(changed.values())))
            yield Unlock(package, way), place


def _ways(question: Question, package: Package) -> Iterator[tuple[Way, Sequence[Subscription]]]:
    """Yield how the user could get a package, by the rules for subscribing, with the subscriptions that change."""
    if package.status is not PackageStatus.PUBLISHED:
        return
    account, catalog = question.account, question.catalog
    now, next_id = account.time(question.moment), account.unused_ids()
    if package.feature(question.feature.id) is not None:
        with suppress(SubscriptionRefused):
            yield Way.SUBSCRIBE, subscribe(account, catalog, [package.id], now=now, next_id=next_id)
    if not package.is_addon:
        with suppress(SubscriptionRefused):
            yield Way.CHANGE_SUBSCRIPTION, change_base(account, catalog, package.id, now=now, next_id=next_id)


def cheapest_first(unlocks: Sequence[Unlock]) -> list[Unlock]:
    """Return them with the price that each is compared by, the cheapest first; those without a price come last.

    Only prices of the same currency and interval are compared: first those that most of the packages have.
    """
    ordered: list[Unlock] = []
    rest = list(unlocks)
    while terms := Counter(_terms(price) for each in rest for price in each.package.prices):
        # Of terms that as many packages have, those that come first in the alphabet.
        wanted = min(terms, key=lambda each: (-terms[each], each))
        priced = [
            replace(each, price=min(prices, key=lambda price: price.amount))
            for each in rest
            if (prices := [price for price in each.package.prices if _terms(price) == wanted])
        ]
        ordered += sorted(priced, key=_amount)
        rest = [each for each in rest if all(each.package.id != other.package.id for other in priced)]
    return ordered + rest


def _terms(price: PackagePrice) -> tuple[str, str]:
    return price.currency, price.interval or ""


def _amount(unlock: Unlock) -> int:
    return 0 if unlock.price is None else unlock.price.amount
