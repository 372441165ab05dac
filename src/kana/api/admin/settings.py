"""What is set for the environment of the key."""

from __future__ import annotations

from ariadne import MutationType, QueryType

from kana.api.admin.context import Info
from kana.model.key import EnvironmentSettings

query = QueryType()
mutation = MutationType()


@query.field("environmentSettings")
async def environment_settings(_root: object, info: Info) -> EnvironmentSettings:
    """What is set, at most half a second old."""
    return (await info.context.engine.access.keyring()).environments[info.context.environment]


@mutation.field("setSecureModeRequired")
async def set_secure_mode_required(_root: object, info: Info, *, required: bool) -> EnvironmentSettings:
    """Set it; holds in every process within a second."""
    context = info.context
    return await context.engine.access.change_settings(
        context.environment, requires_secure_mode=required, by=context.actor
    )
