"""Flags: what OpenFeature knows a feature by, with the values that go with a decision on it.

A feature ``f`` is a boolean, whether it may be used; ``f:remaining`` an integer, how many units may still be; and
``f:entitlement`` an object that says both and more. A feature of exactly that name goes before.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, NamedTuple

from kana.errors import FeatureNotFound
from kana.model.entitlement import DENIED, Decision
from kana.model.feature import Feature
from kana.model.period import time_text
from kana.model.text import UNITS_MAX, shown

REMAINING, ENTITLEMENT = ":remaining", ":entitlement"


class Flag(NamedTuple):
    """A feature, and which of its flags: the end of its key, empty for the boolean."""

    feature: Feature
    kind: str = ""

    @property
    def key(self) -> str:
        """The key that OpenFeature knows it by."""
        return self.feature.id + self.kind


def flag_of(features: Mapping[str, Feature], key: str) -> Flag:
    """Return the flag with a key.

    Raises:
        FeatureNotFound: no feature has it.
    """
    if key in features:
        return Flag(features[key])
    for kind in (REMAINING, ENTITLEMENT):
        feature = features.get(key.removesuffix(kind)) if key.endswith(kind) else None
        if feature is not None and (kind != REMAINING or feature.is_counted):
            return Flag(feature, kind)
    raise FeatureNotFound(f"Feature not found: {shown(key)}")


def flags_of(feature: Feature) -> Iterator[Flag]:
    """Yield the flags of a feature; one that is BINARY has nothing that remains."""
    yield Flag(feature)
    if feature.is_counted:
        yield Flag(feature, REMAINING)
    yield Flag(feature, ENTITLEMENT)


def evaluated(flag: Flag, decision: Decision | None, resets_at: datetime | None) -> dict[str, Any]:
    """Return a flag as the protocol has it; without a decision nothing gives the user the feature."""
    said = about(decision or DENIED, resets_at)
    access = said.pop("access")
    value: Any = access
    if flag.kind == REMAINING:
        value = said.get("remaining", 0)
    elif flag.kind == ENTITLEMENT:
        value = {"access": access, **said}
    return {
        "key": flag.key,
        "value": value,
        "reason": "DEFAULT" if decision is None else "TARGETING_MATCH",
        "variant": flag.kind[1:] or ("on" if access else "off"),
        "metadata": said,
    }


def about(decision: Decision, resets_at: datetime | None) -> dict[str, Any]:
    """Return what a decision says, in values without structure; what does not apply is left out."""
    said: dict[str, Any] = {"access": decision.access, "outcome": decision.outcome.value, "reason": decision.reason}
    if decision.consumption is not None:
        used, budget = decision.consumption.used, decision.consumption.budget
        said["used"] = used
        said["remaining"] = UNITS_MAX if budget is None else max(0, budget - used)
        if budget is not None:
            said["limit"] = budget
    if resets_at is not None:
        said["resetsAt"] = time_text(resets_at)
    return said
