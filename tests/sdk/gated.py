"""One gated view in each framework, which takes every method and does what its query asks for."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final

import django
import httpx
from asgiref.wsgi import WsgiToAsgi
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.http import HttpRequest, HttpResponse
from django.test import override_settings
from django.urls import path
from fastapi import FastAPI, Request
from fastapi.responses import PlainTextResponse
from flask import Flask
from flask import request as flask_request

from kana.sdk import AsyncKanaAdmin, KanaAdmin
from kana.sdk.django import gate as django_gate
from kana.sdk.fastapi import gate as fastapi_gate
from kana.sdk.flask import gate as flask_gate

METHODS = ["GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS"]
HEADER = "X-Test-User"
AS_ASGI: Final[Any] = WsgiToAsgi

Work = Callable[[Mapping[str, str]], int]
"""What a view does with the query of its request; it returns the status to answer with."""

Build = Callable[..., Any]
"""Makes an application of a blocking client, an asynchronous one, the work, and what a gate takes."""


def nothing(_: Mapping[str, str]) -> int:
    """Do nothing, which works."""
    return 200


def units(request: Request) -> str:
    """How much of a feature a request is about to use, by its header."""
    return request.headers.get("x-units", "1")


def user(request: Request) -> str | None:
    """Whose request it is, by its header."""
    return request.headers.get(HEADER)


def by_django(view: Any, client: KanaAdmin | AsyncKanaAdmin, features: Any, **options: Any) -> Any:
    gated = django_gate(client, features, user=user, **options)(view)

    class Urls:
        urlpatterns = (path("", gated),)

    if not settings.configured:
        settings.configure()
        django.setup()
    application = get_asgi_application()

    async def served(scope: Any, receive: Any, send: Any) -> None:
        with override_settings(ROOT_URLCONF=Urls, ALLOWED_HOSTS=["shop"]):
            await application(scope, receive, send)

    return served


def django_blocking(blocking: KanaAdmin, _: AsyncKanaAdmin, work: Work, features: Any, **options: Any) -> Any:
    def view(request: HttpRequest) -> HttpResponse:
        return HttpResponse("done", status=work(request.GET.dict()))

    return by_django(view, blocking, features, **options)


def django_async(_: KanaAdmin, awaiting: AsyncKanaAdmin, work: Work, features: Any, **options: Any) -> Any:
    async def view(request: HttpRequest) -> HttpResponse:
        return HttpResponse("done", status=work(request.GET.dict()))

    return by_django(view, awaiting, features, **options)


def by_flask(view: Any, client: KanaAdmin, features: Any, **options: Any) -> Any:
    app = Flask("shop")
    gated = flask_gate(client, features, user=user, **options)(view)  # type: ignore[arg-type]  # has the same headers
    app.add_url_rule("/", view_func=gated, methods=METHODS, provide_automatic_options=False)
    return AS_ASGI(app)


def flask_blocking(blocking: KanaAdmin, _: AsyncKanaAdmin, work: Work, features: Any, **options: Any) -> Any:
    def view() -> tuple[str, int]:
        return "done", work(flask_request.args)

    return by_flask(view, blocking, features, **options)


def flask_async(blocking: KanaAdmin, _: AsyncKanaAdmin, work: Work, features: Any, **options: Any) -> Any:
    async def view() -> tuple[str, int]:
        return "done", work(flask_request.args)

    return by_flask(view, blocking, features, **options)


def by_fastapi(endpoint: Any, client: AsyncKanaAdmin, features: Any, **options: Any) -> Any:
    app = FastAPI()
    app.api_route("/", methods=METHODS)(fastapi_gate(client, features, user=user, **options)(endpoint))
    return app


def fastapi_def(_: KanaAdmin, awaiting: AsyncKanaAdmin, work: Work, features: Any, **options: Any) -> Any:
    def endpoint(request: Request) -> PlainTextResponse:
        return PlainTextResponse("done", work(request.query_params))

    return by_fastapi(endpoint, awaiting, features, **options)


def fastapi_async(_: KanaAdmin, awaiting: AsyncKanaAdmin, work: Work, features: Any, **options: Any) -> Any:
    async def endpoint(request: Request) -> PlainTextResponse:
        return PlainTextResponse("done", work(request.query_params))

    return by_fastapi(endpoint, awaiting, features, **options)


KINDS: list[Build] = [django_blocking, django_async, flask_blocking, flask_async, fastapi_def, fastapi_async]


@asynccontextmanager
async def opened(
    build: Build, kana: KanaAdmin, features: Any, work: Work = nothing, **options: Any
) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a gated view, which asks the server that ``kana`` asks."""
    connection = kana._driver.connection
    address, api_key = connection.url, connection.headers["authorization"]
    async with AsyncKanaAdmin(api_key=api_key, endpoint=address, retry=kana._core.retry) as awaiting:
        app = build(kana, awaiting, work, features, **options)
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://shop") as client:
            yield client
