from __future__ import annotations

from typing import Final

from kana.sdk.conversation import Steps
from kana.sdk.operation import D, Group, operation
from kana.sdk.results import EnvironmentSettings
from kana.sdk.wire import mutation, query

RETRIEVE: Final = query("environmentSettings", EnvironmentSettings)
REQUIRE_SECURE_MODE: Final = mutation("setSecureModeRequired(required: Boolean!)", EnvironmentSettings)


class Settings(Group[D]):
    """What is set for the environment of the key."""

    @operation
    def retrieve(self) -> Steps[EnvironmentSettings]:
        """Return what is set, at most a second old."""
        return self._core.ask(RETRIEVE)

    @operation
    def require_secure_mode(self, *, required: bool = True) -> Steps[EnvironmentSettings]:
        """Set whether the Client API lets in user tokens only, and no public keys; holds within a second.

        Raises:
            OutcomeUnknown: the answer was lost; calling again does no harm.
        """
        return self._core.ask(REQUIRE_SECURE_MODE, required=required)
