"""Sends webhooks over HTTP, within bounds of time and memory, and to public addresses only unless others are allowed.

A host is resolved once for each request: every address of it is checked, and it is one of these that is connected to.
So a name whose address changes in between, or a redirect, leads nowhere else.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping, Sequence
from email.utils import parsedate_to_datetime
from functools import cached_property
from socket import SOCK_STREAM
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from kana.errors import InvalidValue
from kana.model.public_address import is_public
from kana.model.text import shown
from kana.model.webhook import Reply, WebhookRequest, webhook_url

if TYPE_CHECKING:
    import httpx

SENDING_S = 15.0
"""How long sending may take, from looking the host up to the end of the answer."""

ANSWER_BYTES_MAX = 16 * 1024
"""So much is read of an answer; then the connection is closed."""

KEPT_BYTES = 1024
"""So much is kept of an answer."""

_ADDRESSES_MAX = 4
_HEADERS = {"user-agent": "Kana-Webhooks/1", "accept": "*/*", "accept-encoding": "identity"}


class HttpSender:
    """Sends over HTTP, without a proxy, without cookies, and on a new connection each time.

    It uses the transport of an HTTP client and not the client, which would follow, keep and add more than is wanted.
    """

    def __init__(self, *, private_allowed: bool = False, trusted: ssl.SSLContext | None = None) -> None:
        """``trusted`` says which certificates are valid; by default those that browsers trust."""
        self._private_allowed = private_allowed
        self._trusted = trusted

    async def checked(self, url: str) -> str:
        """See the port."""
        host = urlsplit(webhook_url(url, private_allowed=self._private_allowed)).hostname or ""
        try:
            async with asyncio.timeout(SENDING_S):
                await self._addresses(host)
        except (OSError, UnicodeError, TimeoutError) as error:
            raise InvalidValue(
                f"url must have a host that can be found, got {shown(url)}: {_said(error)}", field="url"
            ) from None
        except _NotPublicError as error:
            raise InvalidValue(
                f"url must lead to a public address, got {shown(url)}, which leads to {error}", field="url"
            ) from None
        return url

    async def send(self, request: WebhookRequest) -> Reply:
        """See the port."""
        import httpx

        began: list[httpx.Response] = []
        try:
            async with asyncio.timeout(SENDING_S):
                return await self._send(request, began)
        except TimeoutError:
            return _reply(began[0]) if began else Reply(error=f"There was no answer within {SENDING_S:g} seconds.")
        except _NotPublicError as error:
            return Reply(error=f"The host leads to {error}, which is not a public address.")
        except (httpx.HTTPError, httpx.InvalidURL, OSError, UnicodeError) as error:
            return _reply(began[0]) if began else Reply(error=_said(error))

    async def _send(self, request: WebhookRequest, began: list[httpx.Response]) -> Reply:
        import httpx

        url = httpx.URL(request.url)
        addresses = await self._addresses(url.host)
        for number, address in enumerate(addresses, 1):
            there = httpx.Request(
                "POST",
                url.copy_with(host=address),
                headers={**_HEADERS, **request.headers, "host": url.netloc.decode("ascii")},
                content=request.body,
                extensions={"sni_hostname": url.raw_host.decode("ascii")},
            )
            try:
                answer = await self._transport.handle_async_request(there)
            except httpx.ConnectError:
                if number == len(addresses):
                    raise
                continue
            began.append(answer)
            return _reply(answer, await _beginning(answer))
        raise OSError("The host has no address.")

    async def _addresses(self, host: str) -> Sequence[str]:
        """Return the addresses of a host.

        Raises:
            OSError: it cannot be found.
            _NotPublicError: one of them is not public, and others are not allowed.
        """
        found = await asyncio.get_running_loop().getaddrinfo(host, None, type=SOCK_STREAM)
        addresses = list(dict.fromkeys(str(address[0]) for *_, address in found))
        for address in addresses:
            if not self._private_allowed and not is_public(address):
                raise _NotPublicError(address)
        return addresses[:_ADDRESSES_MAX]

    @cached_property
    def _transport(self) -> httpx.AsyncHTTPTransport:
        """What connects. It keeps no connection: one that was verified for one host could serve another one there."""
        import httpx

        return httpx.AsyncHTTPTransport(
            verify=True if self._trusted is None else self._trusted,
            trust_env=False,
            limits=httpx.Limits(max_keepalive_connections=0),
        )


class _NotPublicError(Exception):
    """An address is not public."""


async def _beginning(answer: httpx.Response) -> bytes:
    """Return the beginning of an answer, and close it."""
    found = bytearray()
    try:
        async for piece in answer.aiter_raw(ANSWER_BYTES_MAX):
            found += piece
            if len(found) >= ANSWER_BYTES_MAX:
                break
    finally:
        await answer.aclose()
    return bytes(found[:KEPT_BYTES])


def _reply(answer: httpx.Response, body: bytes = b"") -> Reply:
    text = body.decode("utf-8", "replace").replace("\0", "\ufffd")
    return Reply(status=answer.status_code, body=text, retry_after_s=_retry_after_s(answer.headers))


def _retry_after_s(headers: Mapping[str, str]) -> int | None:
    """Return how long the receiver asks to be left alone; a time counts from the time that it says it is."""
    text = headers.get("retry-after", "").strip()
    if text.isascii() and text.isdigit():
        return int(text[:9])
    try:
        then, now = parsedate_to_datetime(text), parsedate_to_datetime(headers.get("date", ""))
        return max(0, int((then - now).total_seconds()))
    except (ValueError, TypeError):
        return None


def _said(error: Exception) -> str:
    """Return what an error says, or its kind if it says nothing."""
    return str(error)[:200] or type(error).__name__
