"""A batch: usages decided together, without I/O, each for itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from itertools import count

import pytest

from kana.engine.usage.batch import Batch, KeyUse
from kana.errors import EntryNotFound, FeatureNotFound, IdempotencyKeyReused, InvalidValue, KanaError, UserNotFound
from kana.model.account import Account
from kana.model.entitlement import Outcome
from kana.model.grant import CounterKey
from kana.model.reversal import Reversal
from kana.model.text import key_digest
from kana.model.usage import Action, Entry, Receipt, Usage
from tests.support.world import (
    LIVE,
    MONTH,
    NOON,
    ONE_DAY,
    TEST,
    a_catalog,
    a_feature,
    a_package,
    a_ref,
    a_subscription,
    a_usage,
    adds,
    allows,
    an_account,
    an_entry,
)

CATALOG = a_catalog(a_feature(), a_feature("photo"), a_package("basic", allows(10), allows(3, feature="photo")))
ADA = an_account(a_subscription())
BOB = Account(a_ref(id="bob", key=2), ())
ACCOUNTS = {(TEST, "ada"): ADA, (TEST, "bob"): BOB}
MESSAGES = CounterKey(7, 1, "message", MONTH, NOON)
NOW = NOON + ONE_DAY


def decided(
    *usages: Usage, used: Mapping[CounterKey, int] | None = None, earlier: Mapping[KeyUse, Entry] | None = None
) -> Batch:
    """A batch that a store has driven."""
    batch = Batch(usages, clock=lambda: NOW, next_id=count(1).__next__)
    batch.begin()
    batch.place({TEST: CATALOG}, ACCOUNTS, earlier or {})
    batch.decide(used or {})
    return batch


def entries(batch: Batch) -> list[Entry]:
    return [answer.entry for answer in batch.answers if isinstance(answer, Receipt)]


def test_a_batch_says_what_it_needs() -> None:
    """Whose catalogues, whose accounts, whose ended subscriptions, and which keys' entries."""
    batch = Batch(
        [a_usage(key="k"), a_usage(), a_usage(user_id="bob", key="k"), a_usage(environment=LIVE, timestamp=NOON)],
        clock=lambda: NOW,
        next_id=count().__next__,
    )
    assert batch.environments == {TEST, LIVE}
    assert batch.users == {(TEST, "ada"), (TEST, "bob"), (LIVE, "ada")}
    assert batch.late == {(LIVE, "ada")}
    assert batch.keys == [((TEST, "ada"), key_digest("k")), ((TEST, "bob"), key_digest("k"))]


def test_place_names_the_totals_that_deciding_needs() -> None:
    """One for each subscription, feature and period; none where no subscription answers or the usage is wrong."""
    batch = Batch(
        [
            a_usage(),
            a_usage(feature_id="photo"),
            a_usage(timestamp=NOW),
            a_usage(user_id="bob"),
            a_usage(user_id="nobody"),
        ],
        clock=lambda: NOW,
        next_id=count().__next__,
    )
    batch.begin()
    assert batch.place({TEST: CATALOG}, ACCOUNTS, {}) == {MESSAGES, replace_feature(MESSAGES, "photo")}


def replace_feature(counter: CounterKey, feature_id: str) -> CounterKey:
    return counter._replace(feature_id=feature_id)


def test_each_is_decided_on_what_those_before_it_left() -> None:
    """From the totals that were read on, in order; a refusal leaves the total; only what moved is written."""
    batch = decided(
        a_usage(2), a_usage(2), a_usage(1), a_usage(-4), a_usage(9, action=Action.SET), a_usage(4, feature_id="photo"),
        used={MESSAGES: 7},
    )  # fmt: skip
    assert [(entry.outcome, entry.change) for entry in batch.entries] == [
        (Outcome.RECORDED, 2),
        (Outcome.LIMIT_EXCEEDED, 0),
        (Outcome.RECORDED, 1),
        (Outcome.RECORDED, -4),
        (Outcome.RECORDED, 3),
        (Outcome.LIMIT_EXCEEDED, 0),
    ]
    assert batch.totals == {MESSAGES: 9}
    assert [entry.id for entry in batch.entries] == [1, 2, 3, 4, 5, 6]
    assert entries(batch) == batch.entries


