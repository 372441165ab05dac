"""GET /cli/pull, POST /cli/validate, POST /cli/publish, and the JSON Schema for editors."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from importlib.resources import files
from typing import Any

from starlette.types import ASGIApp, Receive, Scope

from kana.api.access import Door
from kana.api.body import read_body, read_json, refuse_packed
from kana.api.config.wire import config_json, review_json
from kana.api.endpoint import endpoint, json_answer
from kana.api.http import Answer, fault_answer, headers_of, public_document, told
from kana.engine.access.access import AccessEngine, Caller
from kana.engine.catalog.config import ConfigEngine, ConfigRefused, revision_of
from kana.engine.pace import aside
from kana.errors import InvalidValue
from kana.model.catalog import Catalog
from kana.model.config import BYTES_MAX, VALUES_MAX, Config, read_config
from kana.model.key import KeyKind

_Verb = Callable[[Caller, bytes], Awaitable[Any]]


class ConfigEndpoints:
    """The work of the three endpoints for a caller with a private key, in the environment of the key."""

    def __init__(self, config: ConfigEngine, access: AccessEngine) -> None:
        self._config = config
        self._access = access

    async def pull(self, caller: Caller, _body: bytes) -> Any:
        """Return the environment as a KanaConfig."""
        return await self._as_config(caller, await self._config.read(caller.environment))

    async def validate(self, caller: Caller, body: bytes) -> Any:
        """Return the review of publishing a configuration."""
        config = await aside(partial(_read, body))
        review = await self._config.review(caller.environment, config, app_id=await self._app_id(caller))
        return await aside(partial(review_json, review))

    async def publish(self, caller: Caller, body: bytes) -> Any:
        """Publish a configuration and return the environment as it is then."""
        config = await aside(partial(_read, body))
        app_id = await self._app_id(caller)
        catalog = await self._config.publish(caller.environment, config, app_id=app_id, by=caller.actor)
        return await self._as_config(caller, catalog)

    async def _as_config(self, caller: Caller, catalog: Catalog) -> dict[str, Any]:
        keyring = await self._access.keyring()
        revision = revision_of(catalog, await self._app_id(caller))
        return await aside(partial(config_json, catalog, app=keyring.workspace, revision=revision))

    async def _app_id(self, caller: Caller) -> str:
        return (await self._access.keyring()).environments[caller.environment].app_id


def _read(body: bytes) -> Config:
    """Return the configuration in a body, which is refused at once if it has too many values."""
    if sum(map(body.count, (b"{", b"[", b","))) > VALUES_MAX:
        raise InvalidValue(f"the configuration must have at most {VALUES_MAX} values")
    return read_config(read_json(body))


def routes(config: ConfigEngine, access: AccessEngine, door: Door) -> dict[str, ASGIApp]:
    """Return the endpoints of Kana's command line, and of the schema for editors."""
    endpoints = ConfigEndpoints(config, access)
    schema = files("kana.api.config").joinpath("kana.schema.json").read_bytes()
    return {
        "/cli/pull": _endpoint(door, "GET", endpoints.pull),
        "/cli/validate": _endpoint(door, "POST", endpoints.validate),
        "/cli/publish": _endpoint(door, "POST", endpoints.publish),
        "/schema/kana.json": public_document(schema, b"application/schema+json"),
    }


def _endpoint(door: Door, method: str, verb: _Verb) -> ASGIApp:
    async def work(scope: Scope, receive: Receive) -> Answer:
        caller = await door.caller(scope, KeyKind.PRIVATE)
        refuse_packed(headers_of(scope))
        body = await read_body(receive, headers_of(scope), bytes_max=BYTES_MAX)
        value = await verb(caller, body)
        return await aside(partial(json_answer, value))

    return endpoint(method, work, explain=_explain)


def _explain(scope: Scope, error: Exception) -> Answer:
    """Return problem details that include ``data``: Kana's command line reads nothing else when it validates."""
    fault = told(scope, error)
    data = [line.marked for line in error.lines] if isinstance(error, ConfigRefused) else [f"[ERROR] {fault.message}"]
    field = getattr(error, "field", None)
    return fault_answer(fault, more={"data": data, **({} if field is None else {"path": field})})
