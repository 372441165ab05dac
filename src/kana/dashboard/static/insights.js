// Draws what data-chart holds: {"labels": [text], "points": [[seconds], [units], …]}. The tables beside it say the same.
"use strict";

const COLOURS = ["#2563eb", "#d97706", "#059669", "#db2777", "#7c3aed", "#0891b2", "#b91c1c", "#65a30d", "#6b7280"];
const HEIGHT = 320;

for (const place of document.querySelectorAll(".kana-graph[data-chart]")) {
  if (typeof uPlot === "undefined") break;
  const { labels, points } = JSON.parse(place.dataset.chart);
  const stroke = getComputedStyle(document.body).color;
  const axis = { stroke, grid: { stroke: "#8884" }, ticks: { stroke: "#8884" } };
  const width = () => place.parentElement.clientWidth - 40;
  const chart = new uPlot({
    width: width(),
    height: HEIGHT,
    tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1e3), "UTC"),
    scales: { y: { range: (self, low, high) => [Math.min(low, 0), Math.max(high, 1) * 1.05] } },
    axes: [axis, { ...axis, size: 80 }],
    series: [{}, ...labels.map((label, number) => ({
      label,
      stroke: COLOURS[number % COLOURS.length],
      width: 2,
      points: { show: points[0].length < 60 },
    }))],
  }, points, place);
  addEventListener("resize", () => chart.setSize({ width: width(), height: HEIGHT }));
}
