"""What an entry says where a subscription goes on with another one's counters."""

from __future__ import annotations

from kana.model.counting import Origin
from kana.model.effective import effective
from kana.model.entitlement import place_at
from kana.model.grant import CounterKey, Posting
from kana.model.usage import Action, Entry, entry_for
from tests.support.world import (
    MONTH,
    NOON,
    ONE_DAY,
    a_catalog,
    a_feature,
    a_package,
    a_ref,
    a_subscription,
    a_usage,
    adds,
    allows,
    an_account,
)

MESSAGE = a_feature()
CATALOG = a_catalog(MESSAGE, a_package("free", allows(10)), a_package("extra", adds(50), is_addon=True))


def posted(delta: int, used: list[int], action: Action = Action.ADD) -> Entry:
    """The entry of a usage that is taken from a package with an origin, and then from an add-on."""
    going_on = a_subscription(9, "free", origin=Origin(4, NOON - ONE_DAY))
    found = effective(an_account(going_on, a_subscription(2, "extra")), CATALOG, MESSAGE, now=NOON)
    assert found is not None
    place = place_at(found, NOON, has_holds=False)
    standing = place.standing(dict(zip(place.counters, used, strict=True)))
    return entry_for(a_usage(delta, action=action), a_ref(), standing, entry_id=1, now=NOON)


def test_an_entry_of_counters_that_go_on_says_whose_they_are() -> None:
    """It has the id of the subscription that it is taken from first; what it moves is in the other one's counter."""
    counter = CounterKey(7, 4, "message", MONTH, NOON - ONE_DAY)
    for extra in (5, 50):  # First the other one is full, then it is not reached.
        entry = posted(3, [0, extra])
        assert entry.counter == counter._replace(source_id=9)
        assert entry.postings == (Posting(counter, 3),)
    nothing = posted(0, [0, 0], action=Action.SET)
    assert (nothing.counter, nothing.postings) == (counter._replace(source_id=9), (Posting(counter, 0),))
