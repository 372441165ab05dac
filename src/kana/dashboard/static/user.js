// Draws what data-chart holds: {"label": text, "points": [[seconds], [used]]}. The table beside it says the same.
"use strict";

for (const place of document.querySelectorAll("[data-chart]")) {
  if (typeof uPlot === "undefined") break;
  const { label, points } = JSON.parse(place.dataset.chart);
  const colour = getComputedStyle(document.body).color;
  const axis = { stroke: colour, grid: { stroke: "#8884" }, ticks: { stroke: "#8884" } };
  const day = 86400;
  const dates = (self, ticks) => ticks.map((tick) => new Date(tick * 1000).toISOString().slice(0, 10));
  const chart = new uPlot({
    tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), "Etc/UTC"),
    width: place.clientWidth,
    height: 220,
    legend: { show: false },
    scales: { y: { range: (self, low, high) => [0, Math.max(high, 1) * 1.05] } },
    axes: [{ ...axis, space: 90, incrs: [day, 7 * day, 30 * day, 365 * day], values: dates }, { ...axis, size: 70 }],
    series: [{}, { label, stroke: "#2563eb", fill: "#2563eb33", points: { show: true }, paths: uPlot.paths.bars({ size: [0.7, 60] }) }],
  }, points, place);
  addEventListener("resize", () => chart.setSize({ width: place.clientWidth, height: 220 }));
}
