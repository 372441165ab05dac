"""User tokens: the secrets that they are signed with, and taking back those that are out."""

from __future__ import annotations

from starlette.responses import Response

from kana.dashboard.confirmation import ask
from kana.dashboard.route import get, post
from kana.dashboard.visit import Visit
from kana.errors import KeyNotFound
from kana.model.key import SigningSecret
from kana.model.person import Role
from kana.model.text import shown


async def rotate_secret(visit: Visit) -> Response:
    """Sign user tokens with a new secret."""
    secret = await visit.engine.access.rotate_signing_secret(visit.environment, by=visit.actor)
    return visit.go("/developer", said=f"New user tokens are signed with secret {secret.id}; older ones stay valid.")


async def show_revoke_secret(visit: Visit) -> Response:
    """Ask whether to revoke a secret."""
    secret = await _secret(visit)
    return ask(
        visit,
        f"Revoke secret {secret.id}",
        "User tokens that are signed with it open nothing any more, within a second. This is for good.",
        "Browsers that hold one are refused until your server makes them another.",
        action=visit.url("/developer/secret/revoke", id=secret.id),
        button="Revoke",
        back=visit.url("/developer"),
    )


async def revoke_secret(visit: Visit) -> Response:
    """Revoke it."""
    secret = await _secret(visit)
    await visit.engine.access.revoke_signing_secret(secret.id, by=visit.actor)
    return visit.go("/developer", said=f"Secret {secret.id} is revoked.")


async def _secret(visit: Visit) -> SigningSecret:
    """Return a secret of the environment that is looked at.

    Raises:
        KeyNotFound: it has none with this id.
    """
    for secret in await visit.engine.access.signing_secrets():
        if secret.environment is visit.environment and secret.id == visit.id:
            return secret
    raise KeyNotFound(f"Signing secret not found: {shown(visit.id)}")


async def show_revoke_tokens(visit: Visit) -> Response:
    """Ask whether to revoke the tokens of a user."""
    user = await visit.engine.accounts.user(visit.environment, visit.id)
    return ask(
        visit,
        f"Revoke the tokens of {user.name or user.id}",
        "Every user token that was made for them until now opens nothing any more. This is for good.",
        "What they may use stays as it is; your server can make them a new token at once.",
        action=visit.url("/user/tokens", id=user.id),
        button="Revoke",
        back=visit.url("/user", id=user.id),
    )


async def revoke_tokens(visit: Visit) -> Response:
    """Revoke them."""
    user = await visit.engine.accounts.revoke_tokens(visit.environment, visit.id, by=visit.actor)
    return visit.go("/user", id=user.id, said=f"The tokens of {user.id} are revoked.")


ROUTES = (
    post("/developer/secret", rotate_secret, needs=Role.OWNER),
    get("/developer/secret/revoke", show_revoke_secret, needs=Role.OWNER),
    post("/developer/secret/revoke", revoke_secret, needs=Role.OWNER),
    get("/user/tokens", show_revoke_tokens, needs=Role.EDITOR),
    post("/user/tokens", revoke_tokens),
)
