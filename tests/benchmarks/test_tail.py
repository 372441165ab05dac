"""The tail is measured on a schedule that waits for nobody, and the disk beside it."""

from __future__ import annotations

import pytest

from benchmarks import tail


def test_every_call_that_was_due_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """However slow the answers are: so many calls as the schedule holds, each from when it was due."""
    rounds: list[list[float]] = []
    quantile = tail._quantile

    def noted(taken: list[float], share: float) -> float:
        rounds.append(taken)
        return quantile(taken, share)

    monkeypatch.setattr(tail, "SECONDS", 1)
    monkeypatch.setattr(tail, "USERS", 10)
    monkeypatch.setattr(tail, "requests_per_second", lambda *_, **__: 200.0)
    monkeypatch.setattr(tail, "_quantile", noted)
    part = tail.measure(rounds=1)
    assert len(rounds[0]) == 100
    assert all(late > 0 for late in rounds[0])
    assert rounds[-1], "the disk was not measured"
    values = {series.name: series.median for series in part.series}
    for what in ("recordUsage", "the bare disk, 8 KB"):
        assert values[f"{what}: p50"] <= values[f"{what}: p99"] <= values[f"{what}: p99.9"]


def test_a_quantile_is_what_so_many_did_not_pass() -> None:
    """Of a hundred, the ninety-ninth and the last."""
    taken = [float(number) for number in range(100)]
    assert [tail._quantile(taken, share) for share in (0.5, 0.99, 0.999)] == [50.0, 99.0, 99.0]
