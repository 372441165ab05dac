"""Check, record, consume and set aside, as JSON."""

from __future__ import annotations

from tests.api.admin.calls import CHECK, RECORD
from tests.support.serving import Served
from tests.support.v1 import Caller

ONE = {"userId": "ada", "featureId": "message"}


def test_it_answers_what_the_admin_api_answers(served: Served, v1: Caller) -> None:
    """The same fields with the same values, for a check and for each outcome of a record."""
    for delta in (1, 4, 1_000):
        assert served.ask(CHECK, {**ONE, "delta": delta})["canUseFeature"].items() <= (
            v1("canUseFeature", **ONE, delta=delta).items()
        )
        given = {**ONE, "delta": delta, "idempotencyKey": f"{delta}"}
        first, again = v1("recordUsage", input=given), served.ask(RECORD, {"input": given})["recordUsage"]
        assert {**again, "duplicate": False}.items() <= first.items()


def test_a_key_in_the_header_counts_once(v1: Caller) -> None:
    """A retry gets the first answer again; with other content it is an error of its own."""
    given = {**ONE, "delta": 2, "idempotencyKey": "k"}
    first, again = v1("recordUsage", input=given), v1("recordUsage", input=given)

    assert (first["duplicate"], again) == (False, {**first, "duplicate": True})
    answer = v1.raw("POST", "/v1/record", json={**ONE, "delta": 3}, headers={"Idempotency-Key": "k"})
    assert (answer.status_code, answer.json()["code"]) == (409, "IDEMPOTENCY_KEY_REUSED")
    assert v1("canUseFeature", **ONE)["consumption"]["used"] == 2


def test_a_key_that_is_none_is_refused(v1: Caller) -> None:
    """By the same rule as everywhere, and a key in the body is no field."""
    status, words, field = v1.refused("POST", "/v1/record", json=ONE, headers={"Idempotency-Key": "a b"})
    assert (status, field) == (400, "idempotencyKey")
    assert words.startswith("idempotencyKey must be 1 to 255 printable ASCII characters")
    status, words, field = v1.refused("POST", "/v1/record", json={**ONE, "idempotencyKey": "k"})
    assert (status, words, field) == (
        400,
        "unknown field 'idempotencyKey'; it is the header Idempotency-Key",
        "idempotencyKey",
    )
    assert v1("canUseFeature", **ONE)["consumption"]["used"] == 0


def test_a_wrong_usage_of_many_fails_no_other(v1: Caller) -> None:
    """Each is answered in its place; a wrong one with its error, and with the key of its own."""
    items = v1(
        "recordUsageBatch",
        inputs=[
            {**ONE, "delta": 3, "idempotencyKey": "a"},
            {**ONE, "delta": "three"},
            {"userId": "ada"},
            5,
            {**ONE, "delta": 3, "idempotencyKey": "a"},
            {**ONE, "delta": 100},
        ],
    )["items"]

    assert [each["recorded"] for each in items] == [True, False, False, False, True, False]
    assert [each["duplicate"] for each in items] == [False, False, False, False, True, False]
    assert [each["error"] and each["error"]["message"] for each in items] == [
        None,
        f"delta must be a whole number from {1 - 2**53} to {2**53 - 1}, got 'three'",
        "featureId is missing",
        "body must be an object, got 5",
        None,
        None,
    ]
    assert items[5]["outcome"] == "LIMIT_EXCEEDED"


def test_a_batch_is_bounded(v1: Caller) -> None:
    """A thousand at a time; one more is refused as a whole, and nothing is recorded."""
    status, words, field = v1.refused("POST", "/v1/record/batch", json={"inputs": [ONE] * 1001})
    assert (status, words, field) == (400, "inputs must be a list of length at most 1000, got 1,001 items", "inputs")
    assert v1("canUseFeature", **ONE)["consumption"]["used"] == 0


def test_several_features_are_used_together(v1: Caller) -> None:
    """All of it or nothing, and a dry run writes nothing."""
    lines = [{"featureId": "message", "units": 4}]
    assert v1("consume", input={"userId": "ada", "lines": lines, "dryRun": True})["granted"]
    done = v1("consume", input={"userId": "ada", "lines": lines, "idempotencyKey": "k"})
    assert (done["granted"], done["lines"][0]["consumption"]["used"]) == (True, 4)
    refused = v1("consume", input={"userId": "ada", "lines": [{"featureId": "message", "units": 7}]})
    assert (refused["granted"], refused["outcome"]) == (False, "LIMIT_EXCEEDED")


def test_what_is_set_aside_is_settled_extended_and_released(v1: Caller) -> None:
    """A reservation is found by its id and among those of its user, until it is closed."""
    lines = [{"featureId": "message", "units": 4}]
    held = v1("reserve", input={"userId": "ada", "lines": lines, "ttlSeconds": 60, "idempotencyKey": "r"})
    number = held["reservation"]["id"]

    assert v1("reservation", id=number) == held["reservation"]
    assert v1("reservations", userId="ada")["items"] == [held["reservation"]]
    extended = v1("extendReservation", id=number, ttlSeconds=600)
    assert extended["endsAt"] > held["reservation"]["endsAt"]
    used = v1("settleReservation", id=number, lines=[{"featureId": "message", "units": 1}], final=False)
    assert used["reservation"]["lines"][0] == {
        "featureId": "message",
        "units": 4,
        "unbounded": False,
        "settled": 1,
        "held": 3,
        "costOf": None,
    }
    assert v1("releaseReservation", id=number)["status"] == "RELEASED"
    assert v1("canUseFeature", **ONE)["consumption"]["used"] == 1


def test_lists_are_read_in_pages(v1: Caller) -> None:
    """`first` says how many, `after` after which id; every page together is the whole list."""
    for number in range(5):
        v1("createUser", input={"id": f"user/{number}"})
    whole = v1("users")["items"]

    pages: list[dict[str, object]] = []
    while page := v1("users", first=2, **({"after": pages[-1]["id"]} if pages else {}))["items"]:
        pages += page

    assert pages == whole
    assert len(whole) > 5


def test_a_field_that_is_left_out_stays_and_null_resets_it(v1: Caller) -> None:
    """As in the Admin API: leaving out is another thing than null."""
    v1("createUser", input={"id": "joe", "name": "Joe", "metadata": {"a": 1}})
    assert v1("updateUser", id="joe", input={"metadata": {"b": 2}})["name"] == "Joe"
    changed = v1("updateUser", id="joe", input={"id": "rob", "name": None, "metadata": None})
    assert (changed["id"], changed["name"], changed["metadata"]) == ("rob", None, {})
    started = v1("subscribe", userId="rob", packageIds=["basic"], trialEndsAt=None)["items"]
    assert (started[0]["packageId"], started[0]["trialEndsAt"]) == ("basic", None)
