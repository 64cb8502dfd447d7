"""Draw the dashboards as pictures, without Grafana: the same panels and queries, drawn by matplotlib.

``python -m monitor.draw http://127.0.0.1:PORT FOLDER [MINUTES]`` reads from any Prometheus that monitors a swarm.
"""

import math
import re
import sys
import time
from argparse import ArgumentParser
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib import dates
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.gridspec import GridSpecFromSubplotSpec, SubplotSpec
from matplotlib.ticker import MultipleLocator
from monitor.ask import Labels, Prometheus, Series
from monitor.boards import BOARDS
from monitor.panels import (
    BYTES,
    BYTES_PER_SECOND,
    ETH,
    ETH_DECIMALS,
    NO_DATA,
    RATE,
    RATIO,
    SECONDS,
    Board,
    Panel,
    Query,
)
from monitor.queries import FAULTS

WIDTH, HEIGHT, LOW = 16.0, 3.1, 0.8  # inches: width of a dashboard, height of a line of panels, and of one with numbers
HEADING, ROW = 0.3, 0.24  # inches: height of a row's title, and of a line of a table
MAX_LEGENDS = 9  # more would cover the panel
GREEN, RED, ORANGE, GREY = "#3a9d5d", "#d0393e", "#f0a030", "#777777"

PanelData = Sequence[tuple[Query, Series]]
Line = str | list[tuple[Panel, PanelData]]  # a row's title, or panels side by side


def draw_dashboards(prometheus: Prometheus, begin: float, end: float, folder: Path) -> None:
    """Write one picture per dashboard, of the time in which the swarm ran.  ``begin``, ``end``: Unix seconds."""
    folder.mkdir(parents=True, exist_ok=True)
    begin, end = _running_time(prometheus, begin, end)
    for board in BOARDS:
        _board(board, prometheus, begin, end).savefig(folder / f"dashboard-{board.uid}.png", dpi=80)


def _running_time(prometheus: Prometheus, begin: float, end: float) -> tuple[float, float]:
    """The time from the first peer until half of the peers have left, because numbers and bars show its end."""
    data = prometheus.query_range("count(learnae_session_seconds)", begin, end, max(1.0, (end - begin) / 1000))
    points = data[0][1] if data else []
    most = max((count for _, count in points), default=0)
    return min((at for at, _ in points), default=begin), max(
        (at for at, count in points if 2 * count > most), default=end
    )


def _board(board: Board, prometheus: Prometheus, begin: float, end: float) -> Figure:
    step = max(1.0, (end - begin) / 300)
    faults = _windows(prometheus.query_range(FAULTS.expr, begin, end, step), step)
    lines: list[Line] = []
    for title, panels in board.rows:
        lines.append(title)
        for side_by_side in _lines(panels):
            lines.append([(panel, _panel_data(prometheus, panel, begin, end, step)) for panel in side_by_side])
    heights = [_height(line) for line in lines]
    figure = Figure(figsize=(WIDTH, sum(heights) + 0.6), layout="constrained")
    figure.suptitle(board.title, x=0.01, ha="left", weight="bold")
    rows = figure.add_gridspec(len(lines), 1, height_ratios=heights)
    for number, line in enumerate(lines):
        if isinstance(line, str):
            heading = figure.add_subplot(rows[number])
            heading.text(0, 0, line, weight="bold", fontsize=11, color=GREY)
            heading.set_axis_off()
            continue
        cells = _cells(rows[number], [panel.width for panel, _ in line])
        for place, (panel, data) in enumerate(line):
            axes = figure.add_subplot(cells[place])
            axes.set_title(panel.title, loc="left", fontsize=9)
            _panel(axes, panel, data)
            if panel.kind in ("lines", "stack", "states", "windows"):
                _time(axes, begin, end, faults if panel.kind != "windows" else [])
    return figure


def _panel_data(prometheus: Prometheus, panel: Panel, begin: float, end: float, step: float) -> PanelData:
    return [(query, prometheus.query_panel(panel, query, begin, end, step)) for query in panel.queries]


def _height(line: Line) -> float:
    if isinstance(line, str):
        return HEADING
    if line[0][0].kind == "number":
        return LOW
    rows = [len(series) for panel, data in line if panel.kind in ("table", "windows") for _, series in data]
    listed = ROW * (max(rows, default=0) + 3)
    return listed if len(line) == 1 and rows else max(HEIGHT, listed)


def _windows(faults: Series, step: float) -> list[tuple[float, float]]:
    """Times in which a fault was active, from and to."""
    windows: list[tuple[float, float]] = []
    for at in sorted({at for _, points in faults for at, _ in points}):
        if windows and at - windows[-1][1] <= 1.5 * step:
            windows[-1] = (windows[-1][0], at)
        else:
            windows.append((at, at))
    return windows


