"""Charts of money: who paid whom, each peer's account, gains and baselines."""

from collections.abc import Iterable, Mapping, Sequence

from learnae.analysis.figures.spec import BLUE, ORANGE, PALE
from learnae.analysis.money import AVERAGES, CHEAT, NO_ROWS, TRAINER, Account, Flow
from learnae.analysis.statistics import Gain
from learnae.web.charts.components import legend, plot
from learnae.web.charts.html import Html, h, join
from learnae.web.charts.plotly_layout import Chart, axes, plain, short
from learnae.web.charts.theme import GREEN, HEAT, PAPER, RED, SOFT

ROLE_MARKS = {
    TRAINER: (BLUE, "circle"),
    NO_ROWS: (ORANGE, "square"),
    AVERAGES: (GREEN, "diamond"),
    CHEAT: (RED, "x"),
}
MAX_MATRIX_PEERS = 200  # peers of a matrix


def money_frames(most: str, kinds: Iterable[str], told: str = "") -> Html:
    """Frames of the matrix and of the accounts; ``most`` is what the strongest colour of the matrix stands for."""
    heat = h("p", h("span", "little"), h("span", class_="heat"), h("span", most, data_said="most"), class_="legend")
    marks = legend((kind, ROLE_MARKS[kind][0], f"mark {ROLE_MARKS[kind][1]}") for kind in kinds)
    matrix = plot(
        "matrix",
        "Who paid whom, in ETH",
        join(["Rows pay, columns are paid.", h("span", told, data_said="shown")]),
        "payer (down), payee (across)",
        heat,
        kind="square",
    )
    account = plot(
        "accounts",
        "Income against outlay, per peer",
        "Above the dashed line a peer earned more than it spent, gas not included.",
        "ETH received (up), ETH sent (across)",
        marks,
        kind="square",
    )
    return h("div", matrix, account, class_="grid")


def largest_flow(paid: Sequence[Flow]) -> str:
    return f"{max((flow.ether for flow in paid), default=0.0):.4f} ETH"


def matrix_names(paid: Sequence[Flow], peers: Sequence[Account]) -> tuple[list[str], str]:
    """Who is in the matrix: everybody, or of very many those that moved most."""
    names = [each.name for each in peers]
    names += sorted({flow.payee for flow in paid} - set(names))
    if len(names) <= MAX_MATRIX_PEERS:
        return names, ""
    moved = {each.name: each.sent_ether + each.received_ether for each in peers}
    most = set(sorted(moved, key=lambda name: -moved[name])[:MAX_MATRIX_PEERS])
    return [
        name for name in names if name in most
    ], f" The {MAX_MATRIX_PEERS} of {len(names)} peers that moved most are shown."


def matrix_chart(flows: Sequence[Flow], names: Sequence[str]) -> Chart:
    """Payers down, payees across; the more ETH, the stronger the colour.  Who paid nothing leaves the paper bare."""
    at = {name: index for index, name in enumerate(names)}
    ether: list[list[float | None]] = [[None] * len(names) for _ in names]
    told = [[""] * len(names) for _ in names]
    for flow in flows:
        row, column = at[flow.payer], at[flow.payee]
        ether[row][column] = short(flow.ether)
        times = "1 payment" if flow.count == 1 else f"{flow.count} payments"
        told[row][column] = f"{plain(flow.payer)} paid {plain(flow.payee)} {flow.ether:.5f} ETH in {times}"
    labels = [plain(name) for name in names]
    scale = [[index / (len(HEAT) - 1), colour] for index, colour in enumerate(HEAT)]
    trace = {
        "type": "heatmap",
        "x": labels,
        "y": labels,
        "z": ether,
        "text": told,
        "hovertemplate": "%{text}<extra></extra>",
        "hoverongaps": False,
        "colorscale": scale,
        "zmin": 0,
        "showscale": False,
        "xgap": 1 if len(names) <= 50 else 0,
        "ygap": 1 if len(names) <= 50 else 0,
    }
    axis = {"type": "category", "showgrid": False, "ticks": "", "showline": False}
    layout = axes(axis | {"tickangle": -90, "side": "top"}, axis | {"autorange": "reversed"})
    layout |= {"margin": {"l": 36, "r": 8, "t": 36, "b": 8}, "plot_bgcolor": SOFT}
    return {"data": [trace], "layout": layout}


