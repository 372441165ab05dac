"""The ledger over HTTP: a user's entries by feature, time and outcome, and what each of them moved."""

from __future__ import annotations

from typing import Any

import pytest

import kana.store.entries
from kana.model.key import KeyKind
from tests.api.admin.calls import CONSUMPTION, LIVE, SUBSCRIBE, TEST, furnish, name_of, record
from tests.support.serving import Served
from tests.support.world import DAY, TESTER, a_package, adds

FIELDS = (
    f"id featureId action delta change outcome reason {CONSUMPTION} timestamp recordedAt metadata"
    " hasIdempotencyKey reverses postings { sourceId carriedOver resetPeriod periodStart change }"
)


def found(served: Served, arguments: str = "") -> list[dict[str, Any]]:
    """The entries of ada that match."""
    rows: list[dict[str, Any]] = served.ask(f'{{ entries(userId: "ada"{arguments}) {{ {FIELDS} }} }}')["entries"]
    return rows


def test_an_entry_says_what_was_answered_and_moved(served: Served) -> None:
    """Newest first: a SET with its difference, a refusal that moved nothing, and a use with all that was sent."""
    subscription = served.ask('{ subscriptions(userId: "ada") { id } }')["subscriptions"][0]["id"]
    ids = []
    for delta, fields in (
        (9, {"idempotencyKey": "k", "metadata": {"a": [1]}, "timestamp": "2026-03-10T12:00:00Z"}),
        (2, {}),
        (4, {"action": "SET"}),
    ):
        served.clock.advance(hours=1)
        ids.append(record(served, delta, **fields)["id"])
    period = {"resetPeriod": "MONTH", "periodStart": "2026-03-10T12:00:00.000Z"}
    posted = {"sourceId": subscription, "carriedOver": False, **period}
    plain = {"featureId": "message", "action": "ADD", "metadata": None, "hasIdempotencyKey": False}
    plain |= {"reason": None, "reverses": None}
    budget = {"budget": 10, "overageEnabled": False}
    refusal = "The limit of 10 is reached for this period: 9 used, 2 more would exceed it, and overage is not enabled."
    at = {hour: f"2026-03-10T{hour}:00:00.000Z" for hour in (12, 13, 14, 15)}
    assert found(served) == [
        {
            **plain, "id": ids[2], "action": "SET", "delta": 4, "change": -5, "outcome": "RECORDED",
            "consumption": {"used": 4, **budget}, "timestamp": at[15], "recordedAt": at[15],
            "postings": [{**posted, "change": -5}],
        },
        {
            **plain, "id": ids[1], "delta": 2, "change": 0, "outcome": "LIMIT_EXCEEDED",
            "reason": refusal,
            "consumption": {"used": 9, **budget}, "timestamp": at[14], "recordedAt": at[14], "postings": [],
        },
        {
            **plain, "id": ids[0], "delta": 9, "change": 9, "outcome": "RECORDED", "metadata": {"a": [1]},
            "hasIdempotencyKey": True, "consumption": {"used": 9, **budget}, "timestamp": at[12],
            "recordedAt": at[13], "postings": [{**posted, "change": 9}],
        },
    ]  # fmt: skip
    one = served.ask(f'{{ entry(userId: "ada", id: "{ids[1]}") {{ {FIELDS} }} }}')["entry"]
    assert one == found(served)[1]


def test_several_packages_have_a_posting_each(served: Served) -> None:
    """What adds up is taken from more than one counter; the changes are the entry's in all."""
    run, engine = served.run, served.engine
    added = a_package("more", adds(5, DAY), is_addon=True)
    run(engine.catalog.apply(TEST, lambda catalog, _: catalog.with_new_package(added), by=TESTER))
    served.ask(SUBSCRIBE, {"userId": "ada", "packageIds": ["more"]})
    record(served, 12)
    [entry] = found(served)
    assert entry["consumption"] == {"used": 12, "budget": 15, "overageEnabled": False}
    assert [posting["change"] for posting in entry["postings"]] == [5, 7]
    assert len({posting["sourceId"] for posting in entry["postings"]}) == 2


def test_each_argument_narrows_it_and_pages_follow_each_other(served: Served) -> None:
    """A feature, a time, an outcome, and all together; null is as if it were left out."""
    for delta, feature_id in ((9, "message"), (1, "support"), (3, "message"), (1, "message")):
        served.clock.advance(hours=1)
        record(served, delta, featureId=feature_id)
    newest, refused, switch, oldest = (entry["id"] for entry in found(served))
    for arguments, expected in (
        (', featureId: "support"', [switch]),
        (", outcome: LIMIT_EXCEEDED", [refused]),
        (", outcome: BELOW_ZERO", []),
        (', from: "2026-03-10T14:00:00Z", to: "2026-03-10T16:00:00Z"', [refused, switch]),
        (', featureId: "message", outcome: RECORDED, to: "2026-03-10T16:00:00Z"', [oldest]),
        (", first: 2", [newest, refused]),
        (f', first: 2, after: "{refused}"', [switch, oldest]),
        (f', after: "{oldest}"', []),
        (", featureId: null, from: null, to: null, outcome: null, first: null, after: null",
         [newest, refused, switch, oldest]),
    ):  # fmt: skip
        assert [entry["id"] for entry in found(served, arguments)] == expected, arguments