def _lines(panels: Sequence[Panel]) -> list[list[Panel]]:
    """Panels side by side, in 24 columns like Grafana's."""
    lines: list[list[Panel]] = [[]]
    for panel in panels:
        if sum(other.width for other in lines[-1]) + panel.width > 24:
            lines.append([])
        lines[-1].append(panel)
    return lines


def _cells(place: SubplotSpec, widths: Sequence[int]) -> GridSpecFromSubplotSpec:
    return place.subgridspec(1, len(widths), width_ratios=widths)


def _panel(axes: Axes, panel: Panel, data: PanelData) -> None:
    if not any(series for _, series in data):
        axes.text(0.5, 0.5, panel.empty_text or NO_DATA, ha="center", va="center", color=GREY, transform=axes.transAxes)
        axes.set_axis_off()
        return
    match panel.kind:
        case "lines":
            _over_time(axes, panel, data)
        case "stack":
            _stacked(axes, panel, data)
        case "number":
            _number(axes, panel, data[0][1][0][1][-1][1])
        case "bars":
            _bars(axes, panel, data[0])
        case "states" | "windows":
            _states(axes, data[0], {0: RED, 1: GREEN if panel.kind == "states" else ORANGE})
        case "table":
            _table(axes, panel, data)
        case "points":
            _points(axes, data)


def _over_time(axes: Axes, panel: Panel, data: PanelData) -> None:
    for query, series in data:
        for labels, points in series:
            axes.plot(
                [at / 86400 for at, _ in points], [y for _, y in points], lw=1.2, label=_series_name(query, labels)
            )
    _scaled(axes, panel)
    for limit in (panel.alarm_above, panel.alarm_below):
        if limit is not None:
            axes.axhline(limit, color=RED, ls="--", lw=0.8, zorder=1)
    _legend(axes)


def _stacked(axes: Axes, panel: Panel, data: PanelData) -> None:
    layers = [(_series_name(query, labels), dict(points)) for query, series in data for labels, points in series]
    times = sorted({at for _, points in layers for at in points})
    heights = [[points.get(at, 0.0) for at in times] for _, points in layers]
    axes.stackplot([at / 86400 for at in times], heights, labels=[name for name, _ in layers])
    _scaled(axes, panel)
    _legend(axes)


def _number(axes: Axes, panel: Panel, value: float) -> None:
    wrong = (panel.alarm_above is not None and value >= panel.alarm_above) or (
        panel.alarm_below is not None and value < panel.alarm_below
    )
    colour = RED if wrong else GREEN
    axes.text(0.5, 0.5, format_value(value, panel.unit), ha="center", va="center", fontsize=17, color=colour)
    axes.set_axis_off()


def _bars(axes: Axes, panel: Panel, data: tuple[Query, Series]) -> None:
    query, series = data
    listed = sorted(((_series_name(query, labels), points[-1][1]) for labels, points in series), reverse=True)
    colours = [RED if panel.alarm_below is not None and value < panel.alarm_below else GREEN for _, value in listed]
    bars = axes.barh([name for name, _ in listed], [value for _, value in listed], color=colours)
    axes.bar_label(bars, [format_value(value, panel.unit) for _, value in listed], fontsize=7, padding=2)
    axes.margins(x=0.25)
    axes.xaxis.set_visible(False)
    axes.tick_params(labelsize=7)


def _states(axes: Axes, data: tuple[Query, Series], colours: dict[int, str]) -> None:
    query, series = data
    for row, (_, points) in enumerate(reversed(series)):
        pace = min((b - a for (a, _), (b, _) in zip(points, points[1:], strict=False)), default=1.0) / 86400
        for value, colour in colours.items():
            axes.broken_barh([(at / 86400, pace) for at, y in points if y == value], (row - 0.4, 0.8), color=colour)
    axes.set_yticks(
        range(len(series)), [_series_name(query, labels)[:30] for labels, _ in reversed(series)], fontsize=7
    )
    spare = max(0.0, (3 - len(series)) / 2)  # a single bar does not fill the panel
    axes.set_ylim(-0.6 - spare, len(series) - 0.4 + spare)


def _table(axes: Axes, panel: Panel, data: PanelData) -> None:
    columns = [{_key(labels): points[-1][1] for labels, points in series} for _, series in data]
    keys = sorted(set().union(*columns))
    units = [query.unit or panel.unit for query, _ in data]
    cells = [
        [format_value(each.get(key, math.nan), unit) for each, unit in zip(columns, units, strict=True)] for key in keys
    ]
    axes.set_axis_off()
    grid = axes.table(cells, rowLabels=keys, colLabels=[query.legend for query, _ in data], loc="upper center")
    grid.auto_set_font_size(False)
    grid.set_fontsize(8)


def _points(axes: Axes, data: PanelData) -> None:
    (across, xs), (up, ys) = data
    heights = {_key(labels): points[-1][1] for labels, points in ys}
    marks = {_key(labels): (points[-1][1], heights[_key(labels)]) for labels, points in xs if _key(labels) in heights}
    axes.plot(*zip(*marks.values(), strict=True), "o", color=GREEN)
    axes.margins(0.12)
    for axis, query in ((axes.xaxis, across), (axes.yaxis, up)):
        _unit(axis, query.unit)
        axis.set_label_text(query.legend, fontsize=8)
    axes.tick_params(labelsize=7)
    _names(axes, marks)


