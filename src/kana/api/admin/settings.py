"""The resolvers of an environment's settings."""

from __future__ import annotations

from ariadne import MutationType, QueryType

from kana.api.admin.context import Info
from kana.model.key import EnvironmentSettings

query = QueryType()
mutation = MutationType()


@query.field("environmentSettings")
async def environment_settings(_root: object, info: Info) -> EnvironmentSettings:
    """Return the settings, at most half a second old."""
    return (await info.context.engine.access.keyring()).environments[info.context.environment]


@mutation.field("setSecureModeRequired")
async def set_secure_mode_required(_root: object, info: Info, *, required: bool) -> EnvironmentSettings:
    """Set secure mode, which takes effect in every process within a second."""
    context = info.context
    return await context.engine.access.change_settings(
        context.environment, requires_secure_mode=required, by=context.actor
    )


@mutation.field("setTimeZone")
async def set_time_zone(_root: object, info: Info, *, time_zone: str) -> EnvironmentSettings:
    """Set the time zone of calendars where no other is said."""
    context = info.context
    return await context.engine.access.change_settings(context.environment, time_zone=time_zone, by=context.actor)
