"""Some usage for the desk's users, so that insights show something."""

from __future__ import annotations

from kana.model.allowance import Allowance, Cost
from kana.model.environment import Environment
from kana.model.feature import FeatureType
from kana.model.package import PackageFeature
from kana.model.usage import Usage
from tests.dashboard.desk import Desk
from tests.support.world import TESTER, allows

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


def spend(desk: Desk, environment: Environment) -> None:
    """Let somebody new have 100 credits, and spend 40 of them on videos, 15 on portraits and 2 on whatever."""
    engine, run = desk.served.engine, desk.served.run
    for feature_id in ("credits", "portraits", "videos"):
        name = feature_id.capitalize()
        run(
            engine.catalog.create_feature(environment, id=feature_id, type=FeatureType.CONSUMABLE, name=name, by=TESTER)
        )
    costs = {"portraits": 5, "videos": 40}
    features = [
        PackageFeature(feature_id=name, allowance=Allowance(cost=Cost(feature_id="credits", units=units)))
        for name, units in costs.items()
    ]
    held = [allows(100, feature="credits"), *features]
    run(engine.catalog.create_package(environment, id="studio", features=held, by=TESTER))
    run(engine.catalog.publish_package(environment, "studio", by=TESTER))
    run(engine.accounts.create_user(environment, id="maker"))
    run(engine.accounts.subscribe(environment, "maker", ["studio"]))
    for feature_id, delta in (("portraits", 3), ("videos", 1), ("credits", 2), ("videos", 2)):
        usage = Usage(environment=environment, user_id="maker", feature_id=feature_id, delta=delta)
        run(engine.usage.record(usage))
