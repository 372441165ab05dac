"""The verb explain: why a user may or may not use a feature, and what would help."""

from __future__ import annotations

from datetime import datetime

from kana.engine.ports.catalog import CatalogStore
from kana.engine.ports.clock import Clock
from kana.engine.ports.usage import Ledger
from kana.errors import UserNotFound
from kana.model.account import Account
from kana.model.catalog import Catalog
from kana.model.environment import Environment
from kana.model.explanation import Explanation, Inquiry, inquire
from kana.model.past import catalog_then
from kana.model.question import Question
from kana.model.text import shown
from kana.model.usage import Usage, check_time


class ExplainingEngine:
    """Explains decisions. It reads what they read, and decides by the same rule."""

    def __init__(self, ledger: Ledger, catalogs: CatalogStore, *, clock: Clock) -> None:
        self._ledger = ledger
        self._catalogs = catalogs
        self._clock = clock

    async def explain(
        self, environment: Environment, user_id: str, feature_id: str, *, delta: int = 1, at: datetime | None = None
    ) -> Explanation:
        """Return why a user may or may not use ``delta`` units, now or at a moment: what a record would be told then.

        All is read at one moment, and nothing is written. A negative delta gives back. At a moment of the past it is
        about what the user was subscribed to and given then, by the packages as they were then; usage is what is known
        by now of the period then. Where packages have changed since, a record with that timestamp may come to something
        else, as it is decided by those of today.

        Raises:
            UserNotFound, FeatureNotFound: no such id.
            InvalidValue: ``delta`` is 0 or beyond 2^53-1 either way, or ``at`` is more than five minutes ahead or
                before the user's first subscription.
        """
        now = self._clock()
        usage = Usage(environment=environment, user_id=user_id, feature_id=feature_id, delta=delta)
        then = {} if at is None else await self._catalogs.packages_then(environment, at)

        def want(account: Account, catalog: Catalog) -> Inquiry:
            feature = catalog.feature(feature_id)
            if at is not None:
                check_time(at, account, now=now, field="at")
            return inquire(
                Question(
                    account=account,
                    catalog=catalog_then(catalog, then),
                    feature=feature,
                    change=usage.delta,
                    moment=now if at is None else at,
                    now=now,
                    is_late=at is not None,
                )
            )

        snapshot = await self._ledger.snapshot(environment, [user_id], want, now=now, history=True)
        if user_id not in snapshot.wanted:
            raise UserNotFound(f"User not found: {shown(user_id)}")
        return snapshot.wanted[user_id].explain(snapshot.used)
