"use strict";
// Draws a chart in the colours of the current mode (light or dark) and for the current width.
const data = JSON.parse(document.getElementById("data").textContent);
const dark = matchMedia("(prefers-color-scheme: dark)");
const narrow = matchMedia("(max-width: 640px)");
const plots = [...document.querySelectorAll("[data-chart]")];

const mode = () => (dark.matches ? "dark" : "light");
const xAxis = () => document.querySelector("[name=x]:checked")?.value;
const chartName = plot => (xAxis() === "seconds" && plot.dataset.seconds) || plot.dataset.chart;

const coloured = chart => {
  const text = JSON.stringify(chart);
  return JSON.parse(dark.matches ? text.replace(/#[0-9A-F]{6}/g, light => data.dark[light] ?? light) : text);
};

const draw = (plot, chart) => {
  const { data: traces, layout } = coloured(chart);
  if (narrow.matches && layout.annotations?.length) {
    layout.annotations = []; // the caption says the same
    layout.margin.r = 20;
  }
  return Plotly.react(plot, traces, layout, { displayModeBar: false, responsive: true, showTips: false });
};

// Calls redraw when the mode, the width or the chosen axis changes.
const onDisplayChange = redraw => {
  for (const query of [dark, narrow]) query.addEventListener("change", redraw);
  for (const choice of document.querySelectorAll("[name=x]")) choice.addEventListener("change", redraw);
};

const labelAxes = () => {
  for (const label of document.querySelectorAll("[data-units]")) label.textContent = label.dataset[xAxis()];
};
document.documentElement.classList.add("scripted");
