from __future__ import annotations

import json
from collections.abc import Sequence

import click

from kana.cli.database import (
    database_option,
    json_option,
    read_settings,
    require_database,
    whoever_runs_this,
    with_access,
)
from kana.model.environment import Environment
from kana.model.key import ApiKey, KeyKind, SigningSecret
from kana.model.text import counted
from kana.settings import Settings


@click.group()
def keys() -> None:
    """Create, list and revoke API keys and token secrets, and set secure mode. The server may be running."""


def _settings(database_url: str | None) -> Settings:
    return require_database(read_settings(database_url=database_url))


@keys.command("list")
@database_option
@json_option
def list_keys(database_url: str | None, as_json: bool) -> None:
    """List all keys, revoked ones too, the oldest first. The keys themselves are not stored.

    A running server reports the last use of a key up to a minute late.
    """
    found = with_access(_settings(database_url), lambda access: access.keys())
    rows = [_described(key) for key in found]
    table = [row | {"used": row["used"] or "never"} for row in rows]
    click.echo(json.dumps(rows, indent=2, ensure_ascii=False) if as_json else _table(table))


@keys.command("create")
@click.option(
    "--environment",
    type=click.Choice([environment.value for environment in Environment]),
    required=True,
    help="The environment that the key is for.",
)
@click.option(
    "--kind",
    type=click.Choice([kind.value for kind in KeyKind]),
    default=KeyKind.PRIVATE.value,
    show_default=True,
    help="private: the Admin API, for servers. public: the Client API, for browsers.",
)
@click.option("--name", metavar="NAME", default="", help="What the key is for, as lists show it.")
@database_option
@json_option
def create_key(environment: str, kind: str, name: str, database_url: str | None, as_json: bool) -> None:
    """Create a key and print it, once. Existing keys stay valid."""
    key, described = with_access(
        _settings(database_url),
        lambda access: access.create_key(Environment(environment), KeyKind(kind), name=name, by=whoever_runs_this()),
    )
    if as_json:
        # The full key, where lists show it masked.
        click.echo(json.dumps(_described(described) | {"key": key}, indent=2, ensure_ascii=False))
    else:
        click.echo(f"{key}\n\nStore this {environment} {kind} key safely: it is not shown again.")


@keys.command("revoke")
@click.argument("key")
@database_option
@json_option
def revoke_key(key: str, database_url: str | None, as_json: bool) -> None:
    """Revoke KEY, given in full or as `kana keys list` shows it. It stops working within a second."""
    revoked = with_access(_settings(database_url), lambda access: access.revoke_key(key, by=whoever_runs_this()))
    if as_json:
        click.echo(json.dumps(_described(revoked), indent=2, ensure_ascii=False))
    else:
        click.echo(f"{revoked.masked} was revoked. It stops working within a second.")


_environment_argument = click.argument(
    "environment", type=click.Choice([environment.value for environment in Environment])
)


@keys.command("require-secure-mode")
@_environment_argument
@click.argument("switch", type=click.Choice(["on", "off"]))
@database_option
@json_option
def require_secure_mode(environment: str, switch: str, database_url: str | None, as_json: bool) -> None:
    """Make the Client API of ENVIRONMENT accept user tokens only (SWITCH on), or public keys too (off)."""
    changed = with_access(
        _settings(database_url),
        lambda access: access.change_settings(
            Environment(environment), requires_secure_mode=switch == "on", by=whoever_runs_this()
        ),
    )
    if as_json:
        click.echo(json.dumps({"environment": environment, "requires_secure_mode": changed.requires_secure_mode}))
    else:
        accepted = "user tokens only" if changed.requires_secure_mode else "user tokens and public keys"
        click.echo(f"The Client API of {environment} now accepts {accepted}.")


