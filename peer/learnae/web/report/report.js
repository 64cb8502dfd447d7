// Draws every chart, and again when the display changes.
const drawAll = async () => {
  delete document.documentElement.dataset.drawn;
  labelAxes();
  await Promise.all(plots.map(plot => draw(plot, data.charts[chartName(plot)])));
  document.documentElement.dataset.drawn = mode();
};
onDisplayChange(drawAll);
drawAll();
