"""What a program needs to use the API: keys, access to the Client API, and the secrets of user tokens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from starlette.responses import Response

from kana.dashboard.confirmation import ask
from kana.dashboard.context import Context
from kana.dashboard.page_request import PageRequest
from kana.dashboard.route import get, post
from kana.errors import BadInput, Conflict, InvalidValue, KeyNotFound
from kana.model.colleague import Role
from kana.model.key import ApiKey, EnvironmentSettings, KeyKind, SigningSecret
from kana.model.text import TEXT_LENGTH_MAX, shown


@dataclass(frozen=True, slots=True, kw_only=True)
class MadeKey:
    """A new key in full, shown once. ``replaces`` is the key that it takes over from."""

    key: str
    described: ApiKey
    replaces: ApiKey | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeveloperPage(Context):
    """The keys, secrets and settings of an environment. ``signing_id`` is the secret that signs new user tokens.

    ``time_zone`` is what is in the field: what was typed, if it is wrong.
    """

    template = "developer.html"
    keys: Sequence[ApiKey]
    settings: EnvironmentSettings
    secrets: Sequence[SigningSecret]
    signing_id: str
    origin: str
    time_zone: str
    made: MadeKey | None = None
    errors: dict[str, str] = field(default_factory=dict)
    kinds: tuple[KeyKind, ...] = tuple(KeyKind)
    name_length_max: int = TEXT_LENGTH_MAX


async def show_developer(request: PageRequest) -> Response:
    """List the keys, active ones first."""
    return await _show(request)


async def create_key(request: PageRequest) -> Response:
    """Create a key and show it this once."""
    try:
        kind = KeyKind(request.text("kind"))
    except ValueError:
        raise BadInput(f"kind must be private or public, got {shown(request.text('kind'))}") from None
    return await _made(request, kind, _name(request.text("name")))


async def rotate_key(request: PageRequest) -> Response:
    """Create a key to replace another one, which stays valid until it is revoked so that nobody is locked out."""
    old = await _key(request, request.text("key"))
    return await _made(request, old.kind, old.name, replaces=old)


async def _made(request: PageRequest, kind: KeyKind, name: str, *, replaces: ApiKey | None = None) -> Response:
    key, described = await request.engine.access.create_key(request.environment, kind, name=name, by=request.actor)
    return await _show(request, MadeKey(key=key, described=described, replaces=replaces))


async def show_revoke(request: PageRequest) -> Response:
    """Ask whether to revoke a key."""
    key = await _key(request, request.id)
    called = f", called {key.name}" if key.name else ""
    return ask(
        request,
        f"Revoke {key.masked}?",
        f"This {key.kind} key{called} stops working within a second. This cannot be undone.",
        "Programs that still use it get an error.",
        action=request.url("/developer/revoke", id=key.masked),
        button="Revoke",
        back=request.url("/developer"),
    )


async def revoke_key(request: PageRequest) -> Response:
    """Revoke it."""
    key = await _key(request, request.id)
    await request.engine.access.revoke_key(key.masked, by=request.actor)
    return request.go("/developer", said=f"Key {key.masked} was revoked.")


async def change_secure_mode(request: PageRequest) -> Response:
    """Change what gives access to the Client API."""
    settings = await request.engine.access.change_settings(
        request.environment, requires_secure_mode=request.ticked("required"), by=request.actor
    )
    accepted = "user tokens only" if settings.requires_secure_mode else "user tokens and public keys"
    return request.go("/developer", said=f"The Client API now accepts {accepted}.")


async def change_time_zone(request: PageRequest) -> Response:
    """Change the time zone of calendars where no other is said."""
    zone = request.text("time_zone")
    try:
        settings = await request.engine.access.change_settings(request.environment, time_zone=zone, by=request.actor)
    except InvalidValue as error:
        page = await _page(request)
        return request.show(replace(page, time_zone=zone, errors={"time_zone": error.message}), status=400)
    return request.go("/developer", said=f"Calendars of new subscriptions now follow {settings.time_zone}.")


async def _show(request: PageRequest, made: MadeKey | None = None) -> Response:
    return request.show(await _page(request, made))


async def _page(request: PageRequest, made: MadeKey | None = None) -> DeveloperPage:
    keys = await _keys(request)
    keyring = await request.engine.access.keyring()
    secrets = [secret for secret in keyring.signing_secrets if secret.environment is request.environment]
    settings = keyring.environments[request.environment]
    return DeveloperPage(
        keys=sorted(keys, key=lambda key: key.revoked_at is not None),
        settings=settings,
        time_zone=settings.time_zone,
        secrets=sorted(secrets, key=lambda secret: secret.created_at, reverse=True),
        signing_id=keyring.signing_secret(request.environment).id,
        origin=request.site.origin,
        made=made,
    )


async def _keys(request: PageRequest) -> list[ApiKey]:
    return [key for key in await request.engine.access.keys() if key.environment is request.environment]


async def _key(request: PageRequest, masked: str) -> ApiKey:
    """Return the active key that lists show like this.

    Raises:
        KeyNotFound: this environment has no such key.
        Conflict: the key was revoked before.
    """
    found = [key for key in await _keys(request) if key.masked == masked]
    if not found:
        raise KeyNotFound(f"Key not found: {shown(masked)}")
    if found[0].revoked_at is not None:
        raise Conflict(f"{masked} has already been revoked")
    return found[0]


def _name(text: str) -> str:
    if len(text) > TEXT_LENGTH_MAX:
        raise BadInput(f"name must be at most {TEXT_LENGTH_MAX} characters, got {len(text)}")
    return text


ROUTES = (
    get("/developer", show_developer),
    post("/developer/key", create_key, needs=Role.OWNER),
    post("/developer/rotate", rotate_key, needs=Role.OWNER),
    get("/developer/revoke", show_revoke, needs=Role.OWNER),
    post("/developer/revoke", revoke_key, needs=Role.OWNER),
    post("/developer/secure-mode", change_secure_mode, needs=Role.OWNER),
    post("/developer/time-zone", change_time_zone, needs=Role.OWNER),
)
