"""Insights: usage, adoption, top users, users near a limit, and refusals."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime

from starlette.responses import Response

from kana.dashboard.context import Context
from kana.dashboard.filtering import found, note
from kana.dashboard.forms import Errors
from kana.dashboard.insight_range import Range, asked_range, presets, usual_range
from kana.dashboard.page_request import PageRequest
from kana.dashboard.route import get
from kana.dashboard.usage_chart import Chart, chart_of
from kana.download import FORMATS, write_credit_csv
from kana.engine.usage.insights import DOWNLOAD_ROWS_MAX
from kana.errors import BadInput, InvalidValue
from kana.model.catalog import Catalog
from kana.model.feature import Feature
from kana.model.insights import Adoption, CreditRow, Outlook, Refusals, Step, Steps, TopUser, UsageRow
from kana.model.package import Package

POINTS_MAX = 2_500
"""The most steps that a chart draws."""

ROWS = 100
"""The most rows of a list of users."""

_NO_STEPS = Steps(Step.DAY, (), datetime.min.replace(tzinfo=UTC))
_NOBODY = "No package"
_BY_ITSELF = "Used by itself"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What an address asks for: a range, with its days as typed, and ids; "" is all.

    If ``errors`` say what is wrong with it, nothing is looked for.
    """

    range: Range
    first: str
    last: str
    feature: str
    package: str = ""
    user: str = ""
    presets: tuple[tuple[str, date], ...]
    errors: Errors

    @property
    def status(self) -> int:
        """The status of the answer."""
        return 400 if self.errors else 200


@dataclass(frozen=True, slots=True, kw_only=True)
class UsagePage(Context):
    """Usage over time: of all features, or of one by package. ``downloads`` are file formats and their addresses."""

    template = "insights_usage.html"
    asked: Asked
    features: Sequence[Feature]
    packages: Sequence[Package]
    chart: Chart
    by: str
    downloads: Sequence[tuple[str, str]]
    steps: tuple[Step, ...] = tuple(Step)


@dataclass(frozen=True, slots=True, kw_only=True)
class AdoptionPage(Context):
    """How many of the users who have a feature use it. ``names`` are the names of the features."""

    template = "insights_adoption.html"
    asked: Asked
    rows: Sequence[Adoption]
    names: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class TopUsersPage(Context):
    """The users who used a feature most."""

    template = "insights_users.html"
    asked: Asked
    features: Sequence[Feature]
    rows: Sequence[TopUser]


@dataclass(frozen=True, slots=True, kw_only=True)
class CreditsPage(Context):
    """What a credit was spent on over time. ``features`` are the credits there are, by name."""

    template = "insights_credits.html"
    asked: Asked
    features: Sequence[Feature]
    chart: Chart
    download: str
    steps: tuple[Step, ...] = tuple(Step)


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitsPage(Context):
    """The users near or over a limit, and when they run out at the pace of their period."""

    template = "insights_limits.html"
    rows: Sequence[Outlook]
    names: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusalsPage(Context):
    """Which users were refused which features. ``by_feature`` is the sum of the rows."""

    template = "insights_refusals.html"
    asked: Asked
    features: Sequence[Feature]
    rows: Sequence[Refusals]
    by_feature: Sequence[tuple[str, int]]
    names: Mapping[str, str]


async def show_usage(request: PageRequest) -> Response:
    """Draw usage over time."""
    asked, catalog = _asked(request), await _catalog(request)
    nothing: tuple[list[UsageRow], Steps] = ([], _NO_STEPS)
    rows, steps = await found(asked.errors, lambda: _drawn(request, asked), otherwise=nothing)
    features, packages = catalog.features, catalog.packages

    def name_of(row: UsageRow) -> str:
        if not asked.feature:
            return features[row.feature_id].name if row.feature_id in features else row.feature_id
        if row.package_id is None:
            return _NOBODY
        return packages[row.package_id].name if row.package_id in packages else row.package_id

    page = UsagePage(
        asked=asked,
        features=_by_name(catalog),
        packages=sorted(packages.values(), key=lambda package: package.name.casefold()),
        chart=chart_of(rows, steps, name_of=name_of),
        by="package" if asked.feature else "feature",
        downloads=[
            (kind, request.url(f"/insights/usage.{kind}", **dict(request.http.query_params))) for kind in FORMATS
        ],
    )
    return request.show(page, status=asked.status)


