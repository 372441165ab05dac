"""Storage of features and packages."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Protocol

from kana.model.catalog import Catalog
from kana.model.environment import Actor, Environment
from kana.model.period import ResetPeriod


class CatalogStore(Protocol):
    """Stores features and packages, one catalogue for each environment."""

    async def catalog(self, environment: Environment) -> Catalog:
        """Return the catalogue as last committed by any process."""
        ...

    async def packages_then(self, environment: Environment, moment: datetime) -> Mapping[str, Any]:
        """Return what the log says of the packages that were changed since a moment: how each was then, by its id.

        Those that did not exist then are left out.
        """
        ...

    async def change_catalog(
        self, environment: Environment, change: Callable[[Catalog], Catalog], *, by: Actor, now: datetime
    ) -> Catalog:
        """Apply a pure change to the newest catalogue, log who made it, and return what is committed.

        Changes are serialised: ``change`` may be called again on a newer catalogue. What it raises is raised,
        and nothing is written. A large change is written in many short transactions, between which others write;
        whoever reads sees nothing of it or all of it.

        Raises:
            Conflict: a large change took ten minutes; nothing was changed.
        """
        ...

    async def settle(self, environment: Environment, *, now: datetime) -> None:
        """Finish what a process that is gone was cut off from: large changes, and what is left of them."""
        ...

    async def count_subscribers(self, environment: Environment, *, now: datetime) -> Mapping[str, int]:
        """Return how many subscriptions each package has that have not ended; packages without any are left out."""
        ...

    async def count_over(
        self,
        environment: Environment,
        package_id: str,
        feature_id: str,
        *,
        limit: int,
        reset: ResetPeriod | None,
        now: datetime,
    ) -> int:
        """Return how many current subscriptions to a package have used more than ``limit`` in their period.

        The period is counted by ``reset`` from the start of each. It takes time in proportion to the number of
        the package's subscriptions, and delays no decision and no write.
        """
        ...
