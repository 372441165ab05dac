// Draws what data-chart holds: {"label": text, "points": [[seconds], [used]]}. The table beside it says the same.
"use strict";

for (const place of document.querySelectorAll("[data-chart]")) {
  if (typeof uPlot === "undefined") break;
  const { label, points } = JSON.parse(place.dataset.chart);
  const colour = getComputedStyle(document.body).color;
  const axis = { stroke: colour, grid: { stroke: "#8884" }, ticks: { stroke: "#8884" } };
  const chart = new uPlot({
    width: place.clientWidth,
    height: 220,
    legend: { show: false },
    scales: { y: { range: (self, low, high) => [0, Math.max(high, 1) * 1.05] } },
    axes: [axis, { ...axis, size: 70 }],
    series: [{}, { label, stroke: "#2563eb", fill: "#2563eb33", points: { show: true }, paths: uPlot.paths.bars({ size: [0.7, 60] }) }],
  }, points, place);
  addEventListener("resize", () => chart.setSize({ width: place.clientWidth, height: 220 }));
}
