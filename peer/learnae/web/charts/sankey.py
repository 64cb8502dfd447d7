"""Who pays whom, as a flow: payers on the left, payees on the right, each stream as wide as the ETH in it."""

from collections import Counter
from collections.abc import Iterable, Sequence

from learnae.analysis.figures.spec import GREY
from learnae.analysis.money import Account, Flow
from learnae.protocol.types import ETHER, Wei
from learnae.web.charts.components import legend, plot
from learnae.web.charts.html import Html, join
from learnae.web.charts.money_charts import ROLE_MARKS
from learnae.web.charts.plotly_layout import Chart, axes, plain, short

NAMED = 20  # peers with a name on each side
OTHERS = "all others"
HEIGHT, PAD = 544, 11  # pixels: page.css, and room for a name however thin its stream
CLEAR = "55"  # of a stream, the last two digits of a colour


def merge_small_flows(paid: Sequence[Flow]) -> list[Flow]:
    """Those that moved most on each side stay themselves; all others are one.  No wei is lost."""
    payers = _most((each.payer, each.wei) for each in paid)
    payees = _most((each.payee, each.wei) for each in paid)
    count: Counter[tuple[str, str]] = Counter()
    wei: Counter[tuple[str, str]] = Counter()
    for each in paid:
        pair = payers[each.payer], payees[each.payee]
        count[pair] += each.count
        wei[pair] += each.wei
    return [Flow(*pair, count[pair], Wei(wei[pair])) for pair in wei]


def omitted_names(paid: Sequence[Flow]) -> str:
    """What the picture leaves out, in words."""
    sides = {"pay": {each.payer for each in paid}, "are paid": {each.payee for each in paid}}
    more = [f"{len(names)} that {does}" for does, names in sides.items() if len(names) > NAMED]
    return f" Of {' and '.join(more)}, the {NAMED} that moved most have their names." if more else ""


def sankey_chart(paid: Sequence[Flow], accounts: Sequence[Account]) -> Chart:
    flows = merge_small_flows(paid)
    kinds = {each.name: each.kind for each in accounts}
    left, right = (_ordered(flows, side) for side in ("payer", "payee"))
    at_left = {name: index for index, name in enumerate(left)}
    at_right = {name: len(left) + index for index, name in enumerate(right)}
    most = max(len(left), len(right))
    colours = [ROLE_MARKS[kinds[name]][0] if name in kinds else GREY for name in (*left, *right)]
    trace = {
        "type": "sankey",
        "arrangement": "fixed",
        "node": {
            "label": list(map(plain, (*left, *right))),
            "x": [0.001] * len(left) + [0.999] * len(right),
            "y": [*_heights(list(left.values()), most), *_heights(list(right.values()), most)],
            "color": colours,
            "customdata": [f"{ether:.5f} ETH" for ether in (*left.values(), *right.values())],
            "hovertemplate": "%{label}: %{customdata}<extra></extra>",
            "pad": PAD,
            "thickness": 12,
            "line": {"width": 0},
        },
        "link": {
            "source": [at_left[each.payer] for each in flows],
            "target": [at_right[each.payee] for each in flows],
            "value": [short(each.ether) for each in flows],
            "color": [colours[at_left[each.payer]] + CLEAR for each in flows],
            "customdata": [_said(each) for each in flows],
            "hovertemplate": "%{customdata}<extra></extra>",
        },
    }
    layout = axes({"visible": False}, {"visible": False})
    layout["font"]["size"] = 10
    return {"data": [trace], "layout": layout | {"margin": {"l": 8, "r": 8, "t": 8, "b": 8}}}


def flow_frame(caption: str | Html, kinds: Iterable[str]) -> Html:
    told = join(["Payers stand left, payees right; a stream is as wide as the ETH in it.", caption])
    marks = legend((kind, ROLE_MARKS[kind][0], "mark") for kind in kinds)
    return plot("flow", "Where the ETH goes", told, "", marks, kind="flow")


# in here


def _most(moved: Iterable[tuple[str, int]]) -> dict[str, str]:
    """By name, who stands for it."""
    sums: Counter[str] = Counter()
    for name, wei in moved:
        sums[name] += wei
    named = {name for name, _ in sums.most_common(NAMED)}
    return {name: name if name in named else OTHERS for name in sums}


def _ordered(flows: Sequence[Flow], side: str) -> dict[str, float]:
    """ETH by name, the most first and the others last."""
    sums: Counter[str] = Counter()
    for each in flows:
        sums[getattr(each, side)] += each.wei
    return {name: sums[name] / ETHER for name in sorted(sums, key=lambda name: (name == OTHERS, -sums[name]))}


def _heights(ether: Sequence[float], most: int) -> list[float]:
    """Middles of what lies below each other, as shares of the picture's height; ``most`` stand on the fuller side."""
    gap = PAD / HEIGHT
    scale = (1 - gap * (most - 1)) / (sum(ether) or 1.0)
    below, middles = 0.0, []
    for amount in ether:
        middles.append(short(min(0.999, max(0.001, below + scale * amount / 2))))
        below += scale * amount + gap
    return middles


def _said(flow: Flow) -> str:
    times = "1 payment" if flow.count == 1 else f"{flow.count} payments"
    return f"{plain(flow.payer)} paid {plain(flow.payee)} {flow.ether:.5f} ETH in {times}"
