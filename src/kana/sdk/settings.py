from __future__ import annotations

from typing import Final

from kana.sdk.conversation import Steps
from kana.sdk.operation import D, Group, operation
from kana.sdk.results import EnvironmentSettings
from kana.sdk.wire import mutation, query

RETRIEVE: Final = query("environmentSettings", EnvironmentSettings)
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