def _names(axes: Axes, marks: dict[str, tuple[float, float]]) -> None:
    """Each name beside its point, on a free side; a name takes about 5 % of the width and of the height."""
    (left, right), (low, high) = axes.get_xlim(), axes.get_ylim()
    places = {name: ((x - left) / (right - left), (y - low) / (high - low)) for name, (x, y) in marks.items()}
    taken = list(places.values())
    for name, here in places.items():
        sides = [(here[0] + dx, here[1] + dy) for dx, dy in ((0.035, 0), (-0.035, 0), (0, 0.06), (0, -0.06))]
        free = [min((max(abs(x - a), abs(y - b)) for a, b in taken if (a, b) != here), default=1) for x, y in sides]
        x, y = sides[0] if free[0] > 0.05 else sides[free.index(max(free))]
        taken.append((x, y))
        axes.text(x, y, name, fontsize=7, ha="center", va="center", transform=axes.transAxes)


def _time(axes: Axes, begin: float, end: float, faults: Sequence[tuple[float, float]]) -> None:
    axes.set_xlim(begin / 86400, end / 86400)
    axes.xaxis.set_major_locator(dates.AutoDateLocator(maxticks=6))  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_formatter(dates.DateFormatter("%H:%M:%S"))  # type: ignore[no-untyped-call]
    axes.tick_params(labelsize=7)
    for opened, closed in faults:
        axes.axvspan(opened / 86400, closed / 86400, color=ORANGE, alpha=0.18, lw=0, zorder=0)


def _scaled(axes: Axes, panel: Panel) -> None:
    low, high = (axes.dataLim.y0, axes.dataLim.y1)
    low, high = low if panel.minimum is None else panel.minimum, high if panel.maximum is None else panel.maximum
    high += high == low
    axes.set_ylim(low - 0.03 * (high - low), high + 0.05 * (high - low))
    axes.grid(axis="y", alpha=0.3)
    axes.set_axisbelow(True)
    _unit(axes.yaxis, panel.unit)
    if panel.unit in (BYTES, BYTES_PER_SECOND):
        axes.yaxis.set_major_locator(MultipleLocator(2.0 ** math.ceil(math.log2((high - low) / 6))))


def _unit(axis: Any, unit: str) -> None:
    axis.set_major_formatter(lambda value, _: format_value(value, unit))


def _legend(axes: Axes) -> None:
    """Below the panel, where it covers nothing."""
    handles, _ = axes.get_legend_handles_labels()
    if len(handles) <= MAX_LEGENDS:
        axes.legend(fontsize=7, loc="upper left", bbox_to_anchor=(0, -0.1), ncols=5, frameon=False, columnspacing=1.2)
    else:
        axes.set_title(f"{len(handles)} lines", loc="right", fontsize=7, color=GREY)


def _series_name(query: Query, labels: Labels) -> str:
    return re.sub(r"{{(\w+)}}", lambda match: labels.get(match[1], ""), query.legend)


def _key(labels: Labels) -> str:
    return " ".join(value for name, value in sorted(labels.items()) if name != "__name__")


def format_value(value: float, unit: str) -> str:
    """A number roughly like Grafana writes it."""
    if math.isnan(value):
        return ""
    if unit == RATIO:
        return f"{100 * value:.3g} %"
    if unit == ETH:
        return f"{value:z.{ETH_DECIMALS}f}".rstrip("0").rstrip(".") + " ETH"
    if unit == SECONDS:
        return f"{value:.3g} s" if value >= 1 or value == 0 else f"{value * 1000:.3g} ms"
    if unit in (BYTES, BYTES_PER_SECOND):
        scale = min(3, int(math.log(max(value, 1), 1024)))
        return f"{value / 1024**scale:.3g} {('B', 'KiB', 'MiB', 'GiB')[scale]}{'/s' * (unit == BYTES_PER_SECOND)}"
    return f"{value:.4g}" + "/s" * (unit == RATE)


def main(arguments: Sequence[str]) -> int:
    options = ArgumentParser(prog="python -m monitor.draw", description="Draw the dashboards as pictures.")
    options.add_argument("url", help="address of Prometheus, for example http://127.0.0.1:9090")
    options.add_argument("folder", type=Path, help="folder for the pictures")
    options.add_argument("minutes", type=float, nargs="?", default=15.0, help="time to show (default: 15)")
    chosen = options.parse_args(arguments)
    now = time.time()
    try:
        draw_dashboards(Prometheus(chosen.url), now - 60 * chosen.minutes, now, chosen.folder)
    except (OSError, ValueError) as error:
        options.error(f"{chosen.url} does not answer like Prometheus ({error}); check the address")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
