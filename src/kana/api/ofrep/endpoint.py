"""``/ofrep/v1/evaluate/flags``: one flag, or all of them. Asking never uses anything.

Source: OpenFeature Remote Evaluation Protocol 0.3.0.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NamedTuple
from urllib.parse import unquote_to_bytes

import orjson
from starlette.types import ASGIApp, Receive, Scope, Send

from kana.api.access import Door
from kana.api.body import made_of, read_body, read_json, refuse_packed
from kana.api.client.context import Reader, reader_of
from kana.api.cors import to_any_origin
from kana.api.endpoint import endpoint as endpoint_of
from kana.api.http import Answer, fault_answer, headers_of, told
from kana.api.ofrep.flags import Flag, evaluated, flag_of, flags_of
from kana.api.tags import tagged
from kana.engine.engine import Engine
from kana.engine.turns import in_turns
from kana.engine.users.holdings import Entitled
from kana.errors import FeatureNotFound, InvalidValue, UserNotFound
from kana.model.feature import Feature
from kana.model.text import identifier, whole_number

PATH = "/ofrep/v1/evaluate/flags"

_READABLE = b"etag, retry-after, x-request-id"


class _Question(NamedTuple):
    """Who is asked about, and for how many units."""

    user_id: str
    delta: int


def endpoint(engine: Engine, door: Door) -> ASGIApp:
    """Return the application of one flag and of all of them, for servers and for pages of any origin."""

    async def all_of_them(scope: Scope, receive: Receive) -> Answer:
        caller = await reader_of(scope, engine, door, simple=True)
        question, context = await _question(scope, receive, caller)
        catalog = await engine.catalog.read(caller.environment)
        found = await _entitled(engine, caller, question)
        flags = [
            flag
            for part in await in_turns(list(catalog.features.values()), lambda each: _flags(each, found.get(each.id)))
            for flag in part
        ]
        return tagged(orjson.dumps({"flags": flags}), headers_of(scope), about=context)

    async def one(scope: Scope, receive: Receive) -> Answer:
        caller = await reader_of(scope, engine, door, simple=True)
        question, _ = await _question(scope, receive, caller)
        flag = flag_of((await engine.catalog.read(caller.environment)).features, _key(scope))
        found = (await _entitled(engine, caller, question, flag.feature)).get(flag.feature.id)
        return Answer(200, orjson.dumps(_evaluated(flag, found)))

    whole, single = endpoint_of("POST", all_of_them, explain=_explain), endpoint_of("POST", one, explain=_explain)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await (whole if scope["path"] == PATH else single)(scope, receive, send)

    return to_any_origin(app, method=b"POST", readable=_READABLE)


async def _question(scope: Scope, receive: Receive, caller: Reader) -> tuple[_Question, bytes]:
    """Return what the body asks, and the text that it is said in; with a token it need not say about whom.

    Raises:
        InvalidValue: the body is no context, or does not say about whom.
        UserNotFound: it is about somebody else than the token's user.
    """
    headers = headers_of(scope)
    refuse_packed(headers)
    body = await read_body(receive, headers)
    read = await made_of(body, read_json)
    context = read.get("context", {}) if isinstance(read, dict) else None
    if not isinstance(context, dict):
        raise InvalidValue("body must be an object with a context, which is an object", field="context")
    owner = caller.owner
    user_id = context.get("targetingKey", None if owner is None else owner.id)
    if not isinstance(user_id, str) or not user_id:
        raise _NoTarget("targetingKey must be the id of a user", field="targetingKey")
    if owner is not None and identifier(user_id, field="targetingKey") != owner.id:
        raise UserNotFound("the token is another user's")
    delta = whole_number(context.get("delta", 1), field="delta", least=1)
    return _Question(identifier(user_id, field="targetingKey"), delta), body


class _NoTarget(InvalidValue):
    """The context does not say about whom is asked."""


async def _entitled(
    engine: Engine, caller: Reader, question: _Question, feature: Feature | None = None
) -> Mapping[str, Entitled]:
    """Return what the user may do with each feature that anything gives them, or with one."""
    found = await engine.holdings.entitlements(
        caller.environment,
        question.user_id,
        feature_id=None if feature is None else feature.id,
        delta=question.delta,
        owner=caller.owner,
    )
    return {each.feature.id: each for each in found}


def _flags(feature: Feature, found: Entitled | None) -> list[dict[str, Any]]:
    return [_evaluated(flag, found) for flag in flags_of(feature)]


def _evaluated(flag: Flag, found: Entitled | None) -> dict[str, Any]:
    return evaluated(flag, None if found is None else found.decision, None if found is None else found.resets_at)


def _key(scope: Scope) -> str:
    """Return the key of a flag, which is the rest of the path; some providers do not encode it.

    Raises:
        InvalidValue: it is not percent-encoded UTF-8.
    """
    raw: bytes = scope["raw_path"]
    try:
        return unquote_to_bytes(raw[len(PATH) + 1 :]).decode("utf-8")
    except UnicodeDecodeError:
        raise InvalidValue("the key of the flag must be percent-encoded UTF-8", field="key") from None


def _explain(scope: Scope, error: Exception) -> Answer:
    """Return an error as problem details, with what the protocol has for it beside them.

    A program reads ``errorCode``, and a provider shows ``errorDetails``.
    """
    fault = told(scope, error)
    code = _code_of(error)
    if code is None:
        return fault_answer(fault)
    more = {"errorCode": code, "errorDetails": fault.message}
    if scope["path"] != PATH:
        more["key"] = unquote_to_bytes(scope["raw_path"][len(PATH) + 1 :]).decode("utf-8", "replace")
    # Not found is a flag alone.
    return fault_answer(replace(fault, status=404 if code == "FLAG_NOT_FOUND" else 400), more=more)


def _code_of(error: Exception) -> str | None:
    """Return the word that the protocol has for an error; None if it has none."""
    if isinstance(error, FeatureNotFound):
        return "FLAG_NOT_FOUND"
    if isinstance(error, _NoTarget):
        return "TARGETING_KEY_MISSING"
    if isinstance(error, UserNotFound) or (isinstance(error, InvalidValue) and error.field is not None):
        return "INVALID_CONTEXT"
    return "PARSE_ERROR" if type(error) is InvalidValue else None
