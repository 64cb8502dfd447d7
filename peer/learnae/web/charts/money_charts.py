"""Charts of money: who paid whom, each peer's account, gains and baselines."""

from collections.abc import Iterable, Mapping, Sequence

from learnae.analysis.figures.spec import BLUE, GREEN, GREY, ORANGE, PALE, RED, VIOLET
from learnae.analysis.money import CHEATS, Account, Flow
from learnae.analysis.statistics import Gain
from learnae.protocol.policies import Role
from learnae.web.charts.components import legend, placeholder, plot
from learnae.web.charts.html import Html, h, join
from learnae.web.charts.plotly_layout import Chart, axes, diagonal, plain, scatter, short
from learnae.web.charts.theme import HEAT, PAPER, SOFT

ROLE_MARKS: dict[str, tuple[str, str]] = {
    Role.TRAINER: (BLUE, "circle"),
    Role.PROFITEER: (ORANGE, "square"),
    Role.PROVIDER: (GREEN, "diamond"),
    Role.KEEPER: (GREY, "triangle-up"),
    Role.SENSOR: (VIOLET, "triangle-down"),
    CHEATS: (RED, "x"),
}
MAX_MATRIX_PEERS = 200
MAX_ACCOUNTS = 1_000  # on a page
MAX_LIVE_MATRIX_PEERS = 60  # more cells would take too long to send and to draw again and again


def money_frames(largest: str, kinds: Iterable[str], note: str = "") -> Html:
    """Frames of the matrix and of the accounts; ``largest``: the amount with the strongest colour of the matrix."""
    heat = h(
        "p", h("span", "0 ETH"), h("span", class_="heat"), h("span", largest, data_text="largest-flow"), class_="legend"
    )
    marks = legend((kind, ROLE_MARKS[kind][0], f"mark {ROLE_MARKS[kind][1]}") for kind in kinds)
    matrix = plot(
        "matrix",
        "Payments between peers, in ETH",
        join(["Rows are payers, columns payees.", placeholder("matrix", note)]),
        "payer (down), payee (across)",
        heat,
        kind="square",
    )
    account = plot(
        "accounts",
        "Income and spending per peer",
        "Peers above the dashed line earned more than they spent, gas not included.",
        "ETH received (up), ETH sent (across)",
        marks,
        kind="square",
    )
    return h("div", matrix, account, class_="grid")


def largest_flow(paid: Sequence[Flow]) -> str:
    return f"{max((flow.ether for flow in paid), default=0.0):.4f} ETH"


def flow_text(flow: Flow) -> str:
    payments = "1 payment" if flow.count == 1 else f"{flow.count} payments"
    return f"{plain(flow.payer)} paid {plain(flow.payee)} {flow.ether:.5f} ETH in {payments}"


def matrix_names(paid: Sequence[Flow], accounts: Sequence[Account], most: int) -> tuple[list[str], int]:
    """Names in the matrix, and how many are omitted: of too many peers those with the largest turnover are shown."""
    names = [account.name for account in accounts]
    names += sorted({flow.payee for flow in paid} - set(names))
    if len(names) <= most:
        return names, 0
    largest = {account.name for account in largest_accounts(accounts, most)}
    return [name for name in names if name in largest], len(names) - len(largest)


def largest_accounts(accounts: Sequence[Account], most: int | None = None) -> list[Account]:
    """Those with the largest turnover, in their order.  ``most``: by default as many as a page shows."""
    by_turnover = sorted(range(len(accounts)), key=lambda at: -accounts[at].sent_ether - accounts[at].received_ether)
    return [accounts[at] for at in sorted(by_turnover[: most or MAX_ACCOUNTS])]


def omitted_accounts(accounts: Sequence[Account]) -> str:
    """A sentence about peers that a chart or a table of accounts leaves out."""
    if len(accounts) <= MAX_ACCOUNTS:
        return ""
    return f"Here and in the chart: the {MAX_ACCOUNTS:,} of {len(accounts):,} peers with the largest turnover."


def omitted_cells(paid: Sequence[Flow], accounts: Sequence[Account], most: int = MAX_MATRIX_PEERS) -> str:
    """A sentence about peers that the matrix leaves out."""
    shown, omitted = matrix_names(paid, accounts, most)
    return f" Only the {len(shown)} peers with the largest turnover are shown." if omitted else ""


