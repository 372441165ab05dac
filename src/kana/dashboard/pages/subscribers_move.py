"""Moving many users to another package: the form, what it would do, its progress and results, and the way back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from starlette.responses import Response

from kana.dashboard.confirmation import ask
from kana.dashboard.context import Context
from kana.dashboard.forms import new_key
from kana.dashboard.listing import ROWS
from kana.dashboard.page_request import PageRequest
from kana.dashboard.pages.user_terms import named
from kana.dashboard.route import get, post
from kana.engine.users.bulk_changes import parse_change_id
from kana.errors import BadInput, IdempotencyKeyReused
from kana.model.bulk_change import OPEN, BulkChange, BulkOutcome, BulkResult, BulkState, Move
from kana.model.bulk_preview import MovePreview, PreviewTotals, Prospect
from kana.model.catalog import Catalog
from kana.model.colleague import Role
from kana.model.package import Package, PackageStatus
from kana.model.terms import ChangeTime, ChangeUsage
from kana.model.text import TEXT_LENGTH_MAX, counted

_LATEST = 10

LISTED_MAX = 100
"""The most users that the form takes as a list: it is part of an address."""

PROSPECTS = {
    Prospect.WOULD_CHANGE: "Moves",
    Prospect.WOULD_BE_REFUSED: "Refused",
    Prospect.WOULD_BE_SKIPPED: "Skipped",
}
STATES = {
    BulkState.LISTING: "Looking for users",
    BulkState.RUNNING: "Moving users",
    BulkState.DONE: "Done",
    BulkState.TAKING_BACK: "Moving users back",
    BulkState.TAKEN_BACK: "Moved back",
}
OUTCOMES = {
    BulkOutcome.WAITING: "Waiting",
    BulkOutcome.CHANGED: "Moved",
    BulkOutcome.REFUSED: "Refused",
    BulkOutcome.SKIPPED: "Skipped",
}


class Told(NamedTuple):
    """A job with its state in words, and the names of its packages; ``old`` is "" if users of any may be moved."""

    change: BulkChange
    state: str
    old: str
    new: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MovePage(Context):
    """The form: who is moved to which package, and how. ``error`` says why it was refused; ``latest`` are jobs."""

    template = "subscribers_move.html"
    package: str
    search: str
    listed: str
    to: str
    when: ChangeTime
    usage: ChangeUsage
    olds: Sequence[Package]
    news: Sequence[Package]
    latest: Sequence[Told]
    error: str = ""


class PreviewLine(NamedTuple):
    """What would become of one user, in words."""

    preview: MovePreview
    outcome: str
    package: str
    loses: Sequence[str]
    over: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class PreviewPage(Context):
    """What would become of users: totals on the first page, and those after ``after``; ``last`` leads to the next."""

    template = "subscribers_move_preview.html"
    move: Move
    listed: str
    new: str
    totals: PreviewTotals | None
    lines: Sequence[PreviewLine]
    after: str
    last: str
    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MovedPage(Context):
    """How far a job is, and what has become of its users: of one ``outcome`` or of all, after the number ``after``.

    ``counts`` are of each outcome, in words; ``done`` are how many of those whom there is ``to_do``. Where it
    ``is_back``, they are those of the way back.
    """

    template = "subscribers_moved.html"
    told: Told
    is_open: bool
    is_back: bool
    counts: Sequence[tuple[str, int]]
    to_do: int
    done: int
    results: Sequence[tuple[BulkResult, str, str]]
    outcome: str
    outcomes: Sequence[tuple[BulkOutcome, str]]
    after: int
    last: int


async def show_form(request: PageRequest) -> Response:
    """Ask who is moved to which package."""
    return request.show(await _form(request, _asked(request)))


async def _form(request: PageRequest, move: Move, *, error: str = "") -> MovePage:
    catalog = await request.engine.catalog.read(request.environment)
    bases = [each for each in catalog.packages.values() if not each.is_addon]
    news = [each for each in bases if each.status is PackageStatus.PUBLISHED]
    others = [each.id for each in news if each.id != move.from_package_id]
    latest = await request.engine.bulk_changes.latest(request.environment, first=_LATEST)
    return MovePage(
        package=move.from_package_id or "",
        search=move.search,
        listed=_listed(move),
        to=move.package_id or next(iter(others), ""),
        when=move.when,
        usage=move.usage,
        olds=[each for each in bases if each.status is not PackageStatus.DRAFT],
        news=news,
        latest=[_told(each, catalog) for each in latest],
        error=error,
    )


def _told(change: BulkChange, catalog: Catalog) -> Told:
    old, new = change.move.from_package_id, change.move.package_id
    return Told(change, STATES[change.state], "" if old is None else _name(catalog, old), _name(catalog, new))


def _name(catalog: Catalog, package_id: str) -> str:
    """Return what a package is called; a draft may have been deleted since then."""
    package = catalog.packages.get(package_id)
    return package_id if package is None else package.name


def _asked(request: PageRequest) -> Move:
    """Return the move that the address says."""
    return Move(
        package_id=request.asked("to"),
        when=named(request.asked("when"), ChangeTime.NOW),
        usage=named(request.asked("usage"), ChangeUsage.RESET),
        from_package_id=request.asked("package") or None,
        search=request.asked("q").strip()[:TEXT_LENGTH_MAX].replace("\0", ""),
        user_ids=_ids(request.asked("ids")),
    )


def _ids(text: str) -> tuple[str, ...] | None:
    """Return the ids of a list, one a line; None if it is empty."""
    return tuple(dict.fromkeys(line.strip() for line in text.splitlines() if line.strip())) or None


def _listed(move: Move) -> str:
    """Return the list as it is typed."""
    return "\n".join(move.user_ids or ())


async def show_preview(request: PageRequest) -> Response:
    """Show what would become of whom; the empty form, if the address says nothing."""
    if not request.http.query_params:
        return request.go("/subscribers/move")
    move, after = _asked(request), request.asked("after")
    if wrong := _wrong(move):
        return request.show(await _form(request, move, error=wrong), status=400)
    engine, environment = request.engine.bulk_changes, request.environment
    try:
        lines = await engine.preview(environment, move, first=ROWS + 1, after=after or None)
        totals = None if after else await engine.totals(environment, move)
    except BadInput as error:
        return request.show(await _form(request, move, error=error.message), status=400)
    catalog = await request.engine.catalog.read(environment)
    page = PreviewPage(
        move=move,
        listed=_listed(move),
        new=catalog.package(move.package_id).name,
        totals=totals,
        lines=[_line(each, catalog) for each in lines[:ROWS]],
        after=after,
        last=lines[ROWS - 1].user_id if len(lines) > ROWS else "",
        key=new_key(),
    )
    return request.show(page)


def _wrong(move: Move) -> str:
    """Return what is wrong with a choice, in the words of the form; "" if it is nothing that the form can tell."""
    if move.user_ids is not None:
        if move.from_package_id is not None or move.search:
            return "List users, or choose the package that they have and what they begin with, but not both."
        if len(move.user_ids) > LISTED_MAX:
            return f"List at most {LISTED_MAX} users, got {len(move.user_ids):,}. The API takes 10,000."
    elif move.from_package_id is None and not move.search:
        return "Choose the package that they have, type what they begin with, or list them."
    if move.from_package_id == move.package_id:
        return "Choose another package to move to than the one that they have."
    return ""


def _line(preview: MovePreview, catalog: Catalog) -> PreviewLine:
    return PreviewLine(
        preview,
        PROSPECTS[preview.prospect],
        "" if preview.package_id is None else catalog.package(preview.package_id).name,
        [catalog.feature(each).name for each in preview.loses],
        [f"{catalog.feature(each.feature_id).name}: {each.used:,} of {each.limit:,}" for each in preview.over],
    )


async def start(request: PageRequest) -> Response:
    """Begin to move them; if the form is sent twice, it is one job."""
    move = Move(
        package_id=request.whole("to"),
        when=named(request.text("when"), ChangeTime.NOW),
        usage=named(request.text("usage"), ChangeUsage.RESET),
        from_package_id=request.whole("package") or None,
        search=request.whole("q"),
        user_ids=_ids(request.whole("ids")),
    )
    try:
        begun = await request.engine.bulk_changes.start(
            request.environment, move, by=request.actor, key=request.text("key") or None
        )
    except (BadInput, IdempotencyKeyReused) as error:
        return request.show(await _form(request, move, error=error.message), status=400)
    return request.go("/subscribers/moved", id=begun.id)


async def show_moved(request: PageRequest) -> Response:
    """Show how far a job is, and what has become of its users."""
    engine, asked, at = request.engine.bulk_changes, request.asked("outcome"), request.asked("after")
    change = await engine.change(request.environment, parse_change_id(request.id))
    outcome = BulkOutcome(asked) if asked in set(BulkOutcome) else None
    after = int(at) if at.isascii() and at.isdigit() and len(at) < 16 else 0
    results = await engine.results(change, outcome=outcome, first=ROWS + 1, after=after)
    catalog = await request.engine.catalog.read(request.environment)
    is_back = change.state in (BulkState.TAKING_BACK, BulkState.TAKEN_BACK)
    progress = await engine.progress(change)
    counts = progress.back if is_back else progress.there
    words = {**OUTCOMES, BulkOutcome.CHANGED: "Moved back"} if is_back else OUTCOMES
    page = MovedPage(
        told=_told(change, catalog),
        is_open=change.state in OPEN,
        is_back=is_back,
        counts=[(words[each], count) for each, count in counts.items()],
        to_do=sum(counts.values()),
        done=sum(counts.values()) - counts[BulkOutcome.WAITING],
        results=[(each, OUTCOMES[each.outcome], _back_in_words(each)) for each in results[:ROWS]],
        outcome=outcome or "",
        outcomes=list(OUTCOMES.items()),
        after=after,
        last=results[ROWS - 1].number if len(results) > ROWS else 0,
    )
    return request.show(page)


def _back_in_words(result: BulkResult) -> str:
    """Return what has become of a user on the way back; "" if they were not moved back."""
    if result.back is None:
        return ""
    said = "Moved back" if result.back is BulkOutcome.CHANGED else f"{OUTCOMES[result.back]} on the way back"
    return f"{said}: {result.back_reason}" if result.back_reason else said


async def show_back(request: PageRequest) -> Response:
    """Ask whether to move everybody back."""
    change = await request.engine.bulk_changes.change(request.environment, parse_change_id(request.id))
    moved = (await request.engine.bulk_changes.progress(change)).there[BulkOutcome.CHANGED]
    return ask(
        request,
        f"Move {counted(moved, 'user')} back?",
        "Each gets the package back that they had before. What they used since then counts on.",
        "Changes that are planned for the end of a period do not take place.",
        "Users whom somebody else has changed since then are left as they are, and those who still wait are not moved.",
        action=request.url("/subscribers/move-back", id=change.id),
        button="Move back",
        back=request.url("/subscribers/moved", id=change.id),
    )


async def move_back(request: PageRequest) -> Response:
    """Begin to move everybody back; again it changes nothing."""
    number = parse_change_id(request.id)
    change = await request.engine.bulk_changes.take_back(request.environment, number, by=request.actor)
    return request.go("/subscribers/moved", id=change.id)


ROUTES = (
    get("/subscribers/move", show_form, needs=Role.EDITOR),
    get("/subscribers/move/preview", show_preview, needs=Role.EDITOR),
    post("/subscribers/move", start),
    get("/subscribers/moved", show_moved, needs=Role.EDITOR),
    get("/subscribers/move-back", show_back, needs=Role.EDITOR),
    post("/subscribers/move-back", move_back),
)
