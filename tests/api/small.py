"""A small schema with one field for each thing that can happen, and the server that serves it.

``python -m tests.api.small '{"head_s": 0.3}'`` listens on a free port, prints it and serves until SIGTERM.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from subprocess import PIPE, Popen
from typing import Any

from graphql import GraphQLScalarType, GraphQLSchema, build_schema
from prometheus_client import CollectorRegistry
from starlette.types import Receive, Scope, Send

from kana.api import logs
from kana.api.graphql import GraphQLEndpoint, Limits
from kana.api.health import healthz, metrics_page, readyz
from kana.api.http import Router, answer, answer_json, headers_of
from kana.api.metrics import Metrics
from kana.api.server import Bounds, serve
from kana.errors import RateLimited, Unauthenticated, Unavailable, UserNotFound

KEY = "prv_test_" + "k" * 32
LARGE_BYTES = 16_000_000
GUEST = "pub_test_" + "g" * 32

SDL = """
scalar JSON
enum Colour { RED GREEN }
input Item { name: String!, tags: [String!], more: Item }
type Leafs { aFlag: Boolean!, aText: String, aNumber: Int!, aColour: Colour, wrong: Int, anything: JSON, self: Leafs!
  flags: [Boolean!]!, texts: [String], numbers: [Int!], colours: [Colour!], wrongTexts: [String!], wrongNumbers: [Int],
  grid: [[Int!]!]! }