def test_one_bad_usage_never_fails_its_neighbours() -> None:
    """Each bad one gets its own error, in its own place; no entry is made for it."""
    batch = decided(
        a_usage(1),
        a_usage(user_id="nobody\n"),
        a_usage(feature_id="none"),
        a_usage(timestamp=NOW + timedelta(minutes=5, milliseconds=1)),
        a_usage(timestamp=NOON - timedelta(minutes=5, milliseconds=1)),
        a_usage(1),
    )
    assert [type(answer) for answer in batch.answers] == [
        Receipt, UserNotFound, FeatureNotFound, InvalidValue, InvalidValue, Receipt,
    ]  # fmt: skip
    assert [answer.message for answer in batch.answers[1:3] if isinstance(answer, KanaError)] == [
        "User not found: 'nobody\\n'",
        "Feature not found: 'none'",
    ]
    assert (len(batch.entries), batch.totals) == (2, {MESSAGES: 2})


def test_late_usage_counts_in_the_period_it_belongs_to() -> None:
    """The current month has its own total; without a subscription a timestamp is held to the clock alone."""
    later = NOON + timedelta(days=40)
    batch = Batch([a_usage(5, timestamp=NOON), a_usage(6), a_usage(user_id="bob", timestamp=NOON - 99 * ONE_DAY)],
                  clock=lambda: later, next_id=count(1).__next__)  # fmt: skip
    batch.begin()
    wanted = batch.place({TEST: CATALOG}, ACCOUNTS, {})
    assert {counter.period_start for counter in wanted} == {NOON, NOON + timedelta(days=31)}
    batch.decide({MESSAGES: 5})
    assert batch.totals == {MESSAGES: 10, MESSAGES._replace(period_start=NOON + timedelta(days=31)): 6}
    assert [entry.occurred_at for entry in batch.entries] == [NOON, later, NOON - 99 * ONE_DAY]
    assert {entry.recorded_at for entry in batch.entries} == {later}


def test_the_clock_is_read_when_a_batch_is_placed() -> None:
    """Under the locks, and again when a transaction is tried again: of two who decide the second is the later one."""
    moments = iter([NOON + ONE_DAY, NOON + 2 * ONE_DAY])
    batch = Batch([a_usage()], clock=lambda: next(moments), next_id=count(1).__next__)
    for day in (1, 2):
        batch.begin()
        batch.place({TEST: CATALOG}, ACCOUNTS, {})
        batch.decide({})
        assert [entry.recorded_at for entry in batch.entries] == [NOON + day * ONE_DAY]


def test_a_key_that_came_before_gets_the_first_answer_again() -> None:
    """The very entry, marked as a duplicate, without a new one, even where its timestamp would be refused now."""
    [first] = decided(a_usage(3, key="k", timestamp=NOON)).entries
    cancelled = {(TEST, "ada"): an_account(a_subscription(2, start=NOW))}
    batch = Batch([a_usage(3, key="k", timestamp=NOON), a_usage(1)], clock=lambda: NOW, next_id=count(50).__next__)
    batch.begin()
    batch.place({TEST: CATALOG}, cancelled, {(1, key_digest("k")): first})
    batch.decide({})
    assert batch.answers[0] == Receipt(first, duplicate=True)
    assert [entry.id for entry in batch.entries] == [50]


def test_a_key_with_other_content_is_told_what_differs() -> None:
    """Nothing is recorded; the message names key and fields."""
    [first] = decided(a_usage(3, key="k")).entries
    batch = decided(a_usage(4, key="k", metadata={}), earlier={(1, key_digest("k")): first})
    [error] = batch.answers
    assert isinstance(error, IdempotencyKeyReused)
    assert error.message == (
        "idempotencyKey 'k' was used before with other content: delta, metadata differ; nothing was recorded"
    )
    assert (batch.entries, batch.totals) == ([], {})


