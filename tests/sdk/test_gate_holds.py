"""Gates of several features, and gates that set units aside while a view is at work, in every framework."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Mapping
from typing import Any

import httpx
import pytest

from kana.errors import Conflict, InvalidValue
from kana.sdk import KanaAdmin, Outcome, Reservation, ReservationStatus, Unrecorded
from kana.sdk.visit import used as say_used
from tests.sdk.gated import HEADER, KINDS, Build, opened, units
from tests.sdk.people import meter, used

pytestmark = pytest.mark.parametrize("build", KINDS, ids=lambda build: build.__name__)


def reservations(kana: KanaAdmin, user: str) -> list[Reservation]:
    return kana.reservations.list(user)


def statuses(kana: KanaAdmin, user: str) -> list[ReservationStatus]:
    return [each.status for each in reservations(kana, user)]


class Worker:
    """A view's work: it says what it used, notes what is set aside meanwhile, and fails if it is asked to."""

    def __init__(self, kana: KanaAdmin, user: str, second: str = "") -> None:
        self._kana, self._user, self._second = kana, user, second
        self.seen: list[Mapping[str, int]] = []

    def __call__(self, query: Mapping[str, str]) -> int:
        held = [each for each in reservations(self._kana, self._user) if each.status is ReservationStatus.OPEN]
        self.seen.append({line.feature_id: line.held for each in held for line in each.lines})
        if "used" in query:
            say_used({meter(self._user): query["used"]})
        if "second" in query:
            say_used({self._second: int(query["second"])})
        if "fail" in query:
            raise RuntimeError("the work failed")
        return int(query.get("status", "200"))


async def visit(shop: httpx.AsyncClient, user: str, method: str = "POST", **query: object) -> httpx.Response:
    """Send a request of a user, who is about to use 3 units."""
    params = {name: str(value) for name, value in query.items()}
    return await shop.request(method, "/", params=params, headers={HEADER: user, "x-units": "3"})


async def test_several_features_are_used_together_or_not_at_all(
    build: Build, kana: KanaAdmin, user: str, second: str
) -> None:
    """The amounts come from the gate and from the request; a refusal names what does not fit and counts nothing."""
    async with opened(build, kana, {meter(user): units, second: 4}) as shop:
        for _ in range(2):
            assert (await visit(shop, user)).status_code == 200
        assert (await used(kana, user), await used(kana, user, second)) == (6, 8)
        refused = await visit(shop, user)
    problem = refused.json()
    assert (refused.status_code, refused.headers["content-type"]) == (402, "application/problem+json")
    assert (problem["feature"], problem["limit"], problem["used"]) == (second, 10, 8)
    assert problem["resetsAt"].endswith("Z")
    assert second in problem["detail"]
    assert meter(user) not in problem["detail"]
    assert (await used(kana, user), await used(kana, user, second)) == (6, 8)


async def test_units_are_set_aside_while_the_view_works(build: Build, kana: KanaAdmin, user: str, second: str) -> None:
    """What the view says counts, what it does not name counts as it was set aside, and 0 lets it go."""
    worker = Worker(kana, user, second)
    async with opened(build, kana, {meter(user): units, second: 1}, worker, reserve=True, ttl=60) as shop:
        for query in ({"used": 2}, {"used": 0}, {"used": "1.0", "second": 0}, {}):
            assert (await visit(shop, user, **query)).text == "done"
    assert worker.seen == [{meter(user): 3, second: 1}] * 4
    assert (await used(kana, user), await used(kana, user, second)) == (2 + 0 + 1 + 3, 3)
    assert statuses(kana, user) == [ReservationStatus.SETTLED] * 4


async def test_nobody_takes_what_is_set_aside(build: Build, kana: KanaAdmin, user: str) -> None:
    """Of those who come at once as many run as fit; the view of the others never does."""
    worker = Worker(kana, user)
    async with opened(build, kana, meter(user), worker, amount=units, reserve=True) as shop:
        answers = await asyncio.gather(*(visit(shop, user, used=3) for _ in range(6)))
    assert sorted(answer.status_code for answer in answers) == [200, 200, 200, 402, 402, 402]
    assert len(worker.seen) == 3
    assert await used(kana, user) == 9


@pytest.mark.parametrize("failing", [{"fail": 1}, {"status": 404}, {"status": 503}], ids=str)
async def test_what_fails_is_let_go(build: Build, kana: KanaAdmin, user: str, failing: dict[str, Any]) -> None:
    """An exception and a status of 400 or more release, whatever the view said; a redirect settles."""
    async with opened(build, kana, meter(user), Worker(kana, user), amount=units, reserve=True) as shop:
        assert (await visit(shop, user, used=1, **failing)).status_code == failing.get("status", 500)
        assert (statuses(kana, user), await used(kana, user)) == ([ReservationStatus.RELEASED], 0)
        assert (await visit(shop, user, used=1, status=303)).status_code == 303
    assert await used(kana, user) == 1


