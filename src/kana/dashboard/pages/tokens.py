"""User tokens: the secrets that sign them, and revoking a user's tokens."""

from __future__ import annotations

from starlette.responses import Response

from kana.dashboard.confirmation import ask
from kana.dashboard.page_request import PageRequest
from kana.dashboard.route import get, post
from kana.errors import KeyNotFound
from kana.model.colleague import Role
from kana.model.key import SigningSecret
from kana.model.text import shown


async def rotate_secret(request: PageRequest) -> Response:
    """Create a secret, which signs user tokens from now on."""
    secret = await request.engine.access.rotate_signing_secret(request.environment, by=request.actor)
    return request.go("/developer", said=f"Secret {secret.id} now signs new user tokens. Existing ones stay valid.")


async def show_revoke_secret(request: PageRequest) -> Response:
    """Ask whether to revoke a secret."""
    secret = await _secret(request)
    return ask(
        request,
        f"Revoke secret {secret.id}?",
        "User tokens signed with it stop working within a second. This cannot be undone.",
        "Browsers that use one get an error until your server creates a new token for them.",
        action=request.url("/developer/secret/revoke", id=secret.id),
        button="Revoke",
        back=request.url("/developer"),
    )


async def revoke_secret(request: PageRequest) -> Response:
    """Revoke a secret."""
    secret = await _secret(request)
    await request.engine.access.revoke_signing_secret(secret.id, by=request.actor)
    return request.go("/developer", said=f"Secret {secret.id} was revoked.")


async def _secret(request: PageRequest) -> SigningSecret:
    """Return the secret of this environment that the address names.

    Raises:
        KeyNotFound: there is no such secret.
    """
    for secret in await request.engine.access.signing_secrets():
        if secret.environment is request.environment and secret.id == request.id:
            return secret
    raise KeyNotFound(f"Signing secret not found: {shown(request.id)}")


async def show_revoke_tokens(request: PageRequest) -> Response:
    """Ask whether to revoke the tokens of a user."""
    user = await request.engine.accounts.user(request.environment, request.id)
    return ask(
        request,
        f"Revoke the tokens of {user.name or user.id}?",
        "All existing tokens of this user stop working. This cannot be undone.",
        "Their entitlements stay the same, and your server can create a new token at once.",
        action=request.url("/user/tokens", id=user.id),
        button="Revoke",
        back=request.url("/user", id=user.id),
    )


async def revoke_tokens(request: PageRequest) -> Response:
    """Revoke the tokens of a user."""
    user = await request.engine.accounts.revoke_tokens(request.environment, request.id, by=request.actor)
    return request.go("/user", id=user.id, said=f"The tokens of {user.id} were revoked.")


ROUTES = (
    post("/developer/secret", rotate_secret, needs=Role.OWNER),
    get("/developer/secret/revoke", show_revoke_secret, needs=Role.OWNER),
    post("/developer/secret/revoke", revoke_secret, needs=Role.OWNER),
    get("/user/tokens", show_revoke_tokens, needs=Role.EDITOR),
    post("/user/tokens", revoke_tokens),
)
