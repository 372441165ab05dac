from __future__ import annotations

import json

import click

from kana.cli.database import database_option, json_option, read_settings, require_database, with_store
from kana.engine.ports import Audit, Drift


@click.command()
@database_option
@json_option
def audit(database_url: str | None, as_json: bool) -> None:
    """Recompute every counter from the ledger; exit 1 where one differs. Works beside a server that runs."""
    settings = require_database(read_settings(database_url=database_url))
    found = with_store(settings, lambda store: store.audit())
    click.echo(json.dumps(_as_json(found), indent=2, ensure_ascii=False) if as_json else _in_words(found))
    if found.drifts:
        raise click.exceptions.Exit(1)


def _in_words(found: Audit) -> str:
    size = f"{found.entries} entries, {found.counters} counters"
    if not found.drifts:
        return f"{size}: every counter equals the sum of its entries."
    lines = [*map(_line, found.drifts), f"{size}: {len(found.drifts)} counters differ from the ledger."]
    return "\n".join(lines)


def _line(drift: Drift) -> str:
    counter = drift.counter
    return (
        f"Feature {counter.feature_id!r} of subscription {counter.subscription_id}, period from"
        f" {counter.period_start.isoformat()}: the counter says {drift.counted}, the ledger {drift.in_ledger}."
    )


def _as_json(found: Audit) -> dict[str, object]:
    return {
        "entries": found.entries,
        "counters": found.counters,
        "drifts": [
            {
                "subscriptionId": str(drift.counter.subscription_id),
                "featureId": drift.counter.feature_id,
                "periodStart": drift.counter.period_start.isoformat(),
                "counter": drift.counted,
                "ledger": drift.in_ledger,
            }
            for drift in found.drifts
        ],
    }
