"""``/v1`` as an application: finds the address of a request, and answers as it says."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache
from time import perf_counter

from starlette.types import ASGIApp, Receive, Scope, Send

from kana.api.access import Door
from kana.api.cors import to_any_origin
from kana.api.endpoint import serve
from kana.api.graphql.endpoint import Observer
from kana.api.http import Answer, answer_method_not_allowed, fault_answer, send_answer, told
from kana.api.v1.addresses import ADDRESSES, ENTITLEMENTS, Address
from kana.api.v1.entitlements import READABLE, Entitlements
from kana.api.v1.operations import Operation, Work
from kana.api.v1.reading import segments_of
from kana.engine.engine import Engine
from kana.errors import InvalidValue, NotFound

_ANY = "{}"


@cache
def operations() -> tuple[Operation | Entitlements, ...]:
    """Return all addresses, in the order of the table, with what is worked out once for each."""
    return tuple(
        Entitlements(address) if address.operation == ENTITLEMENTS else Operation(address) for address in ADDRESSES
    )


@dataclass(slots=True)
class _Place:
    """A place in the tree of paths: what is below it, and the application of each method."""

    below: dict[str, _Place] = field(default_factory=dict)
    methods: dict[str, ASGIApp] = field(default_factory=dict)

    def at(self, path: str) -> _Place:
        """Return the place of a path of the table, made where there is none yet."""
        place = self
        for part in path.split("/")[1:]:
            place = place.below.setdefault(_ANY if part.startswith("{") else part, _Place())
        return place

    def find(self, parts: Iterable[str]) -> _Place | None:
        """Return the place of a path as it was asked for; None if there is none. A word goes before an id."""
        place: _Place | None = self
        for part in parts:
            if place is None:
                return None
            place = place.below.get(part) or place.below.get(_ANY)
        return place


def endpoint(engine: Engine, door: Door, *, observe: Observer | None = None) -> ASGIApp:
    """Return the application of all addresses of the table.

    ``observe`` gets the operation, the outcome and the seconds of each answer.
    """
    root = _Place()
    words: dict[str, dict[str, ASGIApp]] = {}
    for operation in operations():
        address = operation.address
        methods = root.at(address.path).methods
        if "{" not in address.path:
            words[address.path] = methods
        methods[address.method] = made = _application(address, operation.work(engine, door), observe)
        if address.operation == ENTITLEMENTS:
            methods["GET"] = methods["OPTIONS"] = to_any_origin(made, method=b"GET", readable=READABLE)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        methods = words.get(scope["path"]) or _methods_at(root, scope)
        found = methods.get(scope["method"])
        if found is not None:
            await found(scope, receive, send)
        elif methods:
            await answer_method_not_allowed(scope, send, ", ".join(methods).encode())
        else:
            # The address is not repeated: it may contain anything.
            nothing = NotFound("there is nothing at this address; /v1/openapi.json describes all that there are")
            await send_answer(send, _explain(scope, nothing)[0])

    return app


def _application(address: Address, work: Work, observe: Observer | None) -> ASGIApp:
    """Return the application of one address."""
    label = f"v1.{address.id}"

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        began = perf_counter()
        outcome = "ok"

        def explain(scope: Scope, error: Exception) -> Answer:
            nonlocal outcome
            made, outcome = _explain(scope, error)
            return made

        is_answered = await serve(scope, receive, send, method=address.method, work=work, explain=explain)
        if is_answered and observe is not None:
            observe(label, outcome, perf_counter() - began)

    return app


def _explain(scope: Scope, error: Exception) -> tuple[Answer, str]:
    """Return an error as problem details that name the field, if it is about one, and the error's code."""
    fault = told(scope, error)
    name = error.field if isinstance(error, InvalidValue) else None
    return fault_answer(fault, more=None if name is None else {"field": name}), fault.code


def _methods_at(root: _Place, scope: Scope) -> dict[str, ASGIApp]:
    try:
        place = root.find(segments_of(scope["raw_path"]))
    except InvalidValue:
        return {}
    return {} if place is None else place.methods