@keys.command("rotate-tokens")
@_environment_argument
@database_option
@json_option
def rotate_tokens(environment: str, database_url: str | None, as_json: bool) -> None:
    """Sign user tokens of ENVIRONMENT with a new secret from now on.

    Existing tokens stay valid until they expire, or until `kana keys revoke-secret` revokes their secret.
    """
    secret = with_access(
        _settings(database_url),
        lambda access: access.rotate_signing_secret(Environment(environment), by=whoever_runs_this()),
    )
    if as_json:
        click.echo(json.dumps({"environment": environment, "kid": secret.id}))
    else:
        click.echo(f"Secret {secret.id} now signs new user tokens of {environment}. Existing ones stay valid.")


@keys.command("secrets")
@database_option
@json_option
def list_secrets(database_url: str | None, as_json: bool) -> None:
    """List the ids of the secrets that sign user tokens. The newest of each environment signs new tokens."""
    found = with_access(_settings(database_url), lambda access: access.signing_secrets())
    rows = [_described_secret(secret) for secret in found]
    click.echo(json.dumps(rows, indent=2) if as_json else _table(rows))


@keys.command("revoke-secret")
@click.argument("kid")
@database_option
@json_option
def revoke_secret(kid: str, database_url: str | None, as_json: bool) -> None:
    """Revoke the secret KID, as `kana keys secrets` shows it. Tokens signed with it stop working within a second.

    The secret that signs new tokens cannot be revoked: run `kana keys rotate-tokens` a second before.
    """
    revoked = with_access(
        _settings(database_url), lambda access: access.revoke_signing_secret(kid, by=whoever_runs_this())
    )
    if as_json:
        click.echo(json.dumps(_described_secret(revoked), indent=2))
    else:
        click.echo(
            f"Secret {revoked.id} was revoked. User tokens of {revoked.environment} signed with it stop working."
        )


@keys.command("seal")
@click.option("--off", "is_off", is_flag=True, help="Remove the seals instead, with the key that made them.")
@click.option("--forget", is_flag=True, help="Delete the secrets whose key is lost, and create new ones.")
@database_option
def seal(database_url: str | None, *, is_off: bool, forget: bool) -> None:
    """Seal the secrets that sign user tokens and webhooks with the first key of KANA_SECRET_KEY.

    A server does this when it starts. After --forget, tokens signed with the deleted secrets stop working, and webhook
    endpoints that had one are disabled.
    """
    settings = _settings(database_url)
    if is_off and forget:
        raise click.UsageError("--off and --forget cannot be combined: a deleted secret has no seal to remove.")
    if forget:
        lost = with_access(settings, lambda access: access.replace_lost_secrets(by=whoever_runs_this()))
        which = f": {', '.join(lost)}" if lost else ", because the key of every secret is known"
        click.echo(f"{_secrets(len(lost))} deleted{which}.")
        return
    if not is_off and not settings.secret_keys:
        raise click.UsageError(
            "KANA_SECRET_KEY is not set: create a key with `openssl rand -base64 32`, and store it safely."
        )
    changed = with_access(settings, lambda access: access.seal_signing_secrets(plainly=is_off))
    click.echo(f"{_secrets(changed)} {'unsealed' if is_off else 'sealed'}. All others already were.")


def _secrets(count: int) -> str:
    return counted(count, "secret was", "secrets were")


def _described_secret(secret: SigningSecret) -> dict[str, str | None]:
    return {
        "kid": secret.id,
        "environment": secret.environment.value,
        "created": secret.created_at.isoformat(timespec="seconds"),
        "revoked": None if secret.revoked_at is None else secret.revoked_at.isoformat(timespec="seconds"),
    }


def _described(key: ApiKey) -> dict[str, str | None]:
    return {
        "key": key.masked,
        "environment": key.environment.value,
        "kind": key.kind.value,
        "name": key.name,
        "created": key.created_at.isoformat(timespec="seconds"),
        "revoked": None if key.revoked_at is None else key.revoked_at.isoformat(timespec="seconds"),
        "used": None if key.used_at is None else key.used_at.isoformat(timespec="seconds"),
    }


def _table(rows: Sequence[dict[str, str | None]]) -> str:
    cells = [tuple(rows[0]), *(tuple(cell or "" for cell in row.values()) for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells
    )
