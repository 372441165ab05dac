"""Methods written once for both clients: the body yields steps, and the client blocks or awaits them."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, Concatenate, Generic, ParamSpec, Self, TypeVar, overload

from kana.sdk.cache import AnswerCache
from kana.sdk.conversation import Call, Steps, converse
from kana.sdk.driver import AsyncDriver, Driver, SyncDriver
from kana.sdk.retry import Retry
from kana.sdk.wire import Field, given

D = TypeVar("D", bound=Driver)
P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Core:
    """What all groups of a client share."""

    retry: Retry
    timeout_s: float
    cache: AnswerCache = field(default_factory=AnswerCache)

    def ask(
        self, asked: Field[T], *, idempotency_key: str | None = None, keyed: bool = False, **variables: object
    ) -> Steps[T]:
        """Return the conversation about one field of the API; variables that are UNSET are left out."""
        call = Call(field=asked, variables=given(**variables), idempotency_key=idempotency_key, keyed=keyed)
        return converse(call, retry=self.retry, timeout_s=self.timeout_s)


class Group(Generic[D]):
    """The methods about one noun, which block or are awaited depending on their driver."""

    def __init__(self, core: Core, driver: D) -> None:
        self._core = core
        self._driver = driver


class Operation(Generic[P, T]):
    """A method whose steps the driver of its group carries out.

    Type checkers see a plain method on a blocking client and a coroutine method on an
    asynchronous one, both with the declared parameters.
    """

    def __init__(self, steps: Callable[Concatenate[Any, P], Steps[T]]) -> None:
        self.steps = steps
        self.__doc__ = steps.__doc__
        self.__wrapped__ = steps

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    @overload
    def __get__(self, group: None, owner: type | None = None) -> Self: ...

    @overload
    def __get__(self, group: Group[SyncDriver], owner: type | None = None) -> Callable[P, T]: ...

    @overload
    def __get__(self, group: Group[AsyncDriver], owner: type | None = None) -> Callable[P, Coroutine[Any, Any, T]]: ...

    def __get__(self, group: Any, owner: type | None = None) -> Any:
        if group is None:
            return self
        # Stored on the group, where the next look-up finds it before this descriptor.
        bound = group._driver.bind(self.steps, group)  # noqa: SLF001 - an operation is part of its group
        return vars(group).setdefault(self._name, bound)


def operation(steps: Callable[Concatenate[Any, P], Steps[T]]) -> Operation[P, T]:
    """Return a method made from a function that yields its steps."""
    return Operation(steps)
