"""The flow of ETH between groups of peers: a section of the report, and the page of `learnae flows`."""

from collections.abc import Mapping, Sequence

from learnae.analysis.group_flows import (
    FLOW_COLUMNS,
    GROUP_COLUMNS,
    RunFlows,
    flow_figure,
    flow_row,
    mean_flows,
    plural,
    run_flows,
)
from learnae.analysis.statistics import band
from learnae.records.history import History
from learnae.web.charts.components import Charts, legend, plot, section
from learnae.web.charts.figure_charts import figure_chart
from learnae.web.charts.html import Html, h, join, table
from learnae.web.charts.money_charts import ROLE_MARKS
from learnae.web.charts.sankey import flow_frame, sankey_chart

TITLE = "Flow between groups"
FORMS = {"payments": ".0f", "units of work": ".0f", "row blocks published": ".0f", "test accuracy": ".2%"}
NOTE = (
    "Flow is divided by the units of work of the payees (slices trained, averagings scored), and by the row blocks "
    "that the payers published. ETH are sums of a group, gas not included."
)
KINDS = {plural(kind): kind for kind in ROLE_MARKS}


def group_section(history: History, charts: Charts) -> Html:
    run = run_flows(history)
    if len(run.peers) < 2:
        return section("groups", TITLE, h("p", "All peers have the same role."))
    return section("groups", TITLE, group_frames([run], charts, "group-flow"))


def group_frames(runs: Sequence[RunFlows], charts: Charts, name: str) -> Html:
    """Charts and tables of one session, run once or with several seeds.  ``name``: of its charts."""
    flows, figure = mean_flows(runs), flow_figure(runs)
    tables = _flow_table(runs), _group_table(runs), h("p", NOTE, class_="note")
    if not flows:
        return join([h("p", "No payment became final."), *tables])
    charts[name], charts[f"{name}-time"] = sankey_chart(flows, KINDS), figure_chart(figure)
    kinds = [KINDS[group] for group in runs[0].peers]
    marks = legend([(line.label, line.colour, "line") for line in figure.series])
    caption = "Payments count from the second in which they became final."
    if len(runs) > 1:
        caption += f" Mean of {len(runs)} seeds; the bands reach from the lowest to the highest."
    over_time = plot(f"{name}-time", figure.title, caption, f"{figure.y_label} (up), {figure.x_label} (across)", marks)
    return join([h("div", flow_frame("", kinds, name, TITLE), over_time, class_="grid"), *tables])


def case_title(case: str, runs: Sequence[RunFlows]) -> str:
    """Such as ``4 providers, 10 profiteers (4+10)``.  ``case``: its name, if it has one."""
    sizes = ", ".join(f"{count} {KINDS[group] if count == 1 else group}" for group, count in runs[0].peers.items())
    return f"{sizes} ({case})" if case else sizes


def flow_cells(runs: Sequence[RunFlows]) -> list[tuple[str, ...]]:
    """Each pair of groups of which one paid the other, and its numbers: the mean, and the range of several runs."""
    rows = list(map(flow_row, runs))
    names = [" to ".join((flow.payer, flow.payee)) for flow in mean_flows(runs)]
    return [(name, *(_cell(rows, name, column) for column in FLOW_COLUMNS)) for name in names]


# private


def _flow_table(runs: Sequence[RunFlows]) -> Html:
    return table(("payers to payees", *FLOW_COLUMNS), flow_cells(runs), "Flow by pair of groups")


def _group_table(runs: Sequence[RunFlows]) -> Html:
    rows = list(map(flow_row, runs))
    cells = [
        (group, str(count), *(_cell(rows, group, column) for column in GROUP_COLUMNS))
        for group, count in runs[0].peers.items()
    ]
    return table(("group", "peers", *GROUP_COLUMNS), cells, "Groups")


def _cell(rows: Sequence[Mapping[str, float | None]], name: str, column: str) -> str:
    value, form = band(rows, f"{name}, {column}"), FORMS.get(column, ".4f")
    if value is None:
        return "-"
    text = f"{value.mean:{form}}"
    return f"{text} ({value.min:{form}} to {value.max:{form}})" if value.count > 1 else text
