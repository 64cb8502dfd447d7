"""Grafana's JSON: ``python -m monitor.dashboards`` writes monitor/dashboards/; with ``--check`` it compares."""

import json
import sys
from collections.abc import Sequence
from itertools import count
from pathlib import Path
from typing import Any

from grafana_foundation_sdk.builders import bargauge, common, dashboard, prometheus, stat, statetimeline, table
from grafana_foundation_sdk.builders import timeseries as lines
from grafana_foundation_sdk.builders import xychart as points
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import common as looks
from grafana_foundation_sdk.models import dashboard as model
from grafana_foundation_sdk.models import prometheus as asked
from grafana_foundation_sdk.models import xychart as scatter
from monitor.boards import BOARDS
from monitor.panels import CHOSEN, ETH, ETH_DECIMALS, INSTANT, NOTHING, Board, Panel, Query
from monitor.queries import FAULTS

FOLDER = Path(__file__).parent / "dashboards"
SOURCE = model.DataSourceRef(type_val="prometheus", uid="prometheus")  # grafana/datasources/prometheus.yml
GREEN, RED, ORANGE = "green", "red", "orange"


def written(board: Board) -> str:
    return json.dumps(built(board), cls=JSONEncoder, indent=1, sort_keys=True) + "\n"


def main(arguments: Sequence[str]) -> int:
    stale = [path for path, text in _files() if not path.exists() or path.read_text() != text]
    if "--check" not in arguments:
        for path, text in _files():
            path.write_text(text)
    elif stale:
        print(f"{', '.join(map(str, stale))}: not what monitor/dashboards.py makes: run python -m monitor.dashboards")
        return 1
    return 0


def _files() -> list[tuple[Path, str]]:
    return [(FOLDER / f"{board.uid}.json", written(board)) for board in BOARDS]


def built(board: Board) -> model.Dashboard:
    made = dashboard.Dashboard(board.title).uid(f"learnae-{board.uid}").description(board.says).tags(["learnae"])
    made.readonly().refresh("5s").time("now-15m", "now").timezone("browser").tooltip(
        model.DashboardCursorSync.CROSSHAIR
    )
    made.link(
        dashboard.DashboardLink("LEARNAE").type(model.DashboardLinkType.DASHBOARDS).tags(["learnae"]).keep_time(True)
    )
    made.annotation(_Faults())
    for name in CHOSEN:
        made.with_variable(_variable(name))
    numbers = count(1)
    for title, panels in board.rows:
        made.with_row(dashboard.Row(title).id(next(numbers)))
        for panel in panels:
            made.with_panel(_panel(panel).id(next(numbers)))
    return made.build()


class _Shaded(model.AnnotationQuery):
    """With what Prometheus' annotations have and the SDK's type has not."""

    def to_json(self) -> dict[str, object]:
        said, _, hit = FAULTS.legend.partition(": ")
        return super().to_json() | {"step": "5s", "titleFormat": said, "textFormat": hit, "tagKeys": "fault"}


class _Faults(dashboard.AnnotationQuery):
    def __init__(self) -> None:
        self._internal = _Shaded("Faults", SOURCE, True, False, ORANGE, expr=FAULTS.expr)


def _variable(name: str) -> dashboard.QueryVariable:
    metric = 'up{job="peers"}' if name == "policy" else "learnae_session_seconds"
    chosen = dashboard.QueryVariable(name).label(name).datasource(SOURCE).multi(True).include_all(True).all_value(".*")
    everybody = model.VariableOption(selected=True, text="All", value="$__all")
    chosen.query({"query": f"label_values({metric}, {name})", "refId": name}).current(everybody)
    return chosen.refresh(model.VariableRefresh.ON_TIME_RANGE_CHANGED).sort(model.VariableSort.ALPHABETICAL_ASC)


