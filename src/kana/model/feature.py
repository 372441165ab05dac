"""A feature: anything in the product that could be billed."""

from __future__ import annotations

from dataclasses import field
from datetime import datetime
from typing import assert_never

from kana.errors import InvalidValue
from kana.model.text import identifier, metadata, optional_identifier
from kana.model.value import value_object
from kana.model.word import Word


class FeatureType(Word):
    """Whether a feature is on or off, or is counted. It never changes."""

    BINARY = "BINARY"
    CONSUMABLE = "CONSUMABLE"


@value_object(kw_only=True)
class Feature:
    """Something in the product that could be billed, as its owner names it.

    Unit labels say what is counted ("message", "messages") and exist for CONSUMABLE features only.

    Raises:
        InvalidValue: a field is not allowed; the message names it.

    Source: docs.usekana.com/reference, objects "Feature".
    """

    id: str
    name: str
    type: FeatureType
    unit_label: str | None = None
    unit_label_plural: str | None = None
    metadata: object = None
    created_at: datetime
    is_counted: bool = field(init=False, repr=False, compare=False)
    """Whether its use is shown as a count and may have a limit. Computed once, because each decision asks."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "is_counted", _is_counted(self.type))
        identifier(self.id, field="id")
        identifier(self.name, field="name")
        metadata(self.metadata)
        for name, value in (("unitLabel", self.unit_label), ("unitLabelPlural", self.unit_label_plural)):
            optional_identifier(value, field=name)
            if value is not None and not self.is_counted:
                raise InvalidValue(f"{name} is for CONSUMABLE features only, and {self.id!r} is BINARY", field=name)


def _is_counted(kind: FeatureType) -> bool:
    match kind:
        case FeatureType.CONSUMABLE:
            return True
        case FeatureType.BINARY:
            return False
        case _:
            assert_never(kind)