def matrix_chart(paid: Sequence[Flow], accounts: Sequence[Account], most: int = MAX_MATRIX_PEERS) -> Chart:
    """Payers down, payees across; cells of pairs without a payment stay empty.  ``most``: peers."""
    names, _ = matrix_names(paid, accounts, most)
    index = {name: number for number, name in enumerate(names)}
    ether: list[list[float | None]] = [[None] * len(names) for _ in names]
    texts = [[""] * len(names) for _ in names]
    for flow in paid:
        if flow.payer in index and flow.payee in index:
            row, column = index[flow.payer], index[flow.payee]
            ether[row][column] = short(flow.ether)
            texts[row][column] = flow_text(flow)
    labels = [plain(name) for name in names]
    gap = 1 if len(names) <= 50 else 0
    trace = {
        "type": "heatmap",
        "x": labels,
        "y": labels,
        "z": ether,
        "text": texts,
        "hovertemplate": "%{text}<extra></extra>",
        "hoverongaps": False,
        "colorscale": [[number / (len(HEAT) - 1), colour] for number, colour in enumerate(HEAT)],
        "zmin": 0,
        "showscale": False,
        "xgap": gap,
        "ygap": gap,
    }
    axis = {"type": "category", "showgrid": False, "ticks": "", "showline": False}
    layout = axes(axis | {"tickangle": -90, "side": "top"}, axis | {"autorange": "reversed"})
    layout |= {"margin": {"l": 36, "r": 8, "t": 36, "b": 8}, "plot_bgcolor": SOFT}
    return {"data": [trace], "layout": layout}


def accounts_chart(accounts: Sequence[Account]) -> Chart:
    """ETH received over ETH sent, one mark per peer."""
    accounts, traces = largest_accounts(accounts), []
    for kind, (colour, symbol) in ROLE_MARKS.items():
        chosen = [account for account in accounts if account.kind == kind]
        traces.append(
            scatter(
                "markers",
                [account.sent_ether for account in chosen],
                [account.received_ether for account in chosen],
                "%{text}<br>sent %{x:.5f} ETH<br>received %{y:.5f} ETH<extra></extra>",
                text=[f"{plain(account.name)}, {plain(account.role)}" for account in chosen],
                marker={"color": colour, "symbol": symbol, "size": 10, "line": {"color": PAPER, "width": 1}},
            )
        )
    amounts = [amount for account in accounts for amount in (account.sent_ether, account.received_ether)]
    largest = 1.08 * max(amounts, default=0) or 1
    axis = {"range": [-0.03 * largest, largest], "tickformat": "~g", "nticks": 6, "zeroline": False}
    layout = axes(axis | {"showgrid": True}, axis)
    layout["shapes"] = [diagonal(largest)]
    return {"data": traces, "layout": layout}


def gains_chart(gains: Sequence[Gain]) -> Chart:
    """Gain on test data over gain on validation data, in percentage points."""
    traces = []
    for early, colour, symbol in ((True, BLUE, "circle"), (False, ORANGE, "diamond")):
        chosen = [gain for gain in gains if gain.early is early]
        traces.append(
            scatter(
                "markers",
                [100 * gain.validation for gain in chosen],
                [100 * gain.test for gain in chosen],
                "%{text}<br>validation %{x:+.2f} pp<br>test %{y:+.2f} pp<extra></extra>",
                text=[plain(gain.peer) for gain in chosen],
                marker={"color": colour, "symbol": symbol, "size": 7, "opacity": 0.7},
            )
        )
    layout = axes(
        {"ticksuffix": " pp", "rangemode": "tozero", "showgrid": True},
        {"ticksuffix": " pp", "zeroline": True, "zerolinecolor": PALE, "zerolinewidth": 1},
    )
    layout["shapes"] = [diagonal(max((100 * gain.validation for gain in gains), default=1))]
    return {"data": traces, "layout": layout}


def baselines_chart(scores: Mapping[str, Mapping[str, float | None]]) -> Chart:
    """Mean test accuracy of each way to train, with a bar from the lowest peer to the highest."""
    names = list(scores)
    means = [scores[name]["mean"] or 0.0 for name in names]
    above = [(scores[name].get("max") or mean) - mean for name, mean in zip(names, means, strict=True)]
    below = [mean - (scores[name].get("min") or mean) for name, mean in zip(names, means, strict=True)]
    trace = {
        "type": "scatter",
        "mode": "markers",
        "x": list(map(short, means)),
        "y": list(map(plain, names)),
        "error_x": {
            "type": "data",
            "symmetric": False,
            "array": list(map(short, above)),
            "arrayminus": list(map(short, below)),
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
