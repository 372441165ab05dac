from __future__ import annotations

import json

import click

from kana.cli.database import database_option, json_option, read_settings, require_database, with_store
from kana.engine.ports.usage import Audit, Drift, TallyDrift
from kana.model.text import counted


@click.command()
@database_option
@json_option
def audit(database_url: str | None, as_json: bool) -> None:
    """Recompute every counter from the ledger; exit 1 if any differs. The server may be running."""
    settings = require_database(read_settings(database_url=database_url))
    found = with_store(settings, lambda store: store.audits.audit())
    click.echo(json.dumps(_as_json(found), indent=2, ensure_ascii=False) if as_json else _in_words(found))
    if not found.is_clean:
        raise click.exceptions.Exit(1)


def _in_words(found: Audit) -> str:
    size = f"{counted(found.entries, 'entry', 'entries')}, {counted(found.counters, 'counter')}"
    if found.is_clean:
        return f"{size}: every counter equals the sum of its entries."
    lines = [*map(_line, found.drifts), *map(_tally_line, found.tally_drifts)]
    if found.drifts:
        differ = counted(len(found.drifts), "counter differs", "counters differ")
        lines.append(f"{size}: {differ} from the ledger.")
    if found.tally_drifts:
        differ = counted(len(found.tally_drifts), "total of a day or hour differs", "totals of days and hours differ")
        lines.append(f"{size}: {differ} from the ledger.")
    return "\n".join(lines)


def _line(drift: Drift) -> str:
    counter = drift.counter
    return (
        f"Feature {counter.feature_id!r} of subscription {counter.source_id}, period from"
        f" {counter.period_start.isoformat()}: the counter is {drift.counted}, the ledger adds up to {drift.in_ledger}."
    )


def _tally_line(drift: TallyDrift) -> str:
    whose = (
        "the hour of all users" if drift.user is None else f"the day of user {drift.user[1]} (bucket {drift.user[0]})"
    )
    in_total, in_ledger = (
        f"{counted(units, 'unit')}, {counted(entries, 'entry', 'entries')}, {counted(refusals, 'refusal')}"
        for units, entries, refusals in (drift.counted, drift.in_ledger)
    )
    return (
        f"Feature {drift.feature_id!r} of package {drift.package_id!r} in {drift.environment}, {whose} from"
        f" {drift.start.isoformat()}: the total is {in_total}; the ledger adds up to {in_ledger}."
    )


def _as_json(found: Audit) -> dict[str, object]:
    told: dict[str, object] = {
        "entries": found.entries,
        "counters": found.counters,
        "drifts": [
            {
                "subscriptionId": str(drift.counter.source_id),
                "featureId": drift.counter.feature_id,
                "periodStart": drift.counter.period_start.isoformat(),
                "counter": drift.counted,
                "ledger": drift.in_ledger,
            }
            for drift in found.drifts
        ],
    }
    if found.tally_drifts:
        told["totals"] = [_tally_as_json(drift) for drift in found.tally_drifts]
    return told


def _tally_as_json(drift: TallyDrift) -> dict[str, object]:
    names = ("units", "entries", "refusals")
    return {
        "environment": drift.environment,
        "userKey": None if drift.user is None else str(drift.user[1]),
        "featureId": drift.feature_id,
        "packageId": drift.package_id,
        "start": drift.start.isoformat(),
        "total": dict(zip(names, drift.counted, strict=True)),
        "ledger": dict(zip(names, drift.in_ledger, strict=True)),
    }
