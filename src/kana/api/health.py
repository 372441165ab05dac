"""Three endpoints for operators: whether the process is alive, whether it is ready, and its metrics."""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from starlette.types import ASGIApp, Receive, Scope, Send

from kana.api.access import credential_in
from kana.api.errors import fault_of
from kana.api.http import answer, answer_fault, answer_json, answer_method_not_allowed, headers_of, request_id_of
from kana.api.proxies import is_local
from kana.errors import Unauthenticated

_METRICS = "/metrics is for this machine, and for others with the token of KANA_METRICS_TOKEN as Authorization: Bearer"

Probe = Callable[[], Awaitable[None]]


def healthz() -> ASGIApp:
    """Answers 200 while the process can answer at all. It does not use the store."""

    async def app(scope: Scope, _receive: Receive, send: Send) -> None:
        if _reads(scope):
            await answer_json(send, 200, {"status": "ok"})
        else:
            await answer_method_not_allowed(scope, send, b"GET, HEAD")

    return app


def readyz(probe: Probe) -> ASGIApp:
    """Answers 200 while ``probe`` returns, and 503 with the reason while it raises.

    The reason is the message of an error of Kana's; anything else is "internal error".
    """

    async def app(scope: Scope, _receive: Receive, send: Send) -> None:
        if not _reads(scope):
            await answer_method_not_allowed(scope, send, b"GET, HEAD")
            return
        try:
            await probe()
        except Exception as error:  # noqa: BLE001 - whatever the probe raises is the reason
            fault = fault_of(error, request_id=request_id_of(scope))
            headers = ((b"retry-after", b"%d" % (fault.retry_after_s or 1)),)
            await answer_json(send, 503, {"status": "unavailable", "reason": fault.message}, headers=headers)
        else:
            await answer_json(send, 200, {"status": "ready"})

    return app


def metrics_page(registry: CollectorRegistry, *, token: str = "") -> ASGIApp:
    """Answers with the metrics of ``registry``, in Prometheus' text format.

    They are for clients on this machine, and for others with ``token``, because not everyone who finds the
    address should see them. With "" there are no others.
    """

    async def app(scope: Scope, _receive: Receive, send: Send) -> None:
        if not _reads(scope):
            await answer_method_not_allowed(scope, send, b"GET, HEAD")
        elif not (is_local(scope) or _shows(scope, token)):
            await answer_fault(send, fault_of(Unauthenticated(_METRICS), request_id=request_id_of(scope)))
        else:
            content_type = CONTENT_TYPE_PLAIN_0_0_4.encode()
            await answer(send, 200, generate_latest(registry), content_type=content_type)

    return app


def _shows(scope: Scope, token: str) -> bool:
    shown = credential_in(headers_of(scope)).encode("latin-1")
    return bool(token) and hmac.compare_digest(shown, token.encode())


def _reads(scope: Scope) -> bool:
    return scope["method"] in ("GET", "HEAD")
