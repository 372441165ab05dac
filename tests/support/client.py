"""A lean HTTP client for tests: one keep-alive connection each, nothing retried, nothing hidden.

A library's pool would reconnect and repeat by itself; here every lost answer is seen by the test.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import urlsplit

RECORD = """mutation($input: CreateUsageEventInput!) {
  recordUsage(input: $input) { recorded reason id duplicate consumption { used budget overageEnabled } }
}"""
CHECK = """query($userId: String!, $featureId: String!, $delta: Int) {
  canUseFeature(userId: $userId, featureId: $featureId, delta: $delta) {
    access reason consumption { used budget overageEnabled }
  }
}"""
FEATURE = "mutation($input: CreateFeatureInput!) { createFeature(input: $input) { id } }"
PACKAGE = """mutation($input: CreatePackageInput!, $id: String!) {
  createPackage(input: $input) { id } publishPackage(id: $id) { status }
}"""
ENROL = """mutation($id: String!, $packageIds: [String!]!) {
  createUser(input: {id: $id}) { id } subscribe(userId: $id, packageIds: $packageIds) { id status }
}"""


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole HTTP answer; header names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """The body, read as JSON."""
        return json.loads(self.body)


class Refused(RuntimeError):
    """A GraphQL error. ``code`` is what programs branch on, ``error`` the whole of it."""

    def __init__(self, error: Mapping[str, Any], *, data: Any = None) -> None:
        super().__init__(f"{error.get('extensions', {}).get('code')}: {error['message']}")
        self.error = error
        self.data = data
        self.message: str = error["message"]
        self.code: str = error.get("extensions", {}).get("code", "")
        self.name: str = error.get("extensions", {}).get("exception", {}).get("name", "")


class Connection:
    """One keep-alive connection, made when first needed and made anew after it was lost."""

    def __init__(self, address: str) -> None:
        parts = urlsplit(address)
        self._host, self._port = parts.hostname or "", parts.port or 80
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def request(
        self, method: str, path: str, *, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Send one request and wait for the whole answer.

        Raises:
            OSError: there is no connection, or it was lost; what was asked may have happened.
        """
        if self._streams is None:
            self._streams = await asyncio.open_connection(self._host, self._port)
        reader, writer = self._streams
        lines = [f"{method} {path} HTTP/1.1", f"host: {self._host}:{self._port}", f"content-length: {len(body)}"]
        lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
        try:
            writer.write("\r\n".join([*lines, "", ""]).encode() + body)
            answer = await _read_answer(reader)
        except BaseException as error:
            await self.close()
            if isinstance(error, asyncio.IncompleteReadError):
                raise ConnectionResetError("the connection was lost before the answer was whole") from error
            raise
        if answer.headers.get("connection") == "close":
            await self.close()
        return answer

    async def close(self) -> None:
        """Close it; the next request makes a new one."""
        if self._streams is not None:
            _, writer = self._streams
            self._streams = None
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()


async def _read_answer(reader: asyncio.StreamReader) -> Answer:
    status, *fields = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")[:-2]
    pairs = (field.split(":", 1) for field in fields)
    headers = {name.strip().lower(): value.strip() for name, value in pairs}
    return Answer(int(status.split()[1]), headers, await reader.readexactly(int(headers.get("content-length", 0))))


class AdminClient:
    """Calls the Admin API over one connection.

    Its verbs raise ``Refused`` for a GraphQL error, and OSError where the answer was lost.
    """

    def __init__(self, address: str, key: str) -> None:
        self._connection = Connection(address)
        self._headers = {"authorization": key, "content-type": "application/json"}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connection."""
        await self._connection.close()

    async def get(self, path: str) -> Answer:
        """GET an address beside the API, such as ``/readyz``."""
        return await self._connection.request("GET", path)

    async def post(self, query: str, variables: Mapping[str, Any] | None = None) -> Answer:
        """Send one GraphQL request; return the HTTP answer as it is."""
        body = json.dumps({"query": query, "variables": variables or {}}).encode()
        return await self._connection.request("POST", "/graphql", body=body, headers=self._headers)

    async def graphql(self, query: str, **variables: Any) -> Any:
        """Send one GraphQL request; return its ``data``."""
        answered = (await self.post(query, variables)).json()
        if answered.get("errors"):
            raise Refused(answered["errors"][0], data=answered.get("data"))
        return answered["data"]

    async def record(
        self, user_id: str, feature_id: str = "message", *, delta: int = 1, key: str | None = None, **more: Any
    ) -> dict[str, Any]:
        """Call ``recordUsage``; ``more`` are further fields of its input, as the wire names them."""
        given = {"userId": user_id, "featureId": feature_id, "delta": delta, "idempotencyKey": key, **more}
        recorded: dict[str, Any] = (await self.graphql(RECORD, input=given))["recordUsage"]
        return recorded

    async def check(self, user_id: str, feature_id: str = "message", *, delta: int = 1) -> dict[str, Any]:
        """Call ``canUseFeature``."""
        data = await self.graphql(CHECK, userId=user_id, featureId=feature_id, delta=delta)
        decision: dict[str, Any] = data["canUseFeature"]
        return decision

    async def furnish(self, package_id: str = "basic", *, limit: int | None = None, **entitlement: Any) -> None:
        """Create the CONSUMABLE feature ``message`` and a published package that holds it."""
        await self.graphql(FEATURE, input={"id": "message", "type": "CONSUMABLE"})
        await self.package(package_id, limit=limit, **entitlement)

    async def package(
        self, package_id: str, *, limit: int | None = None, is_addon: bool = False, **entitlement: Any
    ) -> None:
        """Create a published package that holds the feature ``message``."""
        held = {"id": "message", "entitlement": {"limit": limit, "resetPeriod": "MONTH", **entitlement}}
        await self.graphql(PACKAGE, input={"id": package_id, "features": [held], "isAddon": is_addon}, id=package_id)

    async def enrol(self, user_id: str, *package_ids: str) -> None:
        """Create a user and subscribe them."""
        await self.graphql(ENROL, id=user_id, packageIds=package_ids or ("basic",))
