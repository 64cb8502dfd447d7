"use strict";
// Draws a chart in the colours of the hour and for the width at hand.
const data = JSON.parse(document.getElementById("data").textContent);
const dark = matchMedia("(prefers-color-scheme: dark)");
const narrow = matchMedia("(max-width: 640px)");
const plots = [...document.querySelectorAll("[data-chart]")];

const hour = () => (dark.matches ? "dark" : "light");
const x = () => document.querySelector("[name=x]:checked").value;
const chosen = plot => (x() === "seconds" && plot.dataset.seconds) || plot.dataset.chart;

const coloured = chart => {
  const text = JSON.stringify(chart);
  return JSON.parse(dark.matches ? text.replace(/#[0-9A-F]{6}/g, day => data.night[day] ?? day) : text);
};

const draw = (plot, chart) => {
  const { data: traces, layout } = coloured(chart);
  if (narrow.matches && layout.annotations?.length) {
    layout.annotations = []; // the caption says the same
    layout.margin.r = 20;
  }
  return Plotly.react(plot, traces, layout, { displayModeBar: false, responsive: true, showTips: false });
};

const whenever = redraw => {
  // the hour, the width or the choice of an axis changes
  for (const change of [dark, narrow]) change.addEventListener("change", redraw);
  for (const choice of document.querySelectorAll("[name=x]")) choice.addEventListener("change", redraw);
};

const label = () => {
  for (const axis of document.querySelectorAll("[data-units]")) axis.textContent = axis.dataset[x()];
};
document.documentElement.classList.add("scripted");
