"""The list of users, which the database searches, filters, sorts and pages so that it stays fast."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from starlette.responses import Response

from kana.dashboard.context import Context, address
from kana.dashboard.listing import ROWS
from kana.dashboard.page_request import PageRequest
from kana.dashboard.route import get
from kana.engine.users.directory import Listed
from kana.model.package import Package, PackageStatus
from kana.model.search import UserOrder
from kana.model.text import TEXT_LENGTH_MAX


@dataclass(frozen=True, slots=True, kw_only=True)
class UserList:
    """One page of users, which starts after ``after``. The next page starts after ``last``, "" if there is none."""

    rows: Sequence[Listed]
    last: str
    after: str
    search: str
    sort: str
    path: str
    query: Mapping[str, str]

    def link(self, **changes: object) -> str:
        """Return the address of this list with some of its query changed. It leads to the first page unless told."""
        return address(self.path, **{**self.query, "after": "", **changes})

    def sort_link(self, column: str) -> str:
        """Return the address that sorts by a column."""
        return self.link(sort=column)

    def direction(self, column: str) -> str:
        """Return how a column is sorted, in ARIA's words."""
        if column != self.sort:
            return "none"
        return "descending" if column == UserOrder.AGE else "ascending"


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscribersPage(Context):
    """The users of an environment, searched, filtered and sorted as the address says."""

    template = "subscribers.html"
    list: UserList
    package: str
    packages: Sequence[Package]


async def show_subscribers(request: PageRequest) -> Response:
    """List users with their subscriptions."""
    catalog = await request.engine.catalog.read(request.environment)
    package, search = request.asked("package"), request.asked("q").strip()[:TEXT_LENGTH_MAX]
    sort, after = request.asked("sort", UserOrder.ID), request.asked("after")
    order = UserOrder(sort) if sort in set(UserOrder) else UserOrder.ID
    rows = await request.engine.directory.search(
        request.environment,
        text=search.replace("\0", ""),
        package_id=package or None,
        order=order,
        after=after or None,
        first=ROWS + 1,
    )
    found = UserList(
        rows=rows[:ROWS],
        last=rows[ROWS - 1].user.id if len(rows) > ROWS else "",
        after=after,
        search=search,
        sort=order,
        path=request.http.scope["path"],
        query=dict(request.http.query_params),
    )
    packages = [each for each in catalog.packages.values() if each.status is not PackageStatus.DRAFT]
    return request.show(SubscribersPage(list=found, package=package, packages=packages))


ROUTES = (get("/subscribers", show_subscribers),)
