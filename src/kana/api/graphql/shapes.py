"""The shape of an answer that needs no resolver, and writing values along it.

A shape is worked out once for a cached operation. A value that does not fit it, such as an error, is
left to graphql-core, which writes or refuses it.
"""

from __future__ import annotations

from collections.abc import Hashable
from functools import lru_cache
from types import GeneratorType
from typing import Any, NamedTuple, TypeAlias

from graphql import GraphQLLeafType, Undefined


class Leaf(NamedTuple):
    """A field that is read from its object as it is: a scalar, an enum or a list of them, without a resolver.

    ``kinds`` are the Python types that the items of a list may have for that; ``None`` if it is not a list.
    """

    key: str
    attribute: str
    kind: GraphQLLeafType
    exact: type | None
    nullable: bool
    kinds: frozenset[type] | None


class Branch(NamedTuple):
    """An object that is read as it is and has only fields that are read as they are.

    ``is_list`` means a list of such objects, whose items may be null if ``item_nullable``.
    """

    key: str
    attribute: str
    nullable: bool
    is_list: bool
    item_nullable: bool
    steps: list[tuple[str, Shape]]

    @property
    def objects(self) -> int:
        """How many objects one of its objects has at least, including itself."""
        return 1 + sum(shape.objects for _, shape in self.steps if isinstance(shape, Branch))


Shape: TypeAlias = Leaf | Branch
"""A field that is written without a resolver, however deep."""


def read(shape: Shape, source: Any) -> Any:
    """Return the field of ``source`` for the answer, or ``Undefined`` if it is left to graphql-core, as errors are."""
    value = source.get(shape.key) if isinstance(source, dict) else getattr(source, shape.attribute, None)
    return write(shape, value)


def write(shape: Shape, value: Any) -> Any:
    """Return a value for the answer, or ``Undefined`` if something in it is left to graphql-core."""
    if value is None:
        return None if shape.nullable else Undefined
    if isinstance(shape, Leaf):
        return _write_leaf(shape, value)
    if not shape.is_list:
        return _write_object(shape, value)
    if type(value) is not list:
        return Undefined
    items = [_write_item(shape, item) for item in value]
    return Undefined if any(item is Undefined for item in items) else items


def _write_item(branch: Branch, value: Any) -> Any:
    if value is None:
        return None if branch.item_nullable else Undefined
    return _write_object(branch, value)


@lru_cache(maxsize=1024)
def _is_plain(kind: Hashable) -> bool:
    """Whether values of this type are plain: there is nothing to call, await or raise."""
    assert isinstance(kind, type)
    has = {name for base in kind.__mro__ for name in vars(base)}
    return not issubclass(kind, Exception | GeneratorType) and has.isdisjoint(("__call__", "__await__"))


def _write_object(branch: Branch, source: Any) -> Any:
    if not _is_plain(source.__class__):
        return Undefined
    answer = {}
    for name, shape in branch.steps:
        value = answer[name] = read(shape, source)
        if value is Undefined:
            return Undefined
    return answer


def _write_leaf(leaf: Leaf, value: Any) -> Any:
    if leaf.kinds is not None:
        return _write_leafs(leaf, value)
    if type(value) is leaf.exact:
        return value
    if leaf.exact is not None or not _is_plain(value.__class__):
        return Undefined
    try:
        coerced = leaf.kind.coerce_output_value(value)
    except Exception:  # noqa: BLE001 - graphql-core raises and reports it again
        return Undefined
    return Undefined if coerced is None else coerced


def _write_leafs(leaf: Leaf, values: Any) -> Any:
    """Return a list for the answer, or ``Undefined`` if any item is left to graphql-core, which then writes all."""
    if type(values) is not list or not leaf.kinds.issuperset(map(type, values)):  # type: ignore[union-attr]
        return Undefined
    if leaf.exact is not None:
        return values
    coerce = leaf.kind.coerce_output_value
    try:
        coerced = [None if value is None else coerce(value) for value in values]
    except Exception:  # noqa: BLE001 - graphql-core raises it again and reports it at its item
        return Undefined
    return coerced if coerced.count(None) == values.count(None) else Undefined
