from __future__ import annotations

import json

import click

from kana.cli.address import http_address
from kana.cli.database import (
    database_option,
    json_option,
    read_settings,
    require_database,
    whoever_runs_this,
    with_store,
)
from kana.engine.access.access import AccessEngine
from kana.engine.ports.store import Store
from kana.model.colleague import INVITATION_AGE, Colleague, Role
from kana.settings import Settings

_COLUMNS = ("email", "role", "created", "disabled")


@click.group()
def colleagues() -> None:
    """Invite colleagues to the dashboard, list and disable them. The server may be running."""


def _settings(database_url: str | None) -> Settings:
    return require_database(read_settings(database_url=database_url))


@colleagues.command("invite")
@click.argument("email")
@click.option(
    "--role",
    type=click.Choice([role.value for role in Role]),
    default=Role.VIEWER.value,
    show_default=True,
    help="viewer: read. editor: also change packages, features and users. owner: also change keys and colleagues.",
)
@database_option
@json_option
def invite(email: str, role: str, database_url: str | None, as_json: bool) -> None:
    """Print a link that lets EMAIL choose a password, once. With an existing account the link sets a new password.

    The link leads to KANA_PUBLIC_URL, or else to the address where the server was last started.
    """
    settings = _settings(database_url)

    async def invited(store: Store) -> str:
        from kana.app import create_engine, system_clock

        token = await create_engine(store).colleagues.invite(email, Role(role), by=whoever_runs_this())
        return invitation_link(settings, token, address=await AccessEngine(store.keys, clock=system_clock).address())

    link = with_store(settings, invited)
    if as_json:
        click.echo(json.dumps({"email": email, "role": role, "link": link}))
    else:
        click.echo(f"{link}\n\nSend this link to {email}. It works once, within {INVITATION_AGE.days} days.")


@colleagues.command("list")
@database_option
@json_option
def list_colleagues(database_url: str | None, as_json: bool) -> None:
    """List all colleagues, disabled ones too, the oldest first."""
    from kana.app import create_engine

    found = with_store(_settings(database_url), lambda store: create_engine(store).colleagues.colleagues())
    rows = [_described(colleague) for colleague in found.values()]
    if as_json:
        click.echo(json.dumps(rows, indent=2, ensure_ascii=False))
        return
    for cells in [_COLUMNS, *(tuple(row.values()) for row in rows)]:
        click.echo("  ".join(f"{cell or '':<25}" for cell in cells).rstrip())


@colleagues.command("disable")
@click.argument("email")
@database_option
@json_option
def disable(email: str, database_url: str | None, as_json: bool) -> None:
    """Disable EMAIL, who can no longer sign in, and end their sessions. A new invitation enables them again."""
    from kana.app import create_engine

    colleague = with_store(
        _settings(database_url),
        lambda store: create_engine(store).colleagues.disable(email.strip().lower(), by=whoever_runs_this()),
    )
    click.echo(json.dumps(_described(colleague)) if as_json else f"{colleague.email} can no longer sign in.")


def invitation_link(settings: Settings, token: str, *, address: str | None = None) -> str:
    """Return the link of an invitation. ``address`` is where the server listens, by default as the settings say."""
    address = settings.public_url or address or http_address(settings.host, settings.port)
    return f"{address}/invite?token={token}"


def _described(colleague: Colleague) -> dict[str, str | None]:
    return {
        "email": colleague.email,
        "role": colleague.role.value,
        "created": colleague.created_at.isoformat(timespec="seconds"),
        "disabled": None if colleague.disabled_at is None else colleague.disabled_at.isoformat(timespec="seconds"),
    }
