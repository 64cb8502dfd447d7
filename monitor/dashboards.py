"""Grafana's dashboards: ``python -m monitor.dashboards`` writes monitor/dashboards/; ``--check`` only compares."""

import json
import sys
from argparse import ArgumentParser
from collections.abc import Sequence
from itertools import count
from pathlib import Path
from typing import Any

from grafana_foundation_sdk.builders import bargauge, common, dashboard, prometheus, stat, statetimeline, table
from grafana_foundation_sdk.builders import timeseries as lines
from grafana_foundation_sdk.builders import xychart as points
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import common as grafana
from grafana_foundation_sdk.models import dashboard as model
from grafana_foundation_sdk.models import prometheus as query_model
from grafana_foundation_sdk.models import xychart as scatter
from monitor.boards import BOARDS
from monitor.panels import CHOSEN, ETH, ETH_DECIMALS, INSTANT, NO_DATA, Board, Panel, Query
from monitor.queries import FAULTS

FOLDER = Path(__file__).parent / "dashboards"
# The first Prometheus of any Grafana, or the one that its user chooses above the dashboard.
SOURCE = model.DataSourceRef(type_val="prometheus", uid="${source}")
INPUT = {
    "name": "DS_PROMETHEUS",
    "label": "Prometheus",
    "description": "The Prometheus that scrapes a swarm.",
    "type": "datasource",
    "pluginId": "prometheus",
    "pluginName": "Prometheus",
}
GREEN, RED, ORANGE = "green", "red", "orange"


def to_json(board: Board) -> str:
    """What Grafana provisions, and what a person imports: the dialog of an import asks for the inputs."""
    whole = json.loads(json.dumps(build(board), cls=JSONEncoder)) | {"__inputs": [INPUT]}
    return json.dumps(whole, indent=1, sort_keys=True) + "\n"


def main(arguments: Sequence[str]) -> int:
    options = ArgumentParser(prog="python -m monitor.dashboards", description=__doc__)
    options.add_argument("--check", action="store_true", help="compare the files instead of writing them")
    check = options.parse_args(arguments).check
    stale = [path for path, text in _files() if not path.exists() or path.read_text(encoding="utf-8") != text]
    if not check:
        for path, text in _files():
            path.write_text(text, encoding="utf-8")
    elif stale:
        print(f"{', '.join(map(str, stale))}: outdated: run python -m monitor.dashboards")
        return 1
    return 0


def _files() -> list[tuple[Path, str]]:
    return [(FOLDER / f"{board.uid}.json", to_json(board)) for board in BOARDS]


def build(board: Board) -> model.Dashboard:
    builder = (
        dashboard.Dashboard(board.title).uid(f"learnae-{board.uid}").description(board.description).tags(["learnae"])
    )
    builder.readonly().refresh("5s").time("now-15m", "now").timezone("browser").tooltip(
        model.DashboardCursorSync.CROSSHAIR
    )
    builder.link(
        dashboard.DashboardLink("LEARNAE").type(model.DashboardLinkType.DASHBOARDS).tags(["learnae"]).keep_time(True)
    )
    builder.annotation(_FaultAnnotation())
    # An import replaces the value by what its user chose.  Without one, Grafana goes by the text, or takes the first.
    imported = model.VariableOption(selected=True, text=INPUT["label"], value=f"${{{INPUT['name']}}}")
    source = dashboard.DatasourceVariable("source").label("Prometheus").type("prometheus").current(imported)
    builder.with_variable(source)
    for name in CHOSEN:
        builder.with_variable(_variable(name))
    numbers = count(1)
    for title, panels in board.rows:
        builder.with_row(dashboard.Row(title).id(next(numbers)))
        for panel in panels:
            builder.with_panel(_panel(panel).id(next(numbers)))
    return builder.build()


class _FaultQuery(model.AnnotationQuery):
    """Adds the fields of Prometheus' annotations that the SDK's type lacks."""

    def to_json(self) -> dict[str, object]:
        title, _, text = FAULTS.legend.partition(": ")
        return super().to_json() | {"step": "5s", "titleFormat": title, "textFormat": text, "tagKeys": "fault"}


class _FaultAnnotation(dashboard.AnnotationQuery):
    def __init__(self) -> None:
        self._internal = _FaultQuery("Faults", SOURCE, True, False, ORANGE, expr=FAULTS.expr)


def _variable(name: str) -> dashboard.QueryVariable:
    metric = 'up{job="peers"}' if name == "policy" else "learnae_session_seconds"
    variable = (
        dashboard.QueryVariable(name).label(name).datasource(SOURCE).multi(True).include_all(True).all_value(".*")
    )
    all_values = model.VariableOption(selected=True, text="All", value="$__all")
    variable.query({"query": f"label_values({metric}, {name})", "refId": name}).current(all_values)
    return variable.refresh(model.VariableRefresh.ON_TIME_RANGE_CHANGED).sort(model.VariableSort.ALPHABETICAL_ASC)


