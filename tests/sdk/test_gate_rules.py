"""What a gate does where it cannot ask, cannot record, or is put in front of the wrong thing."""

from __future__ import annotations

from typing import Annotated, Any

import django
import httpx
import pytest
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.test import AsyncRequestFactory
from fastapi import Body, FastAPI, Response
from fastapi.responses import JSONResponse

from kana.errors import InvalidValue, UserNotFound
from kana.sdk import AsyncKanaAdmin, KanaAdmin, NetworkError, Outcome, Retry, Unrecorded
from kana.sdk.django import gate as django_gate
from kana.sdk.fastapi import gate as fastapi_gate
from kana.sdk.gates import Gate
from kana.sdk.visit import Visit
from tests.sdk.people import meter
from tests.sdk.scripted import ScriptedServer
from tests.support.server import KanaServer


def used(kana: KanaAdmin, user_id: str) -> int:
    shown = kana.features.show_usage(user_id=user_id, feature_id=meter(user_id))
    assert shown.current is not None
    return shown.current.consumption.used


def test_the_choice_for_a_server_that_is_away_is_the_callers(away: KanaAdmin) -> None:
    """Allow lets in, deny answers 503, raise raises."""
    assert Gate(away, when_unreachable="allow").enter(Visit("u", {"f": 1})) is None
    problem = Gate(away, when_unreachable="deny").enter(Visit("u", {"f": 1}))
    assert problem is not None
    assert (problem.status, problem.body["type"]) == (503, "urn:kana:problem:unavailable")
    with pytest.raises(NetworkError):
        Gate(away).enter(Visit("u", {"f": 1}))


def refused(outcome: str, *, counted: bool = True) -> dict[str, Any]:
    """The answer to a check that is refused, whatever the outcome, with the reason and consumption of a limit."""
    consumption = {"used": 5, "budget": 5, "overageEnabled": False} if counted else None
    decision = {"access": False, "reason": "The limit of 5 is reached.", "outcome": outcome, "consumption": consumption}
    return {"data": {"canUseFeature": decision}}


@pytest.mark.parametrize("counted", [True, False])
@pytest.mark.parametrize(
    ("outcome", "status", "kind"),
    [
        ("LIMIT_EXCEEDED", 402, "limit-reached"),
        ("NO_SUBSCRIPTION", 403, "no-access"),
        ("BELOW_ZERO", 403, "refused"),
        ("TOTAL_TOO_LARGE", 403, "refused"),
        ("WORD_OF_TOMORROW", 403, "refused"),
    ],
)
def test_the_outcome_alone_says_which_problem(outcome: str, status: int, kind: str, *, counted: bool) -> None:
    """Neither the reason's words nor the consumption do, and a word of a newer server refuses."""
    with (
        ScriptedServer(refused(outcome, counted=counted), {"data": {"showUsage": None}}) as script,
        KanaAdmin(api_key="k", endpoint=script.address, retry=Retry(attempts=1)) as kana,
    ):
        problem = Gate(kana).enter(Visit("u", {"f": 1}))
    assert problem is not None
    assert (problem.status, problem.body["status"]) == (status, status)
    assert problem.body["type"] == f"urn:kana:problem:{kind}"
    assert ("used" in problem.body) is (status == 402)


def test_a_refusal_stands_where_its_end_cannot_be_asked_for() -> None:
    """The limit is reached even if the server cannot say now when the period ends."""
    down = {"message": "down", "extensions": {"code": "UNAVAILABLE", "exception": {"name": "UnavailableError"}}}
    with (
        ScriptedServer(refused("LIMIT_EXCEEDED"), {"errors": [down]}) as script,
        KanaAdmin(api_key="k", endpoint=script.address, retry=Retry(attempts=1)) as kana,
    ):
        problem = Gate(kana).enter(Visit("u", {"f": 1}))
    assert problem is not None
    assert (problem.status, problem.body["used"], problem.body["resetsAt"]) == (402, 5, None)


