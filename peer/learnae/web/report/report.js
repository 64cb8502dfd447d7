// Draws every chart, and again when something changes.
const drawAll = async () => {
  delete document.documentElement.dataset.drawn;
  label();
  await Promise.all(plots.map(plot => draw(plot, data.charts[chosen(plot)])));
  document.documentElement.dataset.drawn = hour();
};
whenever(drawAll);
drawAll();
