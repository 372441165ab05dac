"""A user's ledger: searched by feature, time and outcome, down to a single entry, and as a file."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta

from starlette.responses import Response, StreamingResponse

from kana.dashboard.context import Context
from kana.dashboard.filtering import found
from kana.dashboard.forms import Errors
from kana.dashboard.gifts import read_gifts
from kana.dashboard.insight_range import asked_day
from kana.dashboard.ledger_table import written_heads, written_rows
from kana.dashboard.outcome_choice import CHOICES, asked_outcomes
from kana.dashboard.page_request import PageRequest
from kana.dashboard.route import get, post
from kana.engine.users.profile import Profile
from kana.errors import BadInput, OutcomeUnknown
from kana.model.catalog import Catalog
from kana.model.feature import Feature
from kana.model.given import Given
from kana.model.grant import Posting
from kana.model.ledger import LOOKED_AT_MAX, LedgerPage
from kana.model.line import HoldStep
from kana.model.package import Package
from kana.model.reversal import is_reversible
from kana.model.usage import Entry
from kana.model.user import User

LINES = 25
"""How many entries a page shows."""

_EXPORTED = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerLine:
    """An entry of the ledger as a page shows it; ``said`` is who recorded it and why, if a colleague did.

    ``cost_of`` is the name of the feature that costs these units, or "".
    """

    entry: Entry
    feature: str
    said: str
    cost_of: str

    @property
    def reservation_id(self) -> int | None:
        """The reservation that it is of, if there is one: one that was refused never was."""
        line = self.entry.line
        if line is None or (line.step is HoldStep.RESERVED and not self.entry.recorded):
            return None
        return line.reservation_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What an address asks for: days in UTC as typed, the ``last`` included; "" is all.

    If ``errors`` say what is wrong with it, nothing is looked for.
    """

    feature: str = ""
    outcome: str = ""
    first: str = ""
    last: str = ""
    before: str = ""
    errors: Errors = field(default_factory=Errors)

    @property
    def query(self) -> Mapping[str, object]:
        """The query of the address, without the place in the list."""
        return {"feature": self.feature, "outcome": self.outcome, "from": self.first, "to": self.last}


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerSearchPage(Context):
    """A page of the entries that match, the newest first.

    ``older_url`` leads on. ``ended_early`` says that it may not be the last, though there is room on it: it looked at
    ``looked_at_max`` entries.
    """

    template = "ledger.html"
    user: User
    asked: Asked
    features: Sequence[Feature]
    lines: Sequence[LedgerLine]
    newest_url: str
    older_url: str
    download_url: str
    ended_early: bool
    outcomes: Sequence[tuple[str, str]] = CHOICES
    looked_at_max: int = LOOKED_AT_MAX


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """What an entry moved in one counter, and what that is of: a subscription to a package, or what was given."""

    posting: Posting
    package: Package | None
    given: Given | None


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryPage(Context):
    """One entry: what it was, the answer that was given, which counters it moved, and the form that reverses it.

    ``answered_by`` is the counter that the answer is about, without a change; None: no subscription answered.
    ``together`` are the entries of its decision, with itself, if that has several.
    """

    template = "entry.html"
    user: User
    line: LedgerLine
    answered_by: Moved | None
    moved: Sequence[Moved]
    together: Sequence[LedgerLine]
    error: str = ""

    @property
    def is_reversible(self) -> bool:
        """Whether it counts, and is no reversal itself."""
        return is_reversible(self.line.entry)


async def show_ledger(request: PageRequest) -> Response:
    """Search the ledger of a user."""
    user = await request.engine.accounts.user(request.environment, request.id)
    asked, catalog = _asked(request), await request.engine.catalog.read(request.environment)
    entries = await found(
        asked.errors,
        lambda: _search(request, asked, after=asked.before or None, first=LINES),
        otherwise=LedgerPage((), None),
    )

    def url(path: str, **more: object) -> str:
        return request.url(path, id=user.id, **asked.query, **more)

    page = LedgerSearchPage(
        user=user,
        asked=asked,
        features=sorted(catalog.features.values(), key=lambda feature: feature.name.casefold()),
        lines=lines_of(entries.entries, catalog),
        newest_url=url("/user/ledger") if asked.before else "",
        older_url=url("/user/ledger", before=entries.next) if entries.next else "",
        download_url=url("/user/ledger.csv"),
        ended_early=entries.next is not None and len(entries.entries) < LINES,
    )
    return request.show(page, status=400 if asked.errors else 200)


async def download_ledger(request: PageRequest) -> Response:
    """Return all entries that match as CSV, written page by page so that memory does not grow with them."""
    asked = _asked(request)
    first = await _search(request, asked, after=None, first=_EXPORTED)
    headers = {"content-disposition": f'attachment; filename="ledger-{request.environment}.csv"'}
    if request.http.method == "HEAD":
        return Response(media_type="text/csv", headers=headers)
    return StreamingResponse(_written(request, asked, first), media_type="text/csv; charset=utf-8", headers=headers)


