from __future__ import annotations

from typing import Final

from kana.sdk.conversation import Steps
from kana.sdk.operation import D, Group, operation
from kana.sdk.results import EnvironmentSettings
from kana.sdk.wire import mutation, query

RETRIEVE: Final = query("environmentSettings", EnvironmentSettings)
SET_TIME_ZONE: Final = mutation("setTimeZone(timeZone: String!)", EnvironmentSettings)
REQUIRE_SECURE_MODE: Final = mutation("setSecureModeRequired(required: Boolean!)", EnvironmentSettings)


class Settings(Group[D]):
    """The settings of the key's environment."""

    @operation
    def retrieve(self) -> Steps[EnvironmentSettings]:
        """Return the settings, at most a second old."""
        return self._core.ask(RETRIEVE)

    @operation
    def require_secure_mode(self, *, required: bool = True) -> Steps[EnvironmentSettings]:
        """Set whether the Client API accepts user tokens only, and no public keys; takes effect within a second.

        Raises:
            OutcomeUnknown: the answer was lost; it is safe to call again.
        """
        return self._core.ask(REQUIRE_SECURE_MODE, required=required)

    @operation
    def set_time_zone(self, time_zone: str) -> Steps[EnvironmentSettings]:
        """Set the IANA time zone that calendars of new subscriptions follow where neither they nor the user have one.

        Raises:
            InvalidValue: there is no such zone.
            OutcomeUnknown: the answer was lost; it is safe to call again.
        """
        return self._core.ask(SET_TIME_ZONE, timeZone=time_zone)
