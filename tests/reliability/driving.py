"""Histories that are drawn from seeds, each by itself, so that any two differ; one that fails is cut down.

What is to be done is drawn ahead, so that a history is a list of calls that can be made again, some of them left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from random import Random
from typing import Any, Protocol, TypeVar

Draw = Callable[[Random], Any]
Call = tuple[str, dict[str, Any]]
"""The name of something to do, and its arguments."""
_Function = TypeVar("_Function", bound=Callable[..., None])


class Lives(Protocol):
    """Has a method for everything that may be done, decorated with ``rule``, whatever was done before."""

    def check_what_is_stored(self) -> None:
        """Check what can only be seen at the end."""

    def close(self) -> None:
        """End it."""


def choice(*values: Any) -> Draw:
    return lambda random: random.choice(values)


def built(make: Callable[..., Any], *draws: Draw) -> Draw:
    return lambda random: make(*(draw(random) for draw in draws))


def lists_of(draw: Draw, *lengths: int) -> Draw:
    return lambda random: [draw(random) for _ in range(random.choice(lengths))]


def rule(often: int = 1, **draws: Draw) -> Callable[[_Function], _Function]:
    """What may be done, with what its arguments are drawn from, and how often beside others."""

    def mark(function: _Function) -> _Function:
        function.draws, function.often = draws, often  # type: ignore[attr-defined]
        return function

    return mark


def history(kind: type[Lives], seed: int, *, steps: int) -> list[Call]:
    """Begin, and then so many calls. In each history some things are done often and others never."""
    random = Random(seed)
    names = sorted(name for name in dir(kind) if hasattr(getattr(kind, name), "draws") and name != "begin")
    weights = [getattr(kind, name).often * random.choice((0, 1, 1, 4)) + 0.01 for name in names]
    done = random.choices(names, weights, k=steps)
    return [(name, {key: draw(random) for key, draw in getattr(kind, name).draws.items()}) for name in ("begin", *done)]


def live(make: Callable[[], Lives], calls: Iterable[Call]) -> None:
    machine = make()
    try:
        for name, arguments in calls:
            getattr(machine, name)(**arguments)
        machine.check_what_is_stored()
    finally:
        machine.close()


def failure(make: Callable[[], Lives], calls: Sequence[Call]) -> Exception | None:
    """What a history fails with, if it does."""
    try:
        live(make, calls)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is found.
        return error
    return None


def shortest(make: Callable[[], Lives], calls: list[Call]) -> list[Call]:
    """A history that fails, without what it also fails without."""
    size = len(calls) // 2
    while size:
        at = 1
        while at < len(calls):
            fewer = calls[:at] + calls[at + size :]
            if failure(make, fewer) is None:
                at += size
            else:
                calls = fewer
        size //= 2
    return calls


def live_all(kind: type[Lives], make: Callable[[], Lives], seeds: Iterable[int], *, steps: int) -> None:
    """Live a history for each seed; of the first that fails, say the shortest that does."""
    for seed in seeds:
        calls = history(kind, seed, steps=steps)
        if failure(make, calls) is not None:
            calls = shortest(make, calls)
            said = "\n".join(
                f"machine.{name}({', '.join(f'{key}={value!r}' for key, value in arguments.items())})"
                for name, arguments in calls
            )
            raise AssertionError(f"history {seed} fails, as this does:\n{said}") from failure(make, calls)
