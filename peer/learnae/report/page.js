"use strict";
// Draws each chart in the colours of the hour and the width at hand, and again when either changes.
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const narrow = matchMedia("(max-width: 640px)");
  const plots = [...document.querySelectorAll("[data-chart]")];
  const config = { displayModeBar: false, responsive: true, showTips: false };

  const coloured = chart => {
    const text = JSON.stringify(chart);
    return JSON.parse(dark.matches ? text.replace(/#[0-9A-F]{6}/g, day => data.night[day] ?? day) : text);
  };
  const x = () => document.querySelector("[name=x]:checked").value;

  const draw = plot => {
    const { data: traces, layout } = coloured(data.charts[(x() === "seconds" && plot.dataset.seconds) || plot.dataset.chart]);
    if (narrow.matches && layout.annotations?.length) {
      layout.annotations = []; // the caption says the same
      layout.margin.r = 20;
    }
    return Plotly.react(plot, traces, layout, config);
  };
  const drawAll = async () => {
    delete document.documentElement.dataset.drawn;
    for (const label of document.querySelectorAll("[data-units]")) label.textContent = label.dataset[x()];
    await Promise.all(plots.map(draw));
    document.documentElement.dataset.drawn = dark.matches ? "dark" : "light";
  };

  for (const change of [dark, narrow]) change.addEventListener("change", drawAll);
  for (const choice of document.querySelectorAll("[name=x]")) choice.addEventListener("change", drawAll);
  document.documentElement.classList.add("scripted");
  drawAll();
})();
