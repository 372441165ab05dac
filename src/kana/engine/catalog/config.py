"""The configuration as a file: reviewing what publishing it would do, and publishing it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping, Sequence
from functools import partial

from kana.engine.pace import aside
from kana.engine.ports.catalog import CatalogStore
from kana.engine.ports.clock import Clock
from kana.engine.turns import AT_ONCE
from kana.errors import Conflict, InvalidValue
from kana.model.catalog import Catalog
from kana.model.change import Change, Verb, describe
from kana.model.config import Config
from kana.model.environment import Actor, Environment
from kana.model.plan import Plan, plan
from kana.model.text import counted
from kana.model.value import value_object
from kana.model.word import Word

CAPS_COUNTED_MAX = 20
"""For how many lowered limits subscribers above them are counted: each count reads all subscribers of a package."""

_MARK = re.compile(r"\[(ERROR|WARNING)\]")


class Severity(Word):
    """What a line is: something that prevents publishing, something to consider, or a change."""

    ERROR = "ERROR"
    WARNING = "WARNING"
    CHANGE = "CHANGE"


@value_object(kw_only=True)
class ReviewLine:
    """One line of a review. Errors have ``path``; other lines have the change and the number of subscribers.

    ``over`` counts subscribers that have used more in their current period than a new limit
    allows; None if no limit is lowered, or it was not counted (see ``CAPS_COUNTED_MAX``).
    """

    severity: Severity
    text: str
    path: str | None = None
    change: Change | None = None
    subscribers: int = 0
    over: int | None = None

    @property
    def marked(self) -> str:
        """The line in published form. A name that looks like a mark must not count as one."""
        text = _MARK.sub(r"(\1)", self.text)
        return text if self.severity is Severity.CHANGE else f"[{self.severity}] {text}"


@value_object()
class Review:
    """What publishing a configuration would do to the catalogue at ``revision``; without lines, nothing."""

    revision: str
    lines: tuple[ReviewLine, ...]


class ConfigRefused(InvalidValue):
    """The configuration has errors; nothing was changed."""

    name = "ConfigError"

    def __init__(self, lines: tuple[ReviewLine, ...]) -> None:
        super().__init__(" ".join(line.marked for line in lines))
        self.lines = lines


class ConfigStale(Conflict):
    """The catalogue was changed since the file was made; nothing was changed."""

    name = "ConfigStaleError"


class ConfigEngine:
    """Reads and publishes one environment's features and packages as one configuration."""

    def __init__(self, store: CatalogStore, *, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def read(self, environment: Environment) -> Catalog:
        """Return all features and packages as last committed."""
        return await self._store.catalog(environment)

    async def review(self, environment: Environment, config: Config, *, app_id: str) -> Review:
        """Return what publishing would do: the errors, or warnings followed by a line for each change.

        The counts are read one after another; they are for information, and nothing is decided by them. Their
        cost grows with the subscribers of the packages whose limits are lowered.
        """
        now = self._clock()
        catalog = await self.read(environment)
        planned = await aside(partial(plan, catalog, config, now=now))
        errors = _errors(catalog, config, planned, app_id)
        if errors:
            return Review(revision_of(catalog, app_id), errors)
        return Review(revision_of(catalog, app_id), await self.impact(environment, catalog, planned.catalog))

    async def impact(self, environment: Environment, old: Catalog, new: Catalog) -> tuple[ReviewLine, ...]:
        """Return what changing one catalogue to another does, and to how many subscribers: warnings, then every change.

        The counts are those of ``review``.
        """
        counted = await self._count(environment, await aside(partial(describe, old, new)))
        return await aside(partial(_with_warnings, counted))

    async def publish(self, environment: Environment, config: Config, *, app_id: str, by: Actor) -> Catalog:
        """Change the catalogue to the configuration, in one transaction: all of it or nothing.

        Everything is checked again on the newest catalogue. Publishing the same again changes nothing.

        Raises:
            ConfigStale: the configuration names a revision of this catalogue that is no longer the newest.
            ConfigRefused: it has errors, which cannot be forced: no such catalogue can exist.
        """
        now = self._clock()

        def change(catalog: Catalog) -> Catalog:
            stale = stale_words(catalog, config, app_id)
            if stale is not None:
                raise ConfigStale(stale)
            planned = plan(catalog, config, now=now)
            if planned.problems:
                raise ConfigRefused(_errors(catalog, config, planned, app_id))
            return planned.catalog

        return await self._store.change_catalog(environment, change, by=by, now=now)

    async def _count(self, environment: Environment, changes: list[Change]) -> list[ReviewLine]:
        """Count the subscribers that each change affects."""
        subscribers: Mapping[str, int] = {}
        if any(change.reaches_subscribers for change in changes):
            subscribers = await self._store.count_subscribers(environment, now=self._clock())
        lines, caps_left = [], CAPS_COUNTED_MAX
        for number, change in enumerate(changes, start=1):
            if number % AT_ONCE == 0:
                await asyncio.sleep(0)
            reached = subscribers.get(change.id, 0) if change.reaches_subscribers else 0
            over = None
            if reached and change.cap is not None and caps_left:
                caps_left -= 1
                over = await self._count_over(environment, change)
            lines.append(_line(change, reached, over))
        return lines

    async def _count_over(self, environment: Environment, change: Change) -> int:
        assert change.cap is not None
        allowance = change.cap.allowance
        assert allowance.limit is not None
        return await self._store.count_over(
            environment,
            change.id,
            change.cap.feature_id,
            limit=allowance.limit,
            reset=allowance.reset_period,
            now=self._clock(),
        )


def revision_of(catalog: Catalog, app_id: str) -> str:
    """Return the name of this state of this catalogue, which no other environment has."""
    return f"{app_id}@{catalog.version}"


def stale_words(catalog: Catalog, config: Config, app_id: str) -> str | None:
    """Return a message if a configuration was made from an older state of this catalogue, otherwise None.

    A file made from another environment is not from an older state, so it may be published here.
    """
    newest = revision_of(catalog, app_id)
    if config.revision is None or config.revision == newest or not config.revision.startswith(f"{app_id}@"):
        return None
    return (
        f"The file was made from revision {config.revision}, and the server is at {newest}:"
        " somebody has changed it since. Pull again, or remove the revision from the file to overwrite the changes."
    )


def _errors(catalog: Catalog, config: Config, planned: Plan, app_id: str) -> tuple[ReviewLine, ...]:
    stale = stale_words(catalog, config, app_id)
    errors = [] if stale is None else [ReviewLine(severity=Severity.ERROR, text=stale, path="revision")]
    errors += [ReviewLine(severity=Severity.ERROR, text=found.text, path=found.path) for found in planned.problems]
    return tuple(errors)


def _line(change: Change, subscribers: int, over: int | None) -> ReviewLine:
    reach = f" (at once for {counted(subscribers, 'subscriber')})" if change.reaches_subscribers else ""
    if change.keeps:
        reach = f" ({counted(subscribers, 'subscriber keeps', 'subscribers keep')} it)"
    text = f"{change.subject} {change.what}{reach}."
    return ReviewLine(severity=Severity.CHANGE, text=text, change=change, subscribers=subscribers, over=over)


def _with_warnings(lines: Sequence[ReviewLine]) -> tuple[ReviewLine, ...]:
    warnings = [_warning(line) for line in lines if line.change is not None and _warns(line.change, line)]
    return (*warnings, *lines)


def _warns(change: Change, line: ReviewLine) -> bool:
    """Whether a change needs a warning: subscribers lose something, or nobody new can have the package."""
    return change.takes and (line.subscribers > 0 or change.verb is Verb.ARCHIVE)


def _warning(line: ReviewLine) -> ReviewLine:
    change = line.change
    assert change is not None
    text = f"{change.subject} {change.what}: this touches {counted(line.subscribers, 'subscriber')}"
    if line.over is not None and change.cap is not None:
        limit = change.cap.allowance.limit
        text += f", {line.over} of them above {limit} already in their current period"
    return ReviewLine(
        severity=Severity.WARNING, text=f"{text}.", change=change, subscribers=line.subscribers, over=line.over
    )