async def _written(request: PageRequest, asked: Asked, page: LedgerPage) -> AsyncIterator[str]:
    yield written_heads()
    yield written_rows(page.entries)
    while page.next is not None:
        page = await _search(request, asked, after=str(page.next), first=_EXPORTED)
        yield written_rows(page.entries)


async def reverse_entry(request: PageRequest) -> Response:
    """Undo one entry where it was posted. Sent again it leads to the first reversal."""
    entry = await _entry(request)
    try:
        receipt = await request.engine.usage.reverse(
            request.environment, entry.id, reason=request.text("reason"), by=request.actor, user_id=request.id
        )
    except OutcomeUnknown:
        unsure = "The entry may or may not be reversed. Send the form again: it is reversed only once."
        return request.show(await _entry_page(request, entry, error=unsure), status=503)
    except BadInput as error:
        return request.show(await _entry_page(request, entry, error=error.message), status=400)
    reversal = receipt.entry
    if not reversal.recorded:
        return request.show(await _entry_page(request, entry, error=f"Not reversed. {reversal.reason}"), status=400)
    said = "This entry had been reversed before." if receipt.duplicate else f"Entry {entry.id} was reversed."
    return request.go("/user/entry", id=request.id, entry=reversal.id, said=said)


async def show_entry(request: PageRequest) -> Response:
    """Show one entry of a user."""
    return request.show(await _entry_page(request, await _entry(request)))


async def _entry(request: PageRequest) -> Entry:
    return await request.engine.ledger.entry(request.environment, request.id, request.asked("entry"))


async def _entry_page(request: PageRequest, entry: Entry, *, error: str = "") -> EntryPage:
    profile = await request.engine.profiles.of(request.environment, request.id)
    given = await _given(request)
    [line] = lines_of([entry], profile.catalog)
    together = await request.engine.ledger.decision(entry)
    return EntryPage(
        user=profile.user,
        line=line,
        answered_by=None if entry.counter is None else _moved(Posting(entry.counter, 0), profile, given),
        moved=[_moved(posting, profile, given) for posting in entry.postings],
        together=lines_of(together, profile.catalog) if len(together) > 1 else [],
        error=f"{error[:1].upper()}{error[1:]}",
    )


def lines_of(entries: Iterable[Entry], catalog: Catalog) -> list[LedgerLine]:
    """Return entries as a page shows them."""
    names = {feature.id: feature.name for feature in catalog.features.values()}
    return [
        LedgerLine(
            entry=entry,
            feature=names.get(entry.feature_id, entry.feature_id),
            said=_said(entry),
            cost_of=_cost_of(entry, names),
        )
        for entry in entries
    ]


def _cost_of(entry: Entry, names: Mapping[str, str]) -> str:
    if entry.line is None or entry.line.cost_of is None:
        return ""
    return names.get(entry.line.cost_of, entry.line.cost_of)


def _said(entry: Entry) -> str:
    said = entry.metadata if isinstance(entry.metadata, dict) else {}
    by, reason = said.get("by"), said.get("reason")
    return f"{by}: {reason}" if isinstance(by, str) and isinstance(reason, str) else ""


async def _given(request: PageRequest) -> Mapping[int, Given]:
    return {gift.given.id: gift.given for gift in await read_gifts(request)}


def _moved(posting: Posting, profile: Profile, given: Mapping[int, Given]) -> Moved:
    source = posting.counter.origin_id
    packages = (held.package for held in profile.subscriptions if held.subscription.id == source)
    return Moved(posting=posting, package=next(packages, None), given=given.get(source))


def _asked(request: PageRequest) -> Asked:
    return Asked(
        feature=request.asked("feature"),
        outcome=request.asked("outcome"),
        first=request.asked("from"),
        last=request.asked("to"),
        before=request.asked("before"),
    )


async def _search(request: PageRequest, asked: Asked, *, after: str | None, first: int) -> LedgerPage:
    begin, last = asked_day(request, "from"), asked_day(request, "to")
    return await request.engine.ledger.search(
        request.environment,
        request.id,
        feature_id=asked.feature or None,
        start=None if begin is None else _midnight(begin),
        end=None if last is None else _midnight(last + timedelta(days=1)),
        outcomes=asked_outcomes(asked.outcome),
        after=after,
        first=first,
    )


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


ROUTES = (
    get("/user/ledger", show_ledger),
    get("/user/ledger.csv", download_ledger),
    get("/user/entry", show_entry),
    post("/user/entry/reverse", reverse_entry),
)