async def download_usage(request: PageRequest) -> Response:
    """Return the same usage as a file, by feature and package."""
    kind = FORMATS[request.path.rpartition(".")[2]]
    rows = await _usage(request, _asked_of_file(request))
    headers = {"content-disposition": f'attachment; filename="usage-{request.environment}.{kind.extension}"'}
    return Response(await asyncio.to_thread(kind.write, rows), media_type=kind.content_type, headers=headers)


async def _drawn(request: PageRequest, asked: Asked) -> tuple[list[UsageRow], Steps]:
    steps = _steps(asked)
    return await _usage(request, asked), steps


async def _usage(request: PageRequest, asked: Asked) -> list[UsageRow]:
    return await request.engine.insights.usage(
        request.environment,
        start=asked.range.start,
        end=asked.range.end,
        step=asked.range.step,
        feature_ids=[asked.feature] if asked.feature else None,
        package_ids=[asked.package] if asked.package else None,
        user_id=asked.user or None,
        rows_max=DOWNLOAD_ROWS_MAX,
    )


def _steps(asked: Asked) -> Steps:
    """Return the steps of a chart.

    Raises:
        InvalidValue: there are more than a chart draws.
    """
    steps = Steps.over(asked.range.start, asked.range.end, asked.range.step)
    if len(steps.begins) > POINTS_MAX:
        raise InvalidValue(
            f"a chart has at most {POINTS_MAX:,} steps, got {len(steps.begins):,}: choose a larger step or fewer days",
            field="step",
        )
    return steps


async def show_credits(request: PageRequest) -> Response:
    """Draw what a credit was spent on; the first credit if the address names none."""
    catalog = await _catalog(request)
    credit_ids = catalog.credit_ids
    features = [each for each in _by_name(catalog) if each.id in credit_ids]
    asked = _asked(request, feature=features[0].id if features else "")
    nothing: tuple[list[CreditRow], Steps] = ([], _NO_STEPS)
    rows, steps = await found(asked.errors, lambda: _spent_drawn(request, asked), otherwise=nothing)
    names = _names(catalog)

    def name_of(row: CreditRow) -> str:
        return _BY_ITSELF if row.feature_id is None else names.get(row.feature_id, row.feature_id)

    page = CreditsPage(
        asked=asked,
        features=features,
        chart=chart_of(rows, steps, name_of=name_of),
        download=request.url("/insights/credits.csv", **(dict(request.http.query_params) | {"feature": asked.feature})),
    )
    return request.show(page, status=asked.status)


async def download_credits(request: PageRequest) -> Response:
    """Return the same as a file."""
    rows = await _spent(request, _asked_of_file(request))
    headers = {"content-disposition": f'attachment; filename="credits-{request.environment}.csv"'}
    return Response(
        await asyncio.to_thread(write_credit_csv, rows), media_type="text/csv; charset=utf-8", headers=headers
    )


async def _spent_drawn(request: PageRequest, asked: Asked) -> tuple[list[CreditRow], Steps]:
    steps = _steps(asked)
    return await _spent(request, asked) if asked.feature else [], steps


async def _spent(request: PageRequest, asked: Asked) -> list[CreditRow]:
    return await request.engine.insights.credit(
        request.environment,
        asked.feature,
        start=asked.range.start,
        end=asked.range.end,
        step=asked.range.step,
        rows_max=DOWNLOAD_ROWS_MAX,
    )