def test_a_key_twice_in_one_batch_counts_once() -> None:
    """The second is the first's duplicate, or an error; another user's same key is apart."""
    batch = decided(
        a_usage(3, key="k"),
        a_usage(3, key="k"),
        a_usage(4, key="k"),
        a_usage(3, key="k", user_id="bob"),
        a_usage(99, key="no"),
        a_usage(99, key="no"),
    )
    first, again, reused, other, refused, refused_again = batch.answers
    assert isinstance(first, Receipt)
    assert again == Receipt(first.entry, duplicate=True)
    assert isinstance(reused, IdempotencyKeyReused)
    assert isinstance(other, Receipt)
    assert (other.duplicate, other.entry.outcome) == (False, Outcome.NO_SUBSCRIPTION)
    assert isinstance(refused, Receipt)
    assert refused_again == replace(refused, duplicate=True)
    assert batch.totals == {MESSAGES: 3}


def test_a_batch_can_be_placed_and_decided_again() -> None:
    """A store that must retry its transaction gets answers of the second try alone, errors and keys included."""
    usages = [a_usage(2, key="k"), a_usage(2, key="k"), a_usage(user_id="eve"), a_usage(1), a_usage(1, user_id="bob")]
    batch = Batch(usages, clock=lambda: NOW, next_id=count(1).__next__)
    batch.begin()
    batch.place({TEST: CATALOG}, ACCOUNTS, {})
    batch.decide({MESSAGES: 9})
    assert [type(answer) for answer in batch.answers] == [Receipt, Receipt, UserNotFound, Receipt, Receipt]
    eve = Account(a_ref(id="eve", key=3), ())
    batch.begin()
    batch.place({TEST: CATALOG}, {(TEST, "ada"): ADA, (TEST, "eve"): eve}, {})
    batch.decide({MESSAGES: 5})
    assert [type(answer) for answer in batch.answers] == [Receipt, Receipt, Receipt, Receipt, UserNotFound]
    assert [(entry.user_key, entry.outcome) for entry in batch.entries] == [
        (1, Outcome.RECORDED),
        (3, Outcome.NO_SUBSCRIPTION),
        (1, Outcome.RECORDED),
    ]
    assert batch.totals == {MESSAGES: 8}
    assert batch.answers[1] == Receipt(batch.entries[0], duplicate=True)


def test_a_defect_while_placing_is_raised() -> None:
    """Only Kana's own errors are answers: a catalogue that was not read is a defect of the store."""
    with pytest.raises(KeyError):
        Batch([a_usage()], clock=lambda: NOW, next_id=count().__next__).place({}, ACCOUNTS, {})


ADDING = a_catalog(a_feature(), a_package("basic", allows(10)), a_package("extra", adds(5, None), is_addon=True))
EXTRA = CounterKey(7, 2, "message", None, NOON)


def test_what_is_taken_from_several_is_one_entry() -> None:
    """Each usage on what those before it left in every one; all counters that moved are written, and an answer again
    has the parts too.
    """
    batch = Batch(
        [a_usage(9), a_usage(3, key="k"), a_usage(4), a_usage(3, key="k"), a_usage(-4), a_usage(0, action=Action.SET)],
        clock=lambda: NOW,
        next_id=count(1).__next__,
    )
    accounts = {(TEST, "ada"): an_account(a_subscription(), a_subscription(2, "extra"))}
    batch.begin()
    assert batch.place({TEST: ADDING}, accounts, {}) == {MESSAGES, EXTRA}
    batch.decide({EXTRA: 1})
    assert [(entry.outcome, entry.change, entry.postings) for entry in batch.entries] == [
        (Outcome.RECORDED, 9, ((MESSAGES, 9),)),
        (Outcome.RECORDED, 3, ((MESSAGES, 1), (EXTRA, 2))),
        (Outcome.LIMIT_EXCEEDED, 0, ()),
        (Outcome.RECORDED, -4, ((MESSAGES, -1), (EXTRA, -3))),
        (Outcome.RECORDED, -9, ((MESSAGES, -9),)),
    ]
    assert batch.totals == {MESSAGES: 0, EXTRA: 0}
    assert [entry.consumption and entry.consumption.used for entry in batch.entries] == [10, 13, 13, 9, 0]
    assert batch.answers[3] == Receipt(batch.entries[1], duplicate=True)


