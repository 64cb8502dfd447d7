"""The swarm as a picture: peers on a circle, what they averaged, the links that are disturbed, and who is down."""

import math
from collections.abc import Sequence

from learnae.analysis.figures.spec import BLUE, GREY, INK, ORANGE, PALE
from learnae.analysis.peer_status import AVERAGING, DONE, DOWN, REGISTERING, TRAINING, WAITING
from learnae.analysis.topology import LAST, MANY, ModelTransfer, Pair, Topology
from learnae.web.charts.components import legend, plot
from learnae.web.charts.html import Html, h, join
from learnae.web.charts.plotly_layout import Chart, axes, plain, short
from learnae.web.charts.theme import GREEN, RED

NAMED = 25  # peers whose names find room on the circle
LONGEST, LETTER = 12, 8  # letters of a name on the circle, and px of one
AIR = "\N{NO-BREAK SPACE}"  # between a mark and its name
COLOURS = {REGISTERING: GREEN, WAITING: GREY, TRAINING: BLUE, AVERAGING: ORANGE, DONE: PALE, DOWN: RED}

Point = tuple[float, float]


def topology_chart(drawn: Topology) -> Chart:
    """Peers on a circle.  Those that links keep apart stand apart."""
    at, gaps = _places(drawn.groups)
    disturbed = [(_sample(drawn.cut_drawn, drawn), RED), (_sample(drawn.poor, drawn), ORANGE)]
    kept = [each for each in drawn.travels if each.kept]
    dropped = [each for each in drawn.travels if not each.kept]
    traces = [
        *[_straight(pairs, colour, at) for pairs, colour in disturbed if pairs],
        _curves(dropped, GREY, 1.0, at),
        _curves(kept, BLUE, 1.8 if len(at) <= MANY else 1.0, at),
        *([_walls(gaps)] if drawn.walled else []),
        _marks(drawn, at),
    ]
    axis = {"visible": False, "range": [-1.05, 1.05]}
    beside = 14 + LETTER * min(LONGEST, max((len(name) for name in at), default=0))
    layout = axes(axis, axis | {"scaleanchor": "x"})
    layout |= {"margin": {"l": beside, "r": beside, "t": 20, "b": 20}, "hovermode": "closest"}
    return {"data": traces, "layout": layout}


def topology_frame(caption: str | Html) -> Html:
    marks = legend(
        [
            ("averaged and kept", BLUE, "line"),
            ("averaged and dropped", GREY, "line"),
            ("link is cut", RED, "dotted"),
            ("link is lossy or slow", ORANGE, "dotted"),
            ("down", RED, "mark x"),
        ]
    )
    since = f"The last {LAST} averagings that a peer kept and that it dropped; while links are disturbed, since then. "
    told = join([since, "Colours of peers as above. ", h("b", caption)])
    return plot("topology", "Who averages whose model", told, "", marks, kind="square round")


# in here


def _places(groups: Sequence[Sequence[str]]) -> tuple[dict[str, Point], list[Point]]:
    """Around a circle of radius 1, clockwise from the top, with a gap between groups; and the middles of the gaps."""
    total = sum(map(len, groups))
    gap = 1 + total / 20 if len(groups) > 1 else 0.0
    whole, place = total + gap * len(groups) or 1.0, gap / 2
    at, gaps = dict[str, Point](), list[Point]()

    def point(place: float) -> Point:
        angle = math.tau * place / whole
        return short(math.sin(angle)), short(math.cos(angle))

    for group in groups:
        for name in group:
            at[name] = point(place + 0.5)
            place += 1
        gaps.append(point(place + gap / 2))
        place += gap
    return at, gaps


def _sample(pairs: Sequence[Pair], drawn: Topology) -> Sequence[Pair]:
    """Evenly, as many as find room."""
    return pairs[:: math.ceil(1 / drawn.share)]


def _walls(gaps: Sequence[Point]) -> Chart:
    points = [point for x, y in gaps for point in ((0.0, 0.0), (1.05 * x, 1.05 * y), (None, None))]
    return _lines(points, {"color": RED, "width": 3, "dash": "9px,6px"}) | {"hoverinfo": "skip"}


def _straight(pairs: Sequence[Pair], colour: str, at: dict[str, Point]) -> Chart:
    points = [point for one, other in pairs for point in (at[one], at[other], (None, None))]
    many = len(pairs) > MANY
    line = {"color": colour + ("55" if many else "CC"), "width": 1 if many else 1.6, "dash": "4px,4px"}
    return _lines(points, line) | {"hoverinfo": "skip"}


def _curves(travels: Sequence[ModelTransfer], colour: str, width: float, at: dict[str, Point]) -> Chart:
    """Bent towards the middle of the circle, where a pointer finds out what a curve is."""
    points = [point for each in travels for point in (at[each.creator], _middle(each, at), at[each.peer], (None, None))]
    told = [text for each in travels for text in (*[_said(each)] * 3, None)]
    line = {"color": colour, "width": width, "shape": "spline"}
    return _lines(points, line) | {"text": told, "hovertemplate": "%{text}<extra></extra>"}


def _lines(points: Sequence[tuple[float | None, float | None]], line: Chart) -> Chart:
    return {"type": "scatter", "mode": "lines", "x": [x for x, _ in points], "y": [y for _, y in points], "line": line}


def _middle(travel: ModelTransfer, at: dict[str, Point]) -> Point:
    (x, y), (to_x, to_y) = at[travel.creator], at[travel.peer]
    return short(0.4 * (x + to_x)), short(0.4 * (y + to_y))


def _said(travel: ModelTransfer) -> str:
    fate = "kept" if travel.kept else "dropped"
    return f"{plain(travel.peer)} averaged {plain(travel.creator)}'s model at {travel.t:.1f} s: {fate}"


def _marks(drawn: Topology, at: dict[str, Point]) -> Chart:
    standing = {each.entry.name: each for each in drawn.standing}
    every = math.ceil(len(at) / NAMED)
    crowded = {place + step for place, name in enumerate(at) if name in drawn.away for step in range(-every, every + 1)}
    size = 15 if len(at) <= 30 else 8

    def told(place: int, name: str) -> bool:
        return name in drawn.away or every == 1 or (place % every == 0 and place not in crowded)

    phases = {name: DOWN if name in drawn.away else standing[name].phase for name in at}
    return {
        "type": "scatter",
        "mode": "markers+text",
        "cliponaxis": False,
        "x": [x for x, _ in at.values()],
        "y": [y for _, y in at.values()],
        "text": [f"{AIR}{plain(name[:LONGEST])}{AIR}" if told(place, name) else "" for place, name in enumerate(at)],
        "textposition": [_beside(point) for point in at.values()],
        "hovertext": [f"{plain(name)}: {drawn.away.get(name, phases[name])}" for name in at],
        "hovertemplate": "%{hovertext}<extra></extra>",
        "marker": {
            "opacity": 1,
            "color": [COLOURS[phases[name]] for name in at],
            "symbol": ["x" if name in drawn.away else "circle" for name in at],
            "size": [size + 2 if name in drawn.away else size for name in at],
            "line": {"color": INK, "width": 1},
        },
    }


def _beside(point: Point) -> str:
    x, y = point
    across = "right" if x > 0.2 else "left" if x < -0.2 else "center"
    return f"{'top' if y > 0.35 else 'bottom' if y < -0.35 else 'middle'} {across}"
