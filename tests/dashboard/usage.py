"""Some usage for the desk's users, so that insights show something."""

from __future__ import annotations

from kana.model.environment import Environment
from kana.model.usage import Usage
from tests.dashboard.desk import Desk

USED = (("user-0", "message", 9), ("user-1", "message", 10), ("user-1", "message", 5), ("user-1", "support", 1))
"""Of a limit of 10 a day user-0 has used most, and user-1 all; the third is refused."""


def use(desk: Desk, environment: Environment) -> None:
    """Record ``USED``, and one more an hour later."""
    record = desk.served.engine.usage.record
    for user_id, feature_id, delta in USED:
        usage = Usage(environment=environment, user_id=user_id, feature_id=feature_id, delta=delta)
        desk.served.run(record(usage))
    desk.served.clock.advance(hours=1)
    desk.served.run(record(Usage(environment=environment, user_id="user-2", feature_id="message", delta=2)))
