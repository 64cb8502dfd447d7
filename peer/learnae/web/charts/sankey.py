"""The flow of ETH: payers on the left, payees on the right, each stream as wide as its amount."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from learnae.analysis.figures.spec import GREY
from learnae.analysis.money import Flow
from learnae.protocol.types import ETHER, Wei
from learnae.web.charts.components import legend, placeholder, plot
from learnae.web.charts.html import Html, join
from learnae.web.charts.money_charts import ROLE_MARKS, flow_text
from learnae.web.charts.plotly_layout import Chart, axes, plain, short

MAX_NAMES = 20  # peers with a name on each side
OTHERS = "all others"
HEIGHT, PAD = 544, 11  # pixels: the height of page.css, and room for a name even beside a thin stream
STREAM_OPACITY = "55"  # the last two digits of a colour


def merge_small_flows(paid: Sequence[Flow]) -> list[Flow]:
    """Merge all but the largest payers and payees into ``OTHERS``; the total stays the same."""
    payers = _groups((flow.payer, flow.wei) for flow in paid)
    payees = _groups((flow.payee, flow.wei) for flow in paid)
    count: Counter[tuple[str, str]] = Counter()
    wei: Counter[tuple[str, str]] = Counter()
    for flow in paid:
        pair = payers[flow.payer], payees[flow.payee]
        count[pair] += flow.count
        wei[pair] += flow.wei
    return [Flow(*pair, count[pair], Wei(wei[pair])) for pair in wei]


def omitted_names(paid: Sequence[Flow]) -> str:
    """A sentence about peers without a name in the chart."""
    sides = {"payers": {flow.payer for flow in paid}, "payees": {flow.payee for flow in paid}}
    large = [f"{len(names)} {side}" for side, names in sides.items() if len(names) > MAX_NAMES]
    return f" Of {' and '.join(large)}, only the {MAX_NAMES} with the largest amounts are named." if large else ""


def sankey_chart(paid: Sequence[Flow], kinds: Mapping[str, str]) -> Chart:
    """``kinds``: the kind of each peer or group, by name."""
    flows = merge_small_flows(paid)
    left, right = _amounts(flows, "payer"), _amounts(flows, "payee")
    source = {name: index for index, name in enumerate(left)}
    target = {name: len(left) + index for index, name in enumerate(right)}
    rows = max(len(left), len(right))
    colours = [ROLE_MARKS[kinds[name]][0] if name in kinds else GREY for name in (*left, *right)]
    trace = {
        "type": "sankey",
        "arrangement": "fixed",
        "node": {
            "label": list(map(plain, (*left, *right))),
            "x": [0.001] * len(left) + [0.999] * len(right),
            "y": [*_centres(list(left.values()), rows), *_centres(list(right.values()), rows)],
            "color": colours,
            "customdata": [f"{ether:.5f} ETH" for ether in (*left.values(), *right.values())],
            "hovertemplate": "%{label}: %{customdata}<extra></extra>",
            "pad": PAD,
            "thickness": 12,
            "line": {"width": 0},
        },
        "link": {
            "source": [source[flow.payer] for flow in flows],
            "target": [target[flow.payee] for flow in flows],
            "value": [short(flow.ether) for flow in flows],
            "color": [colours[source[flow.payer]] + STREAM_OPACITY for flow in flows],
            "customdata": [flow_text(flow) for flow in flows],
            "hovertemplate": "%{customdata}<extra></extra>",
        },
    }
    layout = axes({"visible": False}, {"visible": False})
    layout["font"]["size"] = 10
    return {"data": [trace], "layout": layout | {"margin": {"l": 8, "r": 8, "t": 8, "b": 8}}}


def flow_frame(note: str, kinds: Iterable[str], chart: str = "flow", title: str = "Flow of ETH") -> Html:
    caption = join(
        ["Payers are on the left, payees on the right; the width of a stream is its ETH.", placeholder(chart, note)]
    )
    return plot(chart, title, caption, "", legend((kind, ROLE_MARKS[kind][0], "mark") for kind in kinds), "flow")


# private


def _groups(amounts: Iterable[tuple[str, int]]) -> dict[str, str]:
    """By name, the name it has in the chart."""
    sums: Counter[str] = Counter()
    for name, wei in amounts:
        sums[name] += wei
    named = {name for name, _ in sums.most_common(MAX_NAMES)}
    return {name: name if name in named else OTHERS for name in sums}


def _amounts(flows: Sequence[Flow], side: str) -> dict[str, float]:
    """ETH by name, the largest first and the others last."""
    sums: Counter[str] = Counter()
    for flow in flows:
        sums[getattr(flow, side)] += flow.wei
    return {name: sums[name] / ETHER for name in sorted(sums, key=lambda name: (name == OTHERS, -sums[name]))}


def _centres(ether: Sequence[float], rows: int) -> list[float]:
    """Centres of the nodes of one side as shares of the chart's height; ``rows``: nodes of the longer side."""
    gap = PAD / HEIGHT
    scale = (1 - gap * (rows - 1)) / (sum(ether) or 1.0)
    top, centres = 0.0, []
    for amount in ether:
        centres.append(short(min(0.999, max(0.001, top + scale * amount / 2))))
        top += scale * amount + gap
    return centres
