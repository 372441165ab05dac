"""Times, sizes of pages and ids that are numbers: one rule for each on every face."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote

import pytest
from graphql import GraphQLNonNull, GraphQLObjectType

from kana.api.admin import build_schema
from kana.model.colleague import Role
from kana.model.key import KeyKind
from kana.model.text import NUMBER_MAX
from tests.dashboard.desk import Desk
from tests.support.stores import SqlitePlace
from tests.support.world import TEST


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """One server for all, on which nothing is changed."""
    with Desk(SqlitePlace(tmp_path_factory.mktemp("rules") / "kana.db")) as desk:
        yield desk


def key(desk: Desk) -> dict[str, str]:
    return {"Authorization": desk.served.keys[TEST][KeyKind.PRIVATE]}


def graphql(desk: Desk, query: str, **variables: Any) -> str:
    """Return the message of the one error."""
    (error,) = desk.served.post(query, variables).json()["errors"]
    return str(error["message"])


def recorded(desk: Desk, time: str) -> str:
    usage = {"userId": "ada", "featureId": "message", "timestamp": time}
    return graphql(
        desk, "mutation($usage: CreateUsageEventInput!) { recordUsage(input: $usage) { recorded } }", usage=usage
    )


def line(desk: Desk, time: str) -> str:
    usage = {"userId": "ada", "featureId": "message", "timestamp": time}
    headers = {**key(desk), "Content-Type": "application/x-ndjson"}
    answer = desk.served.http.post("/v1/events", content=json.dumps(usage), headers=headers).json()
    return str(answer["results"][0]["error"]["message"])


def event(desk: Desk, time: str) -> str:
    event = {"specversion": "1.0", "id": "1", "source": "s", "type": "message", "subject": "ada", "time": time}
    headers = {**key(desk), "Content-Type": "application/cloudevents+json"}
    answer = desk.served.http.post("/v1/events", content=json.dumps(event), headers=headers).json()
    return str(answer["results"][0]["error"]["message"])


def track(field: str) -> Callable[[Desk, str], str]:
    def told(desk: Desk, time: str) -> str:
        message = {"type": "track", "event": "Sent", "userId": "ada", "messageId": f"{field} {time}", field: time}
        desk.served.http.post("/v1/track", json=message, headers=key(desk)).raise_for_status()
        return str(desk.served.ask("{ segmentEvents(first: 1) { reason } }")["segmentEvents"][0]["reason"])

    return told


def download(desk: Desk, time: str) -> str:
    path = f"/v1/insights.csv?from={quote(str(time))}&to=2026-03-11T00:00:00Z"
    return str(desk.served.http.get(path, headers=key(desk)).json()["detail"])


TIMES: dict[str, tuple[Callable[[Desk, str], str], str]] = {
    "recordUsage": (recorded, "DateTime"),
    "a line": (line, "timestamp"),
    "a CloudEvent": (event, "timestamp"),
    "Segment's timestamp": (track("timestamp"), "timestamp"),
    "Segment's originalTimestamp": (track("originalTimestamp"), "originalTimestamp"),
    "Segment's sentAt": (track("sentAt"), "sentAt"),
    "a download": (download, "from"),
}


@pytest.mark.parametrize("face", TIMES)
@pytest.mark.parametrize(
    "time", ["now", "2026-03-10", "2026-03-10T12:00:00", "2026-W11-2T12:00:00Z", "2026-02-30T00:00:00Z"]
)
def test_what_is_no_time_is_none_on_any_face(desk: Desk, face: str, time: str) -> None:
    """Named by the field that it stands in, with how a time is written."""
    told, field = TIMES[face]
    rule = "must be RFC 3339 with seconds and zone, as in 2026-11-25T16:57:42.778Z, and a time that exists"
    assert told(desk, time).endswith(f"{field} {rule}; got {time!r}")


def paged() -> list[tuple[str, str]]:
    """Return each query of the Admin API that has ``first``, with what else it must be given."""
    query = build_schema().query_type
    assert query is not None
    given = {
        "userId": '"user-0"',
        "featureId": '"message"',
        "from": '"2026-03-01T00:00:00Z"',
        "to": '"2026-03-11T00:00:00Z"',
        "endpointId": '"1"',
    }
    found = []
    for name, field in query.fields.items():
        if "first" in field.args:
            needed = (each for each, argument in field.args.items() if isinstance(argument.type, GraphQLNonNull))
            found.append((name, " ".join(f"{each}: {given[each]}" for each in needed)))
    return found


@pytest.mark.parametrize(("name", "needed"), paged())
def test_a_page_is_of_one_row_to_its_bound(desk: Desk, name: str, needed: str) -> None:
    """Ten thousand of what is kept as it is, a thousand of what is worked out, 200 of what says everything.

    Nothing is read for another size.
    """
    kept = ("features", "packages", "users", "subscriptions", "topUps", "overrides")
    most = 10_000 if name in kept else 200 if name == "exportUser" else 1_000
    for first in (0, -1, most + 1):
        query = f"{{ {name}(first: {first} {needed}) {{ __typename }} }}"
        assert graphql(desk, query) == f"first must be 1 to {most}, got {first}"
    for first in (1, most):
        answer = desk.served.post(f"{{ {name}(first: {first} {needed}) {{ __typename }} }}").json()
        assert "first must be" not in str(answer)
        assert ("errors" in answer) is ("endpointId" in needed), "there is no such endpoint"


NESTED = {
    "SubscriptionChangesPreview.users": (
        "{{ previewSubscriptionChanges(input: {given}) {{ users(first: {first}) {{ __typename }} }} }}", 100,
    ),
    "SubscriptionChanges.results": (
        "mutation {{ changeSubscriptions(input: {given}) {{ results(first: {first}) {{ __typename }} }} }}", 10_000,
    ),
}  # fmt: skip
"""Fields below another one that have a size of their own, and their bounds."""


@pytest.mark.parametrize("name", NESTED)
def test_a_page_below_another_field_has_a_bound_too(desk: Desk, name: str) -> None:
    """As any page."""
    query, most = NESTED[name]
    given = '{userIds: ["user-0"], packageId: "basic"}'
    for first in (0, most + 1):
        assert graphql(desk, query.format(given=given, first=first)) == f"first must be 1 to {most}, got {first}"


def test_the_schema_has_no_page_of_another_kind() -> None:
    """What is tried above is all there is."""
    schema = build_schema()
    sized = [
        f"{named.name}.{name}"
        for named in schema.type_map.values()
        if isinstance(named, GraphQLObjectType) and not named.name.startswith("__")
        for name, field in named.fields.items()
        if "first" in field.args
    ]
    assert sorted(sized) == sorted([*NESTED, *(f"Query.{name}" for name, _ in paged())])


NUMBERS: dict[str, tuple[str, str]] = {
    "subscription": ("{ subscription(id: $id) { id } }", "Subscription not found: "),
    "cancelSubscription": ("mutation { cancelSubscription(id: $id) { id } }", "Subscription not found: "),
    "subscriptions": ("{ subscriptions(first: 1, after: $id) { id } }", "Subscription not found: "),
    "adminLog": ("{ adminLog(after: $id) { id } }", "after must be the id of a change, got "),
    "segmentEvents": ("{ segmentEvents(after: $id) { id } }", "after must be the id of an event, got "),
    "retrySegmentEvent": ("mutation { retrySegmentEvent(id: $id) { id } }", "id must be the id of an event, got "),
}
NO_NUMBERS = ["-1", "1.0", " 1", "one", "\u0661", str(NUMBER_MAX + 1), "9" * 40]


@pytest.mark.parametrize("face", NUMBERS)
@pytest.mark.parametrize("text", NO_NUMBERS)
def test_an_id_that_no_number_has_finds_nothing(desk: Desk, face: str, text: str) -> None:
    """It is the caller's mistake, told as one, and never the database's."""
    query, told = NUMBERS[face]
    assert graphql(desk, query.replace("$id", json.dumps(text))).startswith(f"{told}{text!a}")


@pytest.mark.parametrize("path", ["/test/log?after=", "/test/integrations/segment?before="])
def test_a_page_takes_no_other_numbers(desk: Desk, path: str) -> None:
    """The dashboard's addresses have them too; the largest number is one."""
    owner = desk.colleague(Role.OWNER, f"{len(path)}@example.com")
    for text in NO_NUMBERS:
        assert "number" in owner.get(path + quote(text), status=400)
    owner.get(path + str(NUMBER_MAX))


def test_a_ledger_goes_on_after_an_entry_of_the_user_only(desk: Desk) -> None:
    """A number that no entry of theirs has is told too."""
    viewer = desk.colleague(Role.VIEWER)
    for text in (*NO_NUMBERS, str(NUMBER_MAX)):
        page = viewer.get(f"/test/user/ledger?id=user-0&before={quote(text)}", status=400)
        assert "must be the id of an entry of the user" in page