def test_what_cannot_be_recorded_is_told_and_not_raised(kana: KanaAdmin, away: KanaAdmin, user: str) -> None:
    """After the work is done, a refusal or an error goes to the callback with the key to go on with."""
    told: list[Unrecorded] = []
    late = Gate(kana, on_unrecorded=told.append)
    visit = Visit(user, {meter(user): 10})
    assert late.enter(visit) is None
    kana.features.record_usage(user_id=user, feature_id=meter(user), delta=1)
    late.leave(visit)
    unknown = Visit("nobody", {meter(user): 1})
    assert late.enter(unknown) is not None
    late.leave(unknown)
    cut_off = Gate(away, when_unreachable="allow", on_unrecorded=told.append)
    without = Visit(user, {meter(user): "1"})
    assert cut_off.enter(without) is None
    cut_off.leave(without)
    assert [(one.usage["userId"], one.usage["delta"], type(one.error), one.outcome) for one in told] == [
        (user, 10, type(None), Outcome.LIMIT_EXCEEDED),
        ("nobody", 1, UserNotFound, None),
        (user, 1, NetworkError, None),
    ]
    assert len({one.usage["idempotencyKey"] for one in told}) == 3
    assert used(kana, user) == 1


async def fastapi_client(server: KanaServer, feature_id: str, user_id: str) -> httpx.AsyncClient:
    """An application whose endpoint fails in every way that FastAPI knows, one at each address."""
    app = FastAPI()
    kana = AsyncKanaAdmin(api_key=server.private_key, endpoint=server.address)

    def amount(units: Annotated[int, Body(embed=True)]) -> int:
        return units

    gated = fastapi_gate(kana, feature_id, user=lambda: user_id, amount=amount)

    @app.post("/returned")
    @gated
    async def returned() -> JSONResponse:
        return JSONResponse({}, status_code=422)

    @app.post("/set")
    @gated
    async def set_on_response(response: Response) -> dict[str, str]:
        response.status_code = 409
        return {}

    @app.post("/worked")
    @gated
    def worked(text: Annotated[str, Body()], response: Response) -> dict[str, str]:
        response.headers["x-seen"] = "yes"
        return {"text": text}

    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://shop")


async def test_fastapi_failures_are_seen_however_they_are_said(server: KanaServer, kana: KanaAdmin, user: str) -> None:
    """A status that is returned or set counts as failure; the amount may come from the body beside other parts."""
    client = await fastapi_client(server, meter(user), user)
    assert (await client.post("/returned", json={"units": 2})).status_code == 422
    assert (await client.post("/set", json={"units": 2})).status_code == 409
    assert used(kana, user) == 0
    worked = await client.post("/worked", json={"units": 2, "text": "words"})
    assert (worked.status_code, worked.json(), worked.headers["x-seen"]) == (200, {"text": "words"}, "yes")
    assert used(kana, user) == 2


async def test_django_async_views_have_their_gate(server: KanaServer, kana: KanaAdmin, user: str) -> None:
    """An async view is awaited between asking and recording."""
    if not settings.configured:
        settings.configure()
        django.setup()
    async with AsyncKanaAdmin(api_key=server.private_key, endpoint=server.address) as awaiting:

        @django_gate(awaiting, meter(user), user=lambda _: user, amount=lambda request: request.GET["n"])
        async def view(request: HttpRequest) -> HttpResponse:
            return HttpResponse(status=int(request.GET["status"]))

        statuses = []
        for query in ({"n": 9, "status": 200}, {"n": 1, "status": 500}, {"n": 2, "status": 200}):
            answer = await view(AsyncRequestFactory().get("/", query))
            statuses.append(answer.status_code)
    assert statuses == [200, 500, 402]
    assert used(kana, user) == 9


def test_a_django_view_needs_the_client_of_its_kind(kana: KanaAdmin) -> None:
    """A blocking client in front of an async view, or the reverse, is refused where it is written."""
    awaiting = AsyncKanaAdmin(api_key="prv_test_x")

    async def async_view(_: Any) -> HttpResponse:
        return HttpResponse()

    def view(_: Any) -> HttpResponse:
        return HttpResponse()

    for client, wrong in ((kana, async_view), (awaiting, view)):
        with pytest.raises(InvalidValue, match="client must be AsyncKanaAdmin for an async view"):
            django_gate(client, "f", user=lambda _: "u")(wrong)
