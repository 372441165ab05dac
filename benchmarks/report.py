"""The table and the plot."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from pathlib import Path

from benchmarks.figures import Part, shown

DOCS = Path(__file__).parent.parent / "docs"


def write(parts: Sequence[Part]) -> None:
    """Write docs/benchmarks.md and docs/benchmarks.png."""
    (DOCS / "benchmarks.md").write_text(table(parts))
    _plot(parts)


def table(parts: Sequence[Part]) -> str:
    """Return the figures as Markdown: the ratios first."""
    lines = [
        "# Benchmarks",
        "",
        "Written by `make bench`. Medians of one run; what holds elsewhere are the ratios.",
        f"Machine: {os.cpu_count()} processors, Python {platform.python_version()}, {platform.system()}.",
        "The load generator shares the processors with what it loads.",
        f"Measured in this run: {'; '.join(part.title for part in parts)}.",
        "",
        "| ratio | measured | bound | reached |",
        "| --- | ---: | --- | --- |",
    ]
    for part in parts:
        for ratio in part.ratios:
            reached = "yes" if ratio.reached else "**no**"
            lines.append(f"| {ratio.name} | {shown(ratio.value)} | {ratio.bound} | {reached} |")
    lines += ["", "![the figures below](benchmarks.png)", ""]
    for part in parts:
        lines += [f"## {part.title}", "", "| what | median | unit | spread |", "| --- | ---: | --- | --- |"]
        lines += [f"| {s.name} | {shown(s.median)} | {s.unit} | {s.spread} |" for s in part.series]
        lines += ["", *part.notes, ""] if part.notes else [""]
    return "\n".join(lines).rstrip() + "\n"


def _plot(parts: Sequence[Part]) -> None:
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    drawn = [part for part in parts if part.series]
    heights = [len(part.series) + 2 for part in drawn]
    figure, axes = plt.subplots(
        len(drawn), 1, figsize=(10, 0.26 * sum(heights)), height_ratios=heights, squeeze=False, layout="constrained"
    )
    for axis, part in zip(axes[:, 0], drawn, strict=True):
        names = [f"{series.name} ({series.unit})" for series in part.series][::-1]
        medians = [series.median for series in part.series][::-1]
        errors = [
            [series.median - min(series.values) for series in part.series][::-1],
            [max(series.values) - series.median for series in part.series][::-1],
        ]
        axis.barh(names, medians, xerr=errors, color="#2f6f8f", ecolor="#888888")
        axis.set_title(part.title, loc="left", fontsize=10)
        axis.tick_params(labelsize=7)
        axis.set_xscale("log")
    figure.savefig(DOCS / "benchmarks.png", dpi=110)
