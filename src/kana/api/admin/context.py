"""The caller of a request, found once, and what its resolvers share."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeAlias

from graphql import GraphQLResolveInfo
from starlette.types import Scope

from kana.api.access import Door
from kana.api.admin.loader import DecisionLoader
from kana.api.http import request_id_of
from kana.engine.access.access import Caller
from kana.engine.engine import Engine
from kana.model.catalog import Catalog
from kana.model.environment import Actor, Environment
from kana.model.key import KeyKind


class AdminContext:
    """One request of a caller with a private key.

    The catalogue is read once, when a field first needs it, and again after a change or if something
    names a package that was created in between.
    """

    __slots__ = ("_catalog", "_decisions", "_reading", "caller", "engine", "environment", "request_id")

    def __init__(self, caller: Caller, engine: Engine, *, request_id: str) -> None:
        self.caller = caller
        self.engine = engine
        self.environment: Environment = caller.environment
        self.request_id = request_id
        self._decisions: DecisionLoader | None = None
        self._catalog: Catalog | None = None
        self._reading: asyncio.Task[Catalog] | None = None

    @property
    def decisions(self) -> DecisionLoader:
        """What reads decisions that several fields ask for at once; made when the first of them does."""
        if self._decisions is None:
            self._decisions = DecisionLoader(self.engine.usage, self.environment)
        return self._decisions

    @property
    def actor(self) -> Actor:
        """The caller, as the log of changes names them."""
        return self.caller.actor

    @property
    def catalog(self) -> Catalog:
        """The catalogue as last read. Every resolver that returns packages or features has read it."""
        assert self._catalog is not None, "a resolver returned packages or features without reading the catalogue"
        return self._catalog

    async def read_catalog(self, *, holding: Iterable[str] = ()) -> Catalog:
        """Return the catalogue, read again only if it lacks a package that ``holding`` names."""
        if self._catalog is None and self._reading is not None:
            self._catalog = await self._reading  # It may have just finished, before those who wait for it are awake.
        if self._catalog is None or any(package_id not in self._catalog.packages for package_id in holding):
            return await self.refresh_catalog()
        return self._catalog

    async def refresh_catalog(self) -> Catalog:
        """Read the catalogue again. Fields that need it at the same time share one reading."""
        if self._reading is None or self._reading.done():
            self._reading = asyncio.ensure_future(self.engine.catalog.read(self.environment))
        self._catalog = await self._reading
        return self._catalog


Info: TypeAlias = GraphQLResolveInfo[AdminContext]


def context_factory(engine: Engine, door: Door) -> Callable[[Scope], Awaitable[AdminContext]]:
    """Return the function that creates the context of a request. It accepts private keys, bare or as Bearer.

    Raises (when called):
        Unauthenticated: there is no key, or it is not valid here; the message is always the same.
        RateLimited: the same, too often.
    """

    async def make(scope: Scope) -> AdminContext:
        caller = await door.caller(scope, KeyKind.PRIVATE)
        return AdminContext(caller, engine, request_id=request_id_of(scope))

    return make