type Query {
  ping: Boolean!
  echo(text: String, number: Int, ids: [String!], flag: Boolean = true, value: JSON, item: Item): String!
  leafs: Leafs!
  leafList: [Leafs!]!
  boom: String
  boomRequired: String!
  missing: String
  limited: String
  unavailable: String
  wrongKind: Int!
  slow: Boolean!
}
type Mutation {
  add(delta: Int!): Int!
  addMany(items: [Item!]!): Int!
  fail: Int!
}
"""


@dataclass(slots=True)
class Leafs:
    a_flag: bool = True
    a_text: str | None = None
    a_number: int = 7
    a_colour: str = "RED"
    wrong: object = "no number"
    anything: object = field(default_factory=lambda: {"any": [1, None]})

    flags: list[bool] = field(default_factory=lambda: [True, False])
    texts: list[str | None] = field(default_factory=lambda: ["a", None])
    numbers: tuple[int, ...] | list[int] = field(default_factory=lambda: [1, 2])
    colours: list[str] | None = field(default_factory=lambda: ["RED", "GREEN"])
    wrong_texts: list[str | None] = field(default_factory=lambda: ["a", None])
    wrong_numbers: list[object] = field(default_factory=lambda: [1, None, 2**40, "x"])
    grid: list[list[int]] = field(default_factory=lambda: [[1], []])

    def self(self, _info: object) -> Leafs:
        return self


@dataclass(slots=True)
class World:
    """What the resolvers did."""

    added: list[int] = field(default_factory=list)
    seen: list[dict[str, Any]] = field(default_factory=list)


def small_schema(world: World) -> GraphQLSchema:
    """The schema, bound to resolvers that write into ``world``."""
    schema = build_schema(SDL)
    json_type = schema.get_type("JSON")
    assert isinstance(json_type, GraphQLScalarType)

    async def ping(_root: object, _info: object) -> bool:
        return True

    async def echo(_root: object, _info: object, **arguments: Any) -> str:
        world.seen.append(arguments)
        return json.dumps(arguments, sort_keys=True)

    async def boom(_root: object, _info: object) -> str:
        raise RuntimeError("secret detail of the database")

    async def missing(_root: object, _info: object) -> str:
        raise UserNotFound("no user 'x'")

    async def limited(_root: object, _info: object) -> str:
        raise RateLimited("too many requests", retry_after_s=7)

    async def unavailable(_root: object, _info: object) -> str:
        raise Unavailable("the store does not answer", retry_after_s=1)

    async def slow(_root: object, _info: object) -> bool:
        await asyncio.sleep(0.5)
        return True

    async def add(_root: object, _info: object, *, delta: int) -> int:
        await asyncio.sleep(0)
        world.added.append(delta)
        return sum(world.added)

    query, mutation = schema.query_type, schema.mutation_type
    assert query is not None
    assert mutation is not None
    resolvers: dict[str, Any] = {
        "ping": ping,
        "echo": echo,
        "leafs": lambda _root, _info: Leafs(),
        "leafList": lambda _root, _info: [Leafs(), Leafs(a_text="second", numbers=(3,), colours=None)],
        "boom": boom,
        "boomRequired": boom,
        "missing": missing,
        "limited": limited,
        "unavailable": unavailable,
        "wrongKind": lambda _root, _info: 2**40,
        "slow": slow,
    }
    for name, resolve in resolvers.items():
        query.fields[name].resolve = resolve
    mutation.fields["add"].resolve = add
    mutation.fields["addMany"].resolve = lambda _root, _info, *, items: sum(type(item) is dict for item in items)
    mutation.fields["fail"].resolve = missing
    return schema


async def who(scope: Scope) -> str:
    """A caller with a key, or none at all."""
    key = headers_of(scope).get(b"authorization", b"").decode().removeprefix("Bearer ")
    if key not in (KEY, GUEST):
        raise Unauthenticated
    return key


def small_app(
    world: World | None = None,
    *,
    limits: Limits | None = None,
    registry: CollectorRegistry | None = None,
    log_requests: bool = True,
) -> Router:
    """The schema at /graphql, beside what every server of ours has, and an address that raises."""
    metrics = Metrics(registry or CollectorRegistry())
    endpoint = GraphQLEndpoint(
        small_schema(world or World()),
        who,
        limits=limits,
        may_introspect=lambda key: key == KEY,
        hide_suggestions=lambda key: key == GUEST,
        observe=metrics.request,
    )

    async def always() -> None:
        return None

    async def broken(_scope: Scope, _receive: Receive, _send: Send) -> None:
        raise RuntimeError("secret detail")

    async def any_rest(scope: Scope, _receive: Receive, send: Send) -> None:
        await answer_json(send, 200, {"rest": scope["path"]})

    async def split(_scope: Scope, _receive: Receive, send: Send) -> None:
        await answer_json(send, 200, {}, headers=((b"x-name", b"a\r\nset-cookie: b=c"),))

    async def stream(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for part in (b"one ", b"two"):
            await send({"type": "http.response.body", "body": part, "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    async def large(_scope: Scope, _receive: Receive, send: Send) -> None:
        await answer(send, 200, b"x" * LARGE_BYTES, content_type=b"text/plain")

    return Router(
        {
            "/large": large,
            "/split": split,
            "/stream": stream,
            "/graphql": endpoint,
            "/healthz": healthz(),
            "/readyz": readyz(always),
            "/metrics": metrics_page(metrics.registry),
            "/broken": broken,
        },
        prefixes={"/pages/": any_rest},
        log_requests=log_requests,
    )


@contextmanager
def small_server(
    *, log_requests: bool = True, files_max: int | None = None, **bounds: float
) -> Iterator[tuple[Popen[str], int]]:
    """A real server in a process of its own, and its port; ended by SIGTERM, then waited for.

    What it logs is read when it ends: a test that asks many thousand times has to do without.
    """
    limited = [] if files_max is None else ["sh", "-c", f'ulimit -n {files_max} && exec "$@"', "sh"]
    command = [
        *limited,
        sys.executable,
        "-W",
        "error",
        "-m",
        "tests.api.small",
        json.dumps(bounds),
        str(int(log_requests)),
    ]
    with Popen(command, stdout=PIPE, stderr=PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process, int(process.stdout.readline())
        finally:
            process.terminate()
            process.communicate(timeout=20)


if __name__ == "__main__":
    logs.configure()
    sys.exit(
        serve(
            small_app(log_requests=sys.argv[2] == "1"),
            port=0,
            bounds=Bounds(**json.loads(sys.argv[1])),
            ready=lambda _host, port: print(port, flush=True),
        )
    )