def _panel(panel: Panel) -> Any:
    match panel.kind:
        case "lines" | "stack":
            builder: Any = _over_time(panel)
        case "number":
            builder = (
                stat.Panel().color_mode(grafana.BigValueColorMode.VALUE).graph_mode(grafana.BigValueGraphMode.NONE)
            )
        case "bars":
            builder = bargauge.Panel().orientation(grafana.VizOrientation.HORIZONTAL)
            builder.display_mode(grafana.BarGaugeDisplayMode.BASIC)
        case "states" | "windows":
            builder = statetimeline.Panel().show_value(grafana.VisibilityMode.NEVER).mappings([_value_texts(panel)])
            builder.legend(_legend(()))
        case "table":
            builder = table.Panel().transformations(_join_by_peer(panel))
        case "points":
            builder = points.Panel().transformations(_join_by_peer(panel)).mapping(scatter.SeriesMapping.AUTO)
            builder.legend(common.VizLegendOptions().show_legend(False))
    builder.title(panel.title).description(panel.description).datasource(SOURCE).unit(panel.unit).no_value(
        panel.empty_text or NO_DATA
    )
    builder.span(panel.width).height(4 if panel.kind == "number" else 8).thresholds(_thresholds(panel))
    for bound, value in ((builder.min, panel.minimum), (builder.max, panel.maximum)):
        if value is not None and panel.kind not in ("table", "points"):
            bound(value)
    if panel.kind in ("number", "bars", "states", "windows"):
        builder.color_scheme(dashboard.FieldColor().mode(model.FieldColorModeId.THRESHOLDS))
    if panel.unit == ETH:
        builder.decimals(ETH_DECIMALS)
    for query in panel.queries:
        if query.unit:
            decimals = {"decimals": ETH_DECIMALS} if query.unit == ETH else {}
            values = {"unit": query.unit, **decimals}
            builder.override_by_name(query.legend, [model.DynamicConfigValue(*each) for each in values.items()])
    return builder.targets([_target(panel, number, query) for number, query in enumerate(panel.queries)])


def _over_time(panel: Panel) -> lines.Panel:
    stacked = panel.kind == "stack"
    builder = lines.Panel().line_width(1 if stacked else 2).fill_opacity(60 if stacked else 0).span_nulls(False)
    builder.show_points(grafana.VisibilityMode.NEVER).legend(_legend(("lastNotNull",)))
    builder.tooltip(
        common.VizTooltipOptions().mode(grafana.TooltipDisplayMode.MULTI).sort(grafana.SortOrder.DESCENDING)
    )
    if stacked:
        builder.stacking(common.StackingConfig().mode(grafana.StackingMode.NORMAL).group("A"))
    if panel.alarm_above is not None or panel.alarm_below is not None:
        builder.thresholds_style(common.GraphThresholdsStyleConfig().mode(grafana.GraphThresholdsStyleMode.DASHED))
    return builder


def _legend(calcs: Sequence[str]) -> common.VizLegendOptions:
    shown = common.VizLegendOptions().show_legend(True).placement(grafana.LegendPlacement.BOTTOM)
    return shown.display_mode(grafana.LegendDisplayMode.LIST).calcs(list(calcs))


def _thresholds(panel: Panel) -> dashboard.ThresholdsConfig:
    steps = [model.Threshold(None, GREEN if panel.alarm_below is None else RED)]
    if panel.alarm_below is not None:
        steps.append(model.Threshold(panel.alarm_below, GREEN))
    if panel.alarm_above is not None:
        steps.append(model.Threshold(panel.alarm_above, RED))
    return dashboard.ThresholdsConfig().mode(model.ThresholdsMode.ABSOLUTE).steps(steps)


def _value_texts(panel: Panel) -> model.ValueMap:
    shown = (("0", "down", RED), ("1", "up", GREEN)) if panel.kind == "states" else (("1", "open", ORANGE),)
    return model.ValueMap({value: model.ValueMappingResult(text, color) for value, text, color in shown})


def _join_by_peer(panel: Panel) -> list[model.DataTransformerConfig]:
    """One row per peer and one column per query, named like the query's legend."""
    names = {f"Value #{_ref(number)}": query.legend for number, query in enumerate(panel.queries)}
    order = {name: number for number, name in enumerate(("peer", *names))}
    shown = {"excludeByName": {"Time": True}, "renameByName": names, "indexByName": order}
    return [model.DataTransformerConfig("merge", options={}), model.DataTransformerConfig("organize", options=shown)]


def _target(panel: Panel, number: int, query: Query) -> prometheus.Dataquery:
    builder = (
        prometheus.Dataquery().expr(query.expr).legend_format(query.legend).ref_id(_ref(number)).datasource(SOURCE)
    )
    if panel.kind in ("table", "points"):
        builder.format(query_model.PromQueryFormat.TABLE)
    return builder.instant() if panel.kind in INSTANT else builder.range()


def _ref(number: int) -> str:
    return chr(ord("A") + number)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
