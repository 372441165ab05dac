"""The resolvers of users and their tokens."""

from __future__ import annotations

from typing import cast

from ariadne import MutationType, QueryType

from kana.api import tokens
from kana.api.admin.context import Info
from kana.api.admin.inputs import Input, fields_of, given_id
from kana.engine.users.accounts import UserChanges
from kana.engine.users.deletions import DeletedUser
from kana.engine.users.exports import ExportPage
from kana.model.user import User

query = QueryType()
mutation = MutationType()


@query.field("user")
async def user(_root: object, info: Info, *, id: str) -> User:  # noqa: A002 - Kana's word
    """Return one user by their id."""
    return await info.context.engine.accounts.user(info.context.environment, given_id(id))


@query.field("users")
async def users(
    _root: object,
    info: Info,
    *,
    id: str | None = None,  # noqa: A002, ARG001 - one of Kana's examples passes it
    first: int | None = None,
    after: str | None = None,
) -> list[User]:
    """Return users in the order of their ids."""
    after = None if after is None else given_id(after, field="after")
    return await info.context.engine.accounts.users(info.context.environment, first=first, after=after)


@query.field("exportUser")
async def export_user(
    _root: object, info: Info, *, user_id: str, first: int | None = None, after: str | None = None
) -> ExportPage:
    """Return some of what is kept of a user."""
    return await info.context.engine.exports.page(
        info.context.environment,
        given_id(user_id, field="userId"),
        first=100 if first is None else first,
        after=after,
    )


@mutation.field("createUser")
async def create_user(_root: object, info: Info, *, input: Input) -> User:  # noqa: A002 - Kana's word
    """Create a user."""
    return await info.context.engine.accounts.create_user(info.context.environment, **input)


@mutation.field("updateUser")
async def update_user(_root: object, info: Info, *, id: str, input: Input) -> User:  # noqa: A002 - Kana's words
    """Change a user, the id included."""
    changes = fields_of(input, "id", "name", "metadata", "time_zone")
    if changes.get("id") is None:
        changes.pop("id", None)
    return await info.context.engine.accounts.update_user(
        info.context.environment, given_id(id), cast("UserChanges", changes)
    )


@mutation.field("revokeUserTokens")
async def revoke_user_tokens(_root: object, info: Info, *, user_id: str) -> User:
    """Revoke all existing tokens of a user."""
    context = info.context
    return await context.engine.accounts.revoke_tokens(
        context.environment, given_id(user_id, field="userId"), by=context.actor
    )


@mutation.field("mergeUsers")
async def merge_users(_root: object, info: Info, *, into: str, **given: str) -> User:
    """Merge one user into another. The arguments are a mapping, because `from` cannot be a name in Python."""
    context = info.context
    source = given_id(given["from"], field="from")
    return await context.engine.merges.merge(
        context.environment, source, given_id(into, field="into"), by=context.actor
    )


@mutation.field("deleteUser")
async def delete_user(_root: object, info: Info, *, user_id: str) -> DeletedUser:
    """Delete a user with everything that says who they are."""
    context = info.context
    return await context.engine.deletions.delete(
        context.environment, given_id(user_id, field="userId"), by=context.actor
    )


@mutation.field("generateUserToken")
async def generate_user_token(_root: object, info: Info, *, user_id: str) -> dict[str, str]:
    """Return a token for a user who exists."""
    engine = info.context.engine
    user = await engine.accounts.user(info.context.environment, given_id(user_id, field="userId"))
    return {"token": tokens.issue(user, await engine.access.keyring(), now=engine.clock())}
