from __future__ import annotations

import asyncio
import json
from collections import Counter
from typing import TYPE_CHECKING

import click

from kana.cli.database import json_option, read_settings, require_database
from kana.engine.ports.usage import Audit
from kana.model.text import counted

if TYPE_CHECKING:
    from kana.store.moving import Rows


@click.command()
@click.argument("source", metavar="FROM")
@click.argument("target", metavar="TO")
@json_option
def copy(source: str, target: str, as_json: bool) -> None:
    """Copy the database FROM into the empty database TO and audit both; exit 1 if they differ.

    Both are URLs as in KANA_DATABASE_URL. Stop the servers first: usage recorded during the copy is not copied.
    """
    from kana.app import copy_database

    here, there = require_database(read_settings(database_url=source)), read_settings(database_url=target)
    copied: Counter[str] = Counter()

    def count(rows: Rows) -> None:
        copied[rows.table] += len(rows.rows)

    audits = asyncio.run(copy_database(here, there, on_rows=count))
    if as_json:
        click.echo(
            json.dumps({"rows": copied, "audits": dict(zip(("from", "to"), map(_as_json, audits), strict=True))})
        )
    else:
        click.echo(f"Copied {counted(copied.total(), 'row')} from {here.database} to {there.database}:")
        click.echo(", ".join(f"{table} {count:,}" for table, count in copied.items()) + ".")
        click.echo(_in_words(*audits))
    if audits[0] != audits[1] or audits[0].drifts:
        raise click.exceptions.Exit(1)


def _in_words(source: Audit, target: Audit) -> str:
    if source != target:
        entries = counted(source.entries, "entry", "entries")
        return f"The databases differ: {entries} in FROM, {target.entries:,} in TO. Do not use the copy."
    size = f"{counted(target.entries, 'entry', 'entries')}, {counted(target.counters, 'counter')} in both"
    if target.drifts:
        differ = counted(len(target.drifts), "counter differs from its entries", "counters differ from their entries")
        return f"{size}; {differ} in both: see `kana audit`."
    return f"{size}: every counter equals the sum of its entries."


def _as_json(audit: Audit) -> dict[str, int]:
    return {"entries": audit.entries, "counters": audit.counters, "drifts": len(audit.drifts)}