async def show_adoption(request: PageRequest) -> Response:
    """List features with their adoption, the least used first; features that nobody has come last."""
    asked, catalog = _asked(request), await _catalog(request)
    insights, asked_for = request.engine.insights, asked.range
    rows: list[Adoption] = await found(
        asked.errors,
        lambda: insights.adoption(request.environment, start=asked_for.start, end=asked_for.end),
        otherwise=[],
    )
    rows.sort(key=lambda row: (row.share is None, row.share, row.feature_id))
    return request.show(AdoptionPage(asked=asked, rows=rows, names=_names(catalog)), status=asked.status)


async def show_top_users(request: PageRequest) -> Response:
    """List the users who used a feature most; the first feature if the address names none."""
    catalog = await _catalog(request)
    features = _by_name(catalog)
    asked = _asked(request, feature=features[0].id if features else "")
    rows: list[TopUser] = []
    if asked.feature:
        insights, asked_for = request.engine.insights, asked.range
        rows = await found(
            asked.errors,
            lambda: insights.top_users(
                request.environment, asked.feature, start=asked_for.start, end=asked_for.end, first=ROWS
            ),
            otherwise=[],
        )
    return request.show(TopUsersPage(asked=asked, features=features, rows=rows), status=asked.status)


async def show_limits(request: PageRequest) -> Response:
    """List the users near a limit."""
    rows = await request.engine.insights.near_limit(request.environment, first=ROWS)
    return request.show(LimitsPage(rows=rows, names=_names(await _catalog(request))))


async def show_refusals(request: PageRequest) -> Response:
    """List refusals, the most frequent first."""
    asked, catalog = _asked(request), await _catalog(request)
    insights, asked_for = request.engine.insights, asked.range
    rows: list[Refusals] = await found(
        asked.errors,
        lambda: insights.refusals(
            request.environment,
            start=asked_for.start,
            end=asked_for.end,
            feature_id=asked.feature or None,
            user_id=asked.user or None,
            first=ROWS,
        ),
        otherwise=[],
    )
    counts: Counter[str] = Counter()
    for row in rows:
        counts[row.feature_id] += row.count
    page = RefusalsPage(
        asked=asked,
        features=_by_name(catalog),
        rows=rows,
        by_feature=counts.most_common(),
        names=_names(catalog),
    )
    return request.show(page, status=asked.status)


def _asked_of_file(request: PageRequest) -> Asked:
    """Return what the address of a file asks for.

    Raises:
        BadInput: it is wrong; a file has no form to say so in.
    """
    asked = _asked(request)
    for message in asked.errors.by_field.values():
        raise BadInput(message)
    return asked


def _asked(request: PageRequest, *, feature: str = "") -> Asked:
    errors = Errors()
    try:
        range_ = asked_range(request)
    except InvalidValue as error:
        note(error, errors)
        range_ = usual_range(request)
    return Asked(
        range=range_,
        first=request.asked("from") or str(range_.first),
        last=request.asked("to") or str(range_.last),
        errors=errors,
        feature=request.asked("feature", feature),
        package=request.asked("package"),
        user=request.asked("user").strip(),
        presets=presets(request),
    )


async def _catalog(request: PageRequest) -> Catalog:
    return await request.engine.catalog.read(request.environment)


def _by_name(catalog: Catalog) -> list[Feature]:
    return sorted(catalog.features.values(), key=lambda feature: feature.name.casefold())


def _names(catalog: Catalog) -> dict[str, str]:
    return {feature.id: feature.name for feature in catalog.features.values()}


ROUTES = (
    get("/insights", show_usage),
    *(get(f"/insights/usage.{kind}", download_usage) for kind in FORMATS),
    get("/insights/adoption", show_adoption),
    get("/insights/users", show_top_users),
    get("/insights/credits", show_credits),
    get("/insights/credits.csv", download_credits),
    get("/insights/limits", show_limits),
    get("/insights/refusals", show_refusals),
)