def test_what_is_used_of_several_is_told_of_the_package_it_is_first_taken_from() -> None:
    """A refusal of the one that answers."""
    batch = Batch([a_usage(2), a_usage(4)], clock=lambda: NOW, next_id=count(1).__next__)
    accounts = {(TEST, "ada"): an_account(a_subscription(), a_subscription(2, "extra"))}
    batch.begin()
    batch.place({TEST: ADDING}, accounts, {})
    batch.decide({MESSAGES: 10, EXTRA: 1})
    assert {key[4]: tally for key, tally in batch.tallies.days.items()} == {"extra": [2, 1, 0], "basic": [0, 0, 1]}


REVERSAL = Reversal(environment=TEST, user_id="ada", entry_id=5, reason="wrong order", by="eve")


def reversed_in(
    *requests: Usage | Reversal, entry: Entry | None, used: int = 0, earlier: Mapping[KeyUse, Entry] | None = None
) -> Batch:
    """A batch that a store has driven, which found this entry to reverse."""
    batch = Batch(requests, clock=lambda: NOW, next_id=count(10).__next__)
    found = {} if entry is None else {(1, entry.id): entry}
    batch.begin()
    batch.place({TEST: CATALOG}, ACCOUNTS, earlier or {}, found)
    batch.decide({MESSAGES: used})
    return batch


def test_a_reversal_is_decided_among_usages() -> None:
    """On the totals so far; what follows sees what it gave back, and the package's totals are moved back."""
    entry = an_entry(5, change=3, counter=MESSAGES)
    batch = reversed_in(a_usage(1), REVERSAL, a_usage(5), entry=entry, used=7)
    assert [each.change for each in batch.entries] == [1, -3, 5]
    assert batch.totals == {MESSAGES: 10}
    assert {key[4] for key in batch.tallies.days} == {"basic"}
    assert (batch.late, batch.reverse) == ({(TEST, "ada")}, [((TEST, "ada"), 5)])


def test_an_entry_is_reversed_once() -> None:
    """A second reversal, in the same batch or later, gets the first answer."""
    entry = an_entry(5, change=3, counter=MESSAGES)
    batch = reversed_in(REVERSAL, replace(REVERSAL, reason="again"), entry=entry, used=3)
    [undone] = batch.entries
    assert batch.answers == [Receipt(undone), Receipt(undone, duplicate=True)]
    later = reversed_in(REVERSAL, entry=entry, used=0, earlier={(1, REVERSAL.key_digest): undone})
    assert later.answers == [Receipt(undone, duplicate=True)]


def test_a_reversal_of_what_is_not_there_is_an_error() -> None:
    """An entry of nobody or of somebody else, a user who is not there, or a reversal; neighbours are recorded."""
    [unknown, recorded] = reversed_in(REVERSAL, a_usage(1), entry=None).answers
    assert isinstance(unknown, EntryNotFound)
    assert unknown.message == "Entry not found: '5'"
    assert isinstance(recorded, Receipt)
    [nobody] = reversed_in(replace(REVERSAL, user_id="nobody"), entry=None).answers
    assert isinstance(nobody, UserNotFound)
    [again] = reversed_in(REVERSAL, entry=replace(an_entry(5, change=3, counter=MESSAGES), reverses=4)).answers
    assert isinstance(again, InvalidValue)


def test_what_counted_for_no_package_is_reversed_for_none() -> None:
    """As units of a top-up."""
    counter = MESSAGES._replace(source_id=99)
    batch = reversed_in(REVERSAL, entry=an_entry(5, change=3, counter=counter))
    assert [each.outcome for each in batch.entries] == [Outcome.BELOW_ZERO]
    assert {key[4] for key in batch.tallies.days} == {""}
