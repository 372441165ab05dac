"""Gates that set units aside where Kana does not answer, answers too late, or a credit is short; with both clients."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from typing import Any

import pytest

from kana.errors import FeatureNotFound, UserNotFound
from kana.sdk import (
    Cost,
    Grant,
    KanaAdmin,
    NetworkError,
    Outcome,
    OutcomeUnknown,
    ReservationStatus,
    Retry,
    Unrecorded,
)
from kana.sdk.gates import Gate
from kana.sdk.visit import Visit
from kana.sdk.visit import used as say_used
from tests.sdk.gated import HEADER, KINDS, Build, opened
from tests.sdk.people import meter, used, value
from tests.sdk.proxy import LosingProxy
from tests.support.server import KanaServer

ONCE = Retry(attempts=1)


@pytest.fixture
def proxy(server: KanaServer) -> Iterator[LosingProxy]:
    """What passes everything on, until it is told to lose answers."""
    with LosingProxy(server.address, share=0.0) as losing:
        yield losing


@pytest.fixture
def caller(server: KanaServer, proxy: LosingProxy) -> Iterator[KanaAdmin]:
    """A client behind the proxy, which tries once."""
    with KanaAdmin(api_key=server.private_key, endpoint=proxy.address, retry=ONCE) as client:
        yield client


@pytest.mark.parametrize("build", KINDS, ids=lambda build: build.__name__)
@pytest.mark.parametrize(("choice", "status", "runs"), [("raise", 500, 0), ("deny", 503, 0), ("allow", 200, 1)])
async def test_the_work_goes_on_without_units_only_if_the_program_chose_that(
    build: Build, away: KanaAdmin, choice: str, status: int, runs: int
) -> None:
    """By default, and with "deny", the view does not run; with "allow" what it used is told, to be recorded later."""
    told: list[Unrecorded] = []
    begun: list[int] = []

    def work(_: object) -> int:
        begun.append(1)
        say_used(tokens=7)
        return 200

    options: dict[str, Any] = {"reserve": True, "when_unreachable": choice, "on_unrecorded": told.append}
    async with opened(build, away, {"tokens": 10, "requests": 1}, work, **options) as shop:
        assert (await shop.post("/", headers={HEADER: "ada"})).status_code == status
    assert len(begun) == runs
    assert [(one.usage["userId"], one.usage["lines"], type(one.error)) for one in told] == [
        ("ada", [{"featureId": "tokens", "units": 7}, {"featureId": "requests", "units": 1}], NetworkError)
    ] * runs


def test_a_lost_answer_is_no_yes(kana: KanaAdmin, caller: KanaAdmin, proxy: LosingProxy, user: str) -> None:
    """Units may be set aside; the view does not run on it, and nobody has used them."""
    proxy.share = 1.0
    with pytest.raises(OutcomeUnknown):
        Gate(caller, reserve=True, ttl=1).enter(Visit(user, {meter(user): 10}))
    problem = Gate(caller, reserve=True, ttl=1, when_unreachable="deny").enter(Visit(user, {meter(user): 1}))
    assert problem is not None
    assert problem.status == 503
    time.sleep(1.1)
    assert [each.status for each in kana.reservations.list(user)] == [ReservationStatus.ENDED]
    assert Gate(kana, reserve=True).enter(Visit(user, {meter(user): 10})) is None


async def test_a_settlement_of_unknown_outcome_is_told(
    kana: KanaAdmin, caller: KanaAdmin, proxy: LosingProxy, user: str
) -> None:
    """With the reservation and the key: said again with both, it counts once."""
    told: list[Unrecorded] = []
    guard, visit = Gate(caller, reserve=True, on_unrecorded=told.append), Visit(user, {meter(user): 5})
    assert guard.enter(visit) is None
    visit.said = {meter(user): 2}
    proxy.share = 1.0
    guard.leave(visit)
    [one] = told
    assert (type(one.error), one.usage["userId"]) == (OutcomeUnknown, user)
    [line] = one.usage["lines"]
    for _ in range(2):
        again = kana.reservations.settle(
            one.usage["reservationId"], {line["featureId"]: line["units"]}, idempotency_key=one.usage["idempotencyKey"]
        )
        assert (again.granted, again.duplicate) == (True, True)
    assert await used(kana, user) == 2


async def test_a_release_that_fails_is_only_logged(
    caplog: pytest.LogCaptureFixture, kana: KanaAdmin, caller: KanaAdmin, proxy: LosingProxy, user: str
) -> None:
    """The answer to the request is the view's own; what is set aside ends by itself."""
    guard, visit = Gate(caller, reserve=True), Visit(user, {meter(user): 5})
    assert guard.enter(visit) is None
    proxy.share = 1.0
    guard.leave(visit, succeeded=False)
    assert visit.reservation is not None
    assert f"reservation {visit.reservation.id} may stand until" in caplog.text
    assert await used(kana, user) == 0


