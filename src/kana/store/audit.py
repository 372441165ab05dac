"""The audit, which compares every total with the sum of its lines."""

from __future__ import annotations

from kana.engine.ports.usage import Audit, Drift, TallyDrift
from kana.model.period import from_milliseconds
from kana.store.entries import counter_from
from kana.store.session import Row, Session, Transactions
from kana.store.values import whole


class Audits:
    """Recomputes totals. ``AuditStore`` says what a call promises."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    async def audit(self) -> Audit:
        """See the port."""
        return await self._transactions.read_aside(_audit, unbounded=True)


async def _audit(session: Session) -> Audit:
    return Audit(
        entries=await session.value("count_entries"),
        counters=await session.value("count_counters"),
        drifts=tuple(_drift_from(row) for row in await session.rows("audit")),
        tally_drifts=tuple(
            [_tally_drift_from(row) for name in ("audit_days", "audit_hours") for row in await session.rows(name)]
        ),
    )


def _drift_from(row: Row) -> Drift:
    return Drift(counter_from(row), counted=int(row[5]), in_ledger=whole(row[6], row[7]))


def _tally_drift_from(row: Row) -> TallyDrift:
    environment, bucket, user_key, feature_id, package_id, start, *tallies = row
    return TallyDrift(
        environment=environment,
        user=None if bucket is None else (bucket, user_key),
        feature_id=feature_id,
        package_id=package_id,
        start=from_milliseconds(start),
        counted=(whole(tallies[0], tallies[1]), int(tallies[2]), int(tallies[3])),
        in_ledger=(whole(tallies[4], tallies[5]), int(tallies[6]), int(tallies[7])),
    )