async def test_what_cannot_be_set_aside_does_not_run(build: Build, kana: KanaAdmin, user: str, second: str) -> None:
    """The answer is that of any gate: the problem of the first feature that does not fit."""
    worker = Worker(kana, user)
    async with opened(build, kana, {second: 1, meter(user): 11}, worker, reserve=True) as shop:
        for method in ("POST", "HEAD"):
            assert (await visit(shop, user, method)).status_code == 402
        problem = (await visit(shop, user)).json()
        assert (problem["feature"], problem["limit"], problem["used"]) == (meter(user), 10, 0)
        stranger = await visit(shop, "nobody-at-all")
        assert (stranger.status_code, stranger.json()["features"]) == (403, [second, meter(user)])
        assert (await shop.post("/")).status_code == 401
    async with opened(build, kana, {second: units, meter(user): 1}, worker, reserve=True) as shop:
        wrong = await shop.post("/", headers={HEADER: user, "x-units": "many"})
        assert (wrong.status_code, wrong.json()["type"]) == (400, "urn:kana:problem:invalid")
    assert (worker.seen, reservations(kana, user)) == ([], [])


async def test_head_is_checked_and_sets_nothing_aside(build: Build, kana: KanaAdmin, user: str) -> None:
    """What its view says counts nothing; OPTIONS is not asked about."""
    worker = Worker(kana, user)
    async with opened(build, kana, {meter(user): units}, worker, reserve=True) as shop:
        assert (await visit(shop, user, "HEAD", used=5)).status_code == 200
        assert (await shop.options("/")).status_code == 200
    assert worker.seen == [{}, {}]
    assert (reservations(kana, user), await used(kana, user)) == ([], 0)


async def test_more_than_was_set_aside_is_taken_if_it_fits(build: Build, kana: KanaAdmin, user: str) -> None:
    """If it does not, what was set aside counts, and the rest is told with the key to go on with."""
    told: list[Unrecorded] = []
    options = {"amount": units, "reserve": True, "on_unrecorded": told.append}
    async with opened(build, kana, meter(user), Worker(kana, user), **options) as shop:
        assert (await visit(shop, user, used=6)).status_code == 200
        assert (await used(kana, user), told) == (6, [])
        assert (await visit(shop, user, used=5)).status_code == 200
    assert await used(kana, user) == 9
    [one] = told
    assert (one.outcome, one.error) == (Outcome.LIMIT_EXCEEDED, None)
    assert (one.usage["userId"], one.usage["lines"]) == (user, [{"featureId": meter(user), "units": 2}])
    kana.top_ups.create(user_id=user, feature_id=meter(user), amount=1, reason="they asked")
    for _ in range(2):
        assert kana.consume(user, {meter(user): 2}, idempotency_key=one.usage["idempotencyKey"]).granted
    assert await used(kana, user) == 11


async def test_used_belongs_to_a_view_at_work(build: Build, kana: KanaAdmin, user: str) -> None:
    """Outside, after the answer, or behind a gate that sets nothing aside it is refused, and never lost silently."""
    late: list[contextvars.Context] = []

    def work(_: Mapping[str, str]) -> int:
        late.append(contextvars.copy_context())
        with pytest.raises(InvalidValue, match="must be 0 or more, got -1"):
            say_used({meter(user): -1})
        return 200

    async with opened(build, kana, meter(user), work, amount=units, reserve=True) as shop:
        assert (await visit(shop, user)).status_code == 200
    assert await used(kana, user) == 3
    for call in (say_used, lambda **said: late[0].run(lambda: say_used(**said))):
        with pytest.raises(Conflict, match="behind a gate with reserve=True"):
            call(tokens=1)
    async with opened(build, kana, meter(user), Worker(kana, user), amount=units) as shop:
        assert (await visit(shop, user, used=1)).status_code == 500
    assert await used(kana, user) == 3


async def test_a_gate_is_refused_what_it_cannot_do(build: Build, kana: KanaAdmin, user: str) -> None:
    """What a program writes wrongly is an error where it is written, and no answer to a request."""
    for features, options, message in (
        ({}, {}, "features must name at least one feature"),
        ({meter(user): "many"}, {}, "must be a whole number"),
        ({meter(user): 1}, {"amount": units}, "amount is for a gate of one feature"),
        (meter(user), {"ttl": 60}, "ttl is for a gate with reserve=True"),
        (meter(user), {"ttl": 0, "reserve": True}, "ttl must be 1 to 86,400 seconds, got 0"),
        (meter(user), {"ttl": 86_401, "reserve": True}, "ttl must be 1 to 86,400 seconds, got 86,401"),
        (meter(user), {"when_unreachable": "hope"}, "when_unreachable must be 'allow', 'deny' or 'raise'"),
    ):
        with pytest.raises(InvalidValue, match=message):
            async with opened(build, kana, features, **options):
                pass