def accounts_chart(accounts: Sequence[Account]) -> Chart:
    """Income over outlay, a mark a peer; above the line a peer earned more than it spent."""
    traces = []
    for kind, (colour, symbol) in ROLE_MARKS.items():
        chosen = [each for each in accounts if each.kind == kind]
        traces.append(
            {
                "type": "scatter",
                "mode": "markers",
                "x": [short(each.sent_ether) for each in chosen],
                "y": [short(each.received_ether) for each in chosen],
                "text": [f"{plain(each.name)}, {plain(each.role)}" for each in chosen],
                "hovertemplate": "%{text}<br>sent %{x:.5f} ETH<br>received %{y:.5f} ETH<extra></extra>",
                "marker": {"color": colour, "symbol": symbol, "size": 10, "line": {"color": PAPER, "width": 1}},
            }
        )
    most = 1.08 * max([value for each in accounts for value in (each.sent_ether, each.received_ether)] or [0]) or 1
    axis = {"range": [-0.03 * most, most], "tickformat": "~g", "nticks": 6, "zeroline": False}
    layout = axes(axis | {"showgrid": True}, axis)
    layout["shapes"] = [_segment(0, 0, most, most)]
    return {"data": traces, "layout": layout}


def gains_chart(gains: Sequence[Gain]) -> Chart:
    """Gain on test rows over gain on validation rows, in percentage points; on the line all of it is real."""
    traces = []
    for early, colour, symbol in ((True, BLUE, "circle"), (False, ORANGE, "diamond")):
        chosen = [each for each in gains if each.early is early]
        traces.append(
            {
                "type": "scatter",
                "mode": "markers",
                "x": [short(100 * each.validation) for each in chosen],
                "y": [short(100 * each.test) for each in chosen],
                "text": [plain(each.peer) for each in chosen],
                "hovertemplate": "%{text}<br>validation %{x:+.2f} points<br>test %{y:+.2f} points<extra></extra>",
                "marker": {"color": colour, "symbol": symbol, "size": 7, "opacity": 0.7},
            }
        )
    most = max([100 * each.validation for each in gains] or [1])
    layout = axes(
        {"ticksuffix": " pp", "rangemode": "tozero", "showgrid": True},
        {"ticksuffix": " pp", "zeroline": True, "zerolinecolor": PALE, "zerolinewidth": 1},
    )
    layout["shapes"] = [_segment(0, 0, most, most)]
    return {"data": traces, "layout": layout}


def baselines_chart(scores: Mapping[str, Mapping[str, float | None]]) -> Chart:
    """Mean test accuracy of each way to train, with a bar from the least peer to the greatest."""
    names = list(scores)
    means = [scores[name]["mean"] or 0.0 for name in names]
    above = [(scores[name].get("max") or mean) - mean for name, mean in zip(names, means, strict=True)]
    below = [mean - (scores[name].get("min") or mean) for name, mean in zip(names, means, strict=True)]
    trace = {
        "type": "scatter",
        "mode": "markers",
        "x": [short(mean) for mean in means],
        "y": [plain(name) for name in names],
        "error_x": {
            "type": "data",
            "symmetric": False,
            "array": [short(each) for each in above],
            "arrayminus": [short(each) for each in below],
            "color": PALE,
            "thickness": 2,
            "width": 5,
        },
        "marker": {"color": [ORANGE if name == "swarm" else BLUE for name in names], "size": 13},
        "hovertemplate": "%{y}: %{x:.2%}<extra></extra>",
    }
    layout = axes({"tickformat": ".1%", "showgrid": True}, {"type": "category", "autorange": "reversed"})
    layout["margin"]["l"] = 110
    layout["yaxis"]["showgrid"] = False
    return {"data": [trace], "layout": layout}


# private


def _segment(x0: float, y0: float, x1: float, y1: float) -> Chart:
    line = {"color": PALE, "width": 1.2, "dash": "6px,5px"}
    return {"type": "line", "layer": "below", "line": line, "x0": x0, "y0": y0, "x1": x1, "y1": y1}
