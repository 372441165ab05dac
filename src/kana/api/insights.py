"""``GET /v1/insights.csv`` and ``.parquet``: usage as a file, with a private key."""

from __future__ import annotations

from datetime import datetime

from starlette.types import ASGIApp, Receive, Scope

from kana.api.access import Door
from kana.api.endpoint import endpoint
from kana.api.http import Answer
from kana.api.query import arguments_in
from kana.download import FORMATS, Format
from kana.engine.pace import aside
from kana.engine.usage.insights import DOWNLOAD_ROWS_MAX, InsightEngine
from kana.errors import InvalidValue
from kana.model.environment import Environment
from kana.model.insights import Step, UsageRow
from kana.model.key import KeyKind
from kana.model.period import time_in
from kana.model.text import identifier, shown

IDS_MAX = 100
"""The most features, and the most packages, that one download may name."""


def routes(insights: InsightEngine, door: Door) -> dict[str, ASGIApp]:
    """Return an endpoint for each file format."""
    return {f"/v1/insights.{name}": _download(insights, door, format_) for name, format_ in FORMATS.items()}


def _download(insights: InsightEngine, door: Door, format_: Format) -> ASGIApp:
    async def work(scope: Scope, _receive: Receive) -> Answer:
        caller = await door.caller(scope, KeyKind.PRIVATE)
        rows = await _rows(insights, caller.environment, scope["query_string"])
        body = await aside(lambda: format_.write(rows))
        name = f'attachment; filename="usage-{caller.environment}.{format_.extension}"'
        headers = [(b"content-disposition", name.encode())]
        return Answer(200, body, format_.content_type.encode(), headers)

    return endpoint("GET", work)


async def _rows(insights: InsightEngine, environment: Environment, query_string: bytes) -> list[UsageRow]:
    given = _arguments(query_string)
    user_ids = _ids(given, "userId")
    if user_ids is not None and len(user_ids) > 1:
        raise InvalidValue("userId must be given once", field="userId")
    return await insights.usage(
        environment,
        start=_time(given, "from"),
        end=_time(given, "to"),
        step=_step(given),
        feature_ids=_ids(given, "featureId"),
        package_ids=_ids(given, "packageId"),
        user_id=None if user_ids is None else user_ids[0],
        rows_max=DOWNLOAD_ROWS_MAX,
    )


def _arguments(query_string: bytes) -> dict[str, list[str]]:
    given = arguments_in(query_string)
    for name in given:
        if name not in ("from", "to", "by", "featureId", "packageId", "userId"):
            raise InvalidValue(
                f"unknown argument {shown(name)}: the arguments are from, to, by, featureId, packageId and userId"
            )
    return given


def _time(given: dict[str, list[str]], name: str) -> datetime:
    return time_in(given[name][-1] if name in given else None, field=name)


def _step(given: dict[str, list[str]]) -> Step:
    word = given.get("by", [Step.DAY.value])[-1]
    if word not in set(Step):
        raise InvalidValue(f"by must be one of {', '.join(Step)}, got {shown(word)}", field="by")
    return Step(word)


def _ids(given: dict[str, list[str]], name: str) -> list[str] | None:
    values = given.get(name)
    if values is None:
        return None
    if len(values) > IDS_MAX:
        raise InvalidValue(f"{name} must be given at most {IDS_MAX} times, got {len(values)}", field=name)
    return list(dict.fromkeys(identifier(value, field=name) for value in values))