def test_a_page_that_cannot_be_filled_says_how_to_go_on(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """Never a short list, which would look like the last one; what it says to do leads to the end."""
    monkeypatch.setattr(kana.store.entries, "LOOKED_AT_MAX", 2)
    ids = []
    for feature_id in ("support", "message", "message", "support"):
        served.clock.advance(seconds=1)
        ids.append(record(served, featureId=feature_id)["id"])
    query = 'query($f: Int, $a: String) { entries(userId: "ada", featureId: "support", first: $f, after: $a) { id } }'
    error = served.error(query, {"f": 2})
    assert name_of(error) == ("BAD_USER_INPUT", "InvalidValueError")
    assert f"only 1 match, and not 2: ask for the first 1, then go on after {ids[2]}" in error["message"]
    pages = [served.ask(query, {"f": first, "a": after})["entries"] for first, after in ((1, None), (2, ids[2]))]
    assert pages == [[{"id": ids[3]}], [{"id": ids[0]}]]


@pytest.mark.parametrize(
    ("field", "message"),
    [
        ('entries(userId: "nobody") { id }', "User not found: 'nobody'"),
        ('entries(userId: "a\\nb") { id }', "userId must not contain control characters"),
        ('entries(userId: "ada", featureId: "none") { id }', "Feature not found: 'none'"),
        ('entries(userId: "ada", first: 0) { id }', "first must be 1 to 1000, got 0"),
        ('entries(userId: "ada", first: 1001) { id }', "first must be 1 to 1000, got 1001"),
        ('entries(userId: "ada", after: "x") { id }', "after must be the id of an entry of the user, got 'x'"),
        ('entries(userId: "ada", after: "1") { id }', "after must be the id of an entry of the user, got 1"),
        (
            'entries(userId: "ada", from: "2026-03-02T00:00:00Z", to: "2026-03-01T00:00:00Z") { id }',
            "to must be after from, got 2026-03-02T00:00:00+00:00 to 2026-03-01T00:00:00+00:00",
        ),
        ('entry(userId: "nobody", id: "1") { id }', "User not found: 'nobody'"),
        ('entry(userId: "ada", id: "1") { id }', "Entry not found: '1'"),
        ('entry(userId: "ada", id: "x") { id }', "Entry not found: 'x'"),
    ],
)
def test_what_cannot_be_looked_up_says_why(shared: Served, field: str, message: str) -> None:
    """The field, its value, and what is allowed."""
    error = shared.error(f"{{ {field} }}")
    assert error["message"].startswith(message)
    assert error["extensions"]["code"] == "BAD_USER_INPUT"


def test_an_entry_of_another_user_or_environment_is_not_there(served: Served) -> None:
    """By its very id: neither to read nor to go on after, and the error is that of an id that never was."""
    furnish(served, LIVE)
    entry_id = record(served)["id"]
    for user_id, environment in (("bob", TEST), ("ada", LIVE)):
        key = served.keys[environment][KeyKind.PRIVATE]
        for field, says in (
            (f'entry(userId: "{user_id}", id: "{entry_id}") {{ id }}', f"Entry not found: '{entry_id}'"),
            (f'entries(userId: "{user_id}", after: "{entry_id}") {{ id }}', "after must be the id of an entry"),
        ):
            assert served.error(f"{{ {field} }}", key=key)["message"].startswith(says)


def undone(served: Served, entry_id: str, *, reason: str = "wrong order", user: str | None = None) -> dict[str, Any]:
    """The answer to reversing an entry."""
    answer: dict[str, Any] = served.ask(
        "mutation($id: String!, $reason: String!, $user: String) { reverseUsage(entryId: $id, reason: $reason,"
        " userId: $user) { recorded outcome id duplicate } }",
        {"id": entry_id, "reason": reason, "user": user},
    )["reverseUsage"]
    return answer


def test_an_entry_is_reversed_once(served: Served) -> None:
    """With or without its user; the ledger keeps both, and says by whom and why."""
    first = record(served, 4)["id"]
    reversal = undone(served, first)
    assert (reversal["recorded"], reversal["outcome"], reversal["duplicate"]) == (True, "RECORDED", False)
    assert undone(served, first, user="ada", reason="again") == {**reversal, "duplicate": True}
    newest, oldest = found(served)
    assert (newest["reverses"], newest["change"], oldest["change"]) == (first, -4, 4)
    assert newest["metadata"]["reason"] == "wrong order"


def test_what_was_given_back_is_not_taken_back_again(served: Served) -> None:
    """It is refused, and nothing is moved."""
    first = record(served, 4)["id"]
    record(served, -3)
    assert (undone(served, first)["outcome"], found(served)[0]["change"]) == ("BELOW_ZERO", 0)


@pytest.mark.parametrize(
    ("entry_id", "reason", "user", "message"),
    [
        ("1", "r", None, "Entry not found: '1'"),
        ("x", "r", "ada", "Entry not found: 'x'"),
        ("", "r", "nobody", "Entry not found: ''"),
        ("1", "r", "nobody", "User not found: 'nobody'"),
        ("1", " ", "ada", "reason must be 1 to 500 characters and not blank, got ' '"),
    ],
)
def test_what_is_not_there_is_not_reversed(
    served: Served, entry_id: str, reason: str, user: str | None, message: str
) -> None:
    """Each with the field and the value."""
    errors = served.post(
        "mutation($id: String!, $reason: String!, $user: String) { reverseUsage(entryId: $id, reason: $reason,"
        " userId: $user) { id } }",
        {"id": entry_id, "reason": reason, "user": user},
    ).json()["errors"]
    assert [error["message"] for error in errors] == [message]
    assert found(served) == []
