"""The metrics of the process, for Prometheus. Labels come from the schema, never from a client."""

from __future__ import annotations

import collections
from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Histogram

_SECONDS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 3.0)
_SIZES = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)


class Metrics:
    """The counters of one process, in a registry that is passed in, so that tests have their own.

    The children of a metric are looked up once and cached, so that counting takes one dictionary
    look-up and one addition per request.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self.registry = registry
        self._requests = Counter(
            "kana_requests",
            "Requests by operation and outcome: the root field of GraphQL, or that of /v1 after v1.",
            ("operation", "outcome"),
            registry=registry,
        )
        self._seconds = Histogram(
            "kana_request_seconds", "Time to answer.", ("operation",), buckets=_SECONDS, registry=registry
        )
        self._decisions = Counter(
            "kana_decisions", "Checks and records by reason.", ("operation", "reason"), registry=registry
        )
        self._segment_events = Counter(
            "kana_segment_events", "Segment's events by status.", ("status",), registry=registry
        )
        self._batch_size = Histogram(
            "kana_batch_size", "Entries in one transaction.", buckets=_SIZES, registry=registry
        )
        self._commit_seconds = Histogram(
            "kana_commit_seconds",
            "Time from the start of a transaction to its being on disk.",
            buckets=_SECONDS,
            registry=registry,
        )
        self._request_children: dict[tuple[str, str], Counter] = {}
        self._seconds_children: dict[str, Histogram] = {}
        self._decision_children: dict[tuple[str, str], Counter] = {}

    def request(self, operation: str, outcome: str, seconds: float) -> None:
        """Count one answered request. ``outcome`` is ``ok`` or the code of the first error."""
        counter = self._request_children.get((operation, outcome))
        if counter is None:
            counter = self._requests.labels(operation, outcome)
            self._request_children[operation, outcome] = counter
        counter.inc()
        histogram = self._seconds_children.get(operation)
        if histogram is None:
            histogram = self._seconds_children[operation] = self._seconds.labels(operation)
        histogram.observe(seconds)

    def decided(self, operation: str, reasons: Iterable[str]) -> None:
        """Count decisions: ``operation`` is check or record, a reason is a name of the model's enum."""
        for reason, count in collections.Counter(reasons).items():
            counter = self._decision_children.get((operation, reason))
            if counter is None:
                counter = self._decisions.labels(operation, reason)
                self._decision_children[operation, reason] = counter
            counter.inc(count)

    def segment(self, statuses: Iterable[str]) -> None:
        """Count Segment's events by status; a status is a name of the model's enum."""
        for status, count in collections.Counter(statuses).items():
            self._segment_events.labels(status).inc(count)

    def batch(self, size: int, seconds: float) -> None:
        """Count one committed transaction of ``size`` entries that took ``seconds``."""
        self._batch_size.observe(size)
        self._commit_seconds.observe(seconds)