@pytest.mark.parametrize("others", [0, 9])
async def test_a_view_that_takes_too_long_counts_like_new_usage(kana: KanaAdmin, user: str, others: int) -> None:
    """If others took the units meanwhile, all that it used is told, and nothing of it counts."""
    told: list[Unrecorded] = []
    guard, visit = Gate(kana, reserve=True, ttl=1, on_unrecorded=told.append), Visit(user, {meter(user): 5})
    assert guard.enter(visit) is None
    await asyncio.sleep(1.1)
    if others:
        assert kana.consume(user, {meter(user): others}).granted
    guard.leave(visit)
    assert await used(kana, user) == (others or 5)
    assert [(one.usage["lines"], one.outcome) for one in told] == (
        [([{"featureId": meter(user), "units": 5}], Outcome.LIMIT_EXCEEDED)] if others else []
    )


async def test_several_that_others_take_meanwhile_are_told(
    either: Any, kana: KanaAdmin, user: str, second: str
) -> None:
    """Without ``reserve`` a gate only asks: what no longer fits afterwards is told as one usage; none of it counts."""
    told: list[Unrecorded] = []
    guard, visit = Gate(either, on_unrecorded=told.append), Visit(user, {meter(user): 10, second: 1})
    assert await value(guard.enter(visit)) is None
    kana.consume(user, {meter(user): 1})
    await value(guard.leave(visit))
    [one] = told
    assert (one.outcome, [line["units"] for line in one.usage["lines"]]) == (Outcome.LIMIT_EXCEEDED, [10, 1])
    assert await used(kana, user, second) == 0


async def test_a_feature_that_a_view_invents_is_told(either: Any, kana: KanaAdmin, user: str) -> None:
    """A view may use what was not set aside; what does not exist is told, with all that was used."""
    told: list[Unrecorded] = []
    guard, visit = Gate(either, reserve=True, on_unrecorded=told.append), Visit(user, {meter(user): 5})
    assert await value(guard.enter(visit)) is None
    visit.said = {"invented": 1}
    await value(guard.leave(visit))
    assert [type(one.error) for one in told] == [FeatureNotFound]
    assert await used(kana, user) == 0
    with pytest.raises(FeatureNotFound):
        await value(guard.enter(Visit(user, {"invented": 1})))


@pytest.mark.parametrize("reserve", [True, False])
@pytest.mark.parametrize("many", [True, False])
async def test_a_credit_that_does_not_suffice_is_402(
    either: Any, kana: KanaAdmin, number: int, *, reserve: bool, many: bool
) -> None:
    """The problem names the credit, how much of it is used, and when it resets; what fits takes it."""
    credit, image, switch, user = (f"{name}-{number}" for name in ("credit", "image", "switch", "painter"))
    kana.features.create(id=switch, type="BINARY")
    for feature_id in (credit, image):
        kana.features.create(id=feature_id, type="CONSUMABLE")
    grants = [
        Grant(id=credit, limit=10, reset_period="MONTH"),
        Grant(id=image, reset_period="MONTH", cost=Cost(feature_id=credit, units=5)),
        Grant(id=switch),
    ]
    kana.packages.create(id=user, features=grants)
    kana.packages.publish(id=user)
    kana.users.create(id=user)
    kana.subscriptions.create(user_id=user, package_ids=[user])

    guard, also = Gate(either, reserve=reserve), ({switch: 1} if many else {})
    visit = Visit(user, {image: 2, **also})
    assert await value(guard.enter(visit)) is None
    await value(guard.leave(visit))
    assert (await used(kana, user, credit), await used(kana, user, image)) == (10, 2)
    problem = await value(guard.enter(Visit(user, {image: 1, **also})))
    assert (problem.status, problem.body["feature"]) == (402, credit)
    assert (problem.body["limit"], problem.body["used"], problem.body["resetsAt"][-1]) == (10, 10, "Z")


async def test_a_feature_of_several_that_is_not_theirs_is_403(either: Any, user: str, number: int) -> None:
    """The problem names that feature alone."""
    other = f"not-theirs-{number}"
    await value(either.features.create(id=other, type="BINARY"))
    for reserve in (True, False):
        problem = await value(Gate(either, reserve=reserve).enter(Visit(user, {meter(user): 1, other: 1})))
        assert (problem.status, problem.body["type"], problem.body["feature"]) == (
            403, "urn:kana:problem:no-access", other,
        )  # fmt: skip
    assert await value(either.reservations.list(user)) == []
    with pytest.raises(UserNotFound):
        await value(either.reservations.list("nobody-at-all"))


def test_what_is_said_goes_to_the_innermost_gate_that_sets_aside(away: KanaAdmin) -> None:
    """A gate that only asks, such as that of a switch, leaves it to the one around it."""
    around, switch, within = (Visit("ada", {"tokens": 1}) for _ in range(3))
    with Gate(away, reserve=True).at_work(around):
        with Gate(away).at_work(switch):
            say_used(tokens=1)
        with Gate(away, reserve=True).at_work(within):
            say_used(tokens=2)
        say_used(tokens="3", images=4)
    assert (around.said, switch.said, within.said) == ({"tokens": 3, "images": 4}, {}, {"tokens": 2})