def _panel(panel: Panel) -> Any:
    match panel.kind:
        case "lines" | "stack":
            made: Any = _over_time(panel)
        case "number":
            made = stat.Panel().color_mode(looks.BigValueColorMode.VALUE).graph_mode(looks.BigValueGraphMode.NONE)
        case "bars":
            made = bargauge.Panel().orientation(looks.VizOrientation.HORIZONTAL)
            made.display_mode(looks.BarGaugeDisplayMode.BASIC)
        case "states" | "windows":
            made = statetimeline.Panel().show_value(looks.VisibilityMode.NEVER).mappings([_words(panel)])
            made.legend(_legend(()))
        case "table":
            made = table.Panel().transformations(_joined(panel))
        case "points":
            made = points.Panel().transformations(_joined(panel)).mapping(scatter.SeriesMapping.AUTO)
            made.legend(common.VizLegendOptions().show_legend(False))
    made.title(panel.title).description(panel.says).datasource(SOURCE).unit(panel.unit).no_value(panel.empty or NOTHING)
    made.span(panel.width).height(4 if panel.kind == "number" else 8).thresholds(_thresholds(panel))
    for bound, value in ((made.min, panel.least), (made.max, panel.most)):
        if value is not None and panel.kind not in ("table", "points"):
            bound(value)
    if panel.kind in ("number", "bars", "states", "windows"):
        made.color_scheme(dashboard.FieldColor().mode(model.FieldColorModeId.THRESHOLDS))
    if panel.unit == ETH:
        made.decimals(ETH_DECIMALS)
    for query in panel.queries:
        if query.unit:
            decimals = {"decimals": ETH_DECIMALS} if query.unit == ETH else {}
            values = {"unit": query.unit, **decimals}
            made.override_by_name(query.legend, [model.DynamicConfigValue(*each) for each in values.items()])
    return made.targets([_target(panel, number, query) for number, query in enumerate(panel.queries)])


def _over_time(panel: Panel) -> lines.Panel:
    stacked = panel.kind == "stack"
    made = lines.Panel().line_width(1 if stacked else 2).fill_opacity(60 if stacked else 0).span_nulls(False)
    made.show_points(looks.VisibilityMode.NEVER).legend(_legend(("lastNotNull",)))
    made.tooltip(common.VizTooltipOptions().mode(looks.TooltipDisplayMode.MULTI).sort(looks.SortOrder.DESCENDING))
    if stacked:
        made.stacking(common.StackingConfig().mode(looks.StackingMode.NORMAL).group("A"))
    if panel.alarm is not None or panel.wanted is not None:
        made.thresholds_style(common.GraphThresholdsStyleConfig().mode(looks.GraphThresholdsStyleMode.DASHED))
    return made


def _legend(calcs: Sequence[str]) -> common.VizLegendOptions:
    shown = common.VizLegendOptions().show_legend(True).placement(looks.LegendPlacement.BOTTOM)
    return shown.display_mode(looks.LegendDisplayMode.LIST).calcs(list(calcs))


def _thresholds(panel: Panel) -> dashboard.ThresholdsConfig:
    steps = [model.Threshold(None, GREEN if panel.wanted is None else RED)]
    if panel.wanted is not None:
        steps.append(model.Threshold(panel.wanted, GREEN))
    if panel.alarm is not None:
        steps.append(model.Threshold(panel.alarm, RED))
    return dashboard.ThresholdsConfig().mode(model.ThresholdsMode.ABSOLUTE).steps(steps)


def _words(panel: Panel) -> model.ValueMap:
    shown = (("0", "down", RED), ("1", "up", GREEN)) if panel.kind == "states" else (("1", "open", ORANGE),)
    return model.ValueMap({value: model.ValueMappingResult(text, color) for value, text, color in shown})


def _joined(panel: Panel) -> list[model.DataTransformerConfig]:
    """One line a peer: each query is a column, and is called as its legend says."""
    names = {f"Value #{_ref(number)}": query.legend for number, query in enumerate(panel.queries)}
    order = {name: number for number, name in enumerate(("peer", *names))}
    shown = {"excludeByName": {"Time": True}, "renameByName": names, "indexByName": order}
    return [model.DataTransformerConfig("merge", options={}), model.DataTransformerConfig("organize", options=shown)]


def _target(panel: Panel, number: int, query: Query) -> prometheus.Dataquery:
    made = prometheus.Dataquery().expr(query.expr).legend_format(query.legend).ref_id(_ref(number)).datasource(SOURCE)
    if panel.kind in ("table", "points"):
        made.format(asked.PromQueryFormat.TABLE)
    return made.instant() if panel.kind in INSTANT else made.range()


def _ref(number: int) -> str:
    return chr(ord("A") + number)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
