"""The swarm as a graph: peers on a circle, recent model averagings, disturbed links, and peers that are down."""

import math
from collections.abc import Sequence

from learnae.analysis.figures.spec import BLUE, GREEN, GREY, INK, ORANGE, PALE, RED, VIOLET
from learnae.analysis.peer_status import AVERAGING, AWAY, DONE, DOWN, REGISTERING, TRAINING, WAITING
from learnae.analysis.topology import MAX_LINES, MAX_PEERS, MODELS_PER_PEER, ModelTransfer, Pair, Topology
from learnae.web.charts.components import legend, plot
from learnae.web.charts.html import Html, h, join
from learnae.web.charts.plotly_layout import Chart, axes, plain, scatter, short

MAX_NAMES = 25  # names that fit around the circle
NAME_LETTERS, LETTER_WIDTH = 12, 8  # letters of a name in the chart, and pixels per letter
SPACE = "\N{NO-BREAK SPACE}"  # between a mark and its name
COLOURS = {REGISTERING: GREEN, WAITING: GREY, TRAINING: BLUE, AVERAGING: ORANGE, DONE: PALE, AWAY: VIOLET, DOWN: RED}

Point = tuple[float, float]


def topology_chart(topology: Topology) -> Chart:
    """Peers on a circle; groups that cannot reach each other have a gap between them."""
    places, gaps = _places(topology.groups)
    disturbed = [(_sample(topology.single_cuts, topology), RED), (_sample(topology.poor, topology), ORANGE)]
    kept = [transfer for transfer in topology.transfers if transfer.kept]
    dropped = [transfer for transfer in topology.transfers if not transfer.kept]
    traces = [
        *[_links(pairs, colour, places) for pairs, colour in disturbed if pairs],
        _curves(dropped, GREY, 1.0, places),
        _curves(kept, BLUE, 1.8 if len(places) <= MAX_LINES else 1.0, places),
        *([_dividers(gaps)] if topology.has_dividers else []),
        _peers(topology, places),
    ]
    axis = {"visible": False, "range": [-1.05, 1.05]}
    margin = 14 + LETTER_WIDTH * min(NAME_LETTERS, max((len(name) for name in places), default=0))
    layout = axes(axis, axis | {"scaleanchor": "x"})
    layout |= {"margin": {"l": margin, "r": margin, "t": 20, "b": 20}, "hovermode": "closest"}
    return {"data": traces, "layout": layout}


def topology_frame(caption: str | Html) -> Html:
    marks = legend(
        [
            ("averaged and kept", BLUE, "line"),
            ("averaged and dropped", GREY, "line"),
            ("cut link", RED, "dotted"),
            ("lossy or slow link", ORANGE, "dotted"),
            ("down", RED, "mark x"),
        ]
    )
    what = (
        f"Each peer's last {MODELS_PER_PEER} averagings that it kept and last {MODELS_PER_PEER} that it dropped (the "
        f"last of each with more than {MAX_PEERS} peers); while links are disturbed, only those since then. Peers have "
        "the colours of the bar above. "
    )
    return plot("topology", "Who averages whose model", join([what, h("b", caption)]), "", marks, "square round")


# private


def _places(groups: Sequence[Sequence[str]]) -> tuple[dict[str, Point], list[Point]]:
    """Positions on the unit circle, clockwise from the top, with gaps between groups; and the centres of the gaps."""
    total = sum(map(len, groups))
    gap = 1 + total / 20 if len(groups) > 1 else 0.0
    circumference, position = total + gap * len(groups) or 1.0, gap / 2
    places, gaps = dict[str, Point](), list[Point]()

    def point(position: float) -> Point:
        angle = math.tau * position / circumference
        return short(math.sin(angle)), short(math.cos(angle))

    for group in groups:
        for name in group:
            places[name] = point(position + 0.5)
            position += 1
        gaps.append(point(position + gap / 2))
        position += gap
    return places, gaps


def _sample(pairs: Sequence[Pair], topology: Topology) -> Sequence[Pair]:
    """An even sample, as many as are drawn."""
    return pairs[:: math.ceil(1 / topology.drawn_share)]


def _dividers(gaps: Sequence[Point]) -> Chart:
    points = [point for x, y in gaps for point in ((0.0, 0.0), (1.05 * x, 1.05 * y), (None, None))]
    return _line(points, {"color": RED, "width": 3, "dash": "9px,6px"})


def _links(pairs: Sequence[Pair], colour: str, places: dict[str, Point]) -> Chart:
    points = [point for one, other in pairs for point in (places[one], places[other], (None, None))]
    many = len(pairs) > MAX_LINES
    return _line(points, {"color": colour + ("55" if many else "CC"), "width": 1 if many else 1.6, "dash": "4px,4px"})


def _curves(transfers: Sequence[ModelTransfer], colour: str, width: float, places: dict[str, Point]) -> Chart:
    """Bent towards the centre of the circle, where the pointer shows what a curve means."""
    points = [
        point
        for transfer in transfers
        for point in (places[transfer.creator], _middle(transfer, places), places[transfer.peer], (None, None))
    ]
    texts = [text for transfer in transfers for text in (*[_transfer_text(transfer)] * 3, None)]
    line = {"color": colour, "width": width, "shape": "spline"}
    return _line(points, line, "%{text}<extra></extra>") | {"text": texts}


def _line(points: Sequence[tuple[float | None, float | None]], line: Chart, hover: str = "") -> Chart:
    return scatter("lines", [x for x, _ in points], [y for _, y in points], hover, line=line)


def _middle(transfer: ModelTransfer, places: dict[str, Point]) -> Point:
    (x, y), (to_x, to_y) = places[transfer.creator], places[transfer.peer]
    return 0.4 * (x + to_x), 0.4 * (y + to_y)


def _transfer_text(transfer: ModelTransfer) -> str:
    outcome = "kept" if transfer.kept else "dropped"
    return f"{plain(transfer.peer)} averaged {plain(transfer.creator)}'s model at {transfer.t:.1f} s: {outcome}"


def _peers(topology: Topology, places: dict[str, Point]) -> Chart:
    phases = {status.entry.name: status.phase for status in topology.peers}
    down = topology.unavailable
    every = math.ceil(len(places) / MAX_NAMES)
    near_down = {at + step for at, name in enumerate(places) if name in down for step in range(-every, every + 1)}
    size = 15 if len(places) <= 30 else 8

    def shows_name(at: int, name: str) -> bool:
        return name in down or every == 1 or (at % every == 0 and at not in near_down)

    def label(at: int, name: str) -> str:
        return f"{SPACE}{plain(name[:NAME_LETTERS])}{SPACE}" if shows_name(at, name) else ""

    return scatter(
        "markers+text",
        [x for x, _ in places.values()],
        [y for _, y in places.values()],
        "%{hovertext}<extra></extra>",
        cliponaxis=False,
        text=[label(at, name) for at, name in enumerate(places)],
        textposition=[_text_position(point) for point in places.values()],
        hovertext=[f"{plain(name)}: {down.get(name, phases[name])}" for name in places],
        marker={
            "opacity": 1,
            "color": [COLOURS[DOWN if name in down else phases[name]] for name in places],
            "symbol": ["x" if name in down else "circle" for name in places],
            "size": [size + 2 if name in down else size for name in places],
            "line": {"color": INK, "width": 1},
        },
    )


def _text_position(point: Point) -> str:
    x, y = point
    across = "right" if x > 0.2 else "left" if x < -0.2 else "center"
    return f"{'top' if y > 0.35 else 'bottom' if y < -0.35 else 'middle'} {across}"
