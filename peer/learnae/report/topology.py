"""Who averages whose model, which links are cut right now, and who is down: the swarm as a picture.

Known from the records alone: what was averaged, and the faults that began and have not ended.
"""

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

from learnae.checks.faults import Seen, seen
from learnae.core.facts import Averaged
from learnae.faults import Fault, State, Window, state
from learnae.figures.spec import BLUE, GREY, LINE, ORANGE, PALE
from learnae.history import History
from learnae.report.canvas import Chart, axes, plain, short
from learnae.report.html import Html, h, join
from learnae.report.parts import legend, plot
from learnae.report.standing import AVERAGING, DONE, DOWN, REGISTERING, TRAINING, WAITING, Standing
from learnae.report.theme import GREEN, RED

LAST = 2  # averagings of each peer that are drawn, of those it kept and of the others
LINKS = 200  # disturbed links that are drawn
NAMED = 25  # peers whose names find room on the circle
LONGEST = 12  # letters of a name on the circle
COLOURS = {REGISTERING: GREEN, WAITING: LINE, TRAINING: BLUE, AVERAGING: ORANGE, DONE: GREY, DOWN: RED}

Pair = tuple[str, str]  # in the order of the roster
Point = tuple[float, float]


@dataclass(frozen=True)
class Travel:
    """A model of ``creator`` that ``peer`` averaged with its own."""

    creator: str
    peer: str
    t: float
    kept: bool


@dataclass(frozen=True)
class Topology:
    """``cut``: nothing gets through, in one direction at least.  ``poor``: lossy or slow.  ``away``: why, by name."""

    standing: Sequence[Standing]
    travels: Sequence[Travel]
    cut: Sequence[Pair]
    poor: Sequence[Pair]
    away: dict[str, str]

    @property
    def names(self) -> list[str]:
        return [each.entry.name for each in self.standing]

    @property
    def outcome(self) -> str:
        """In words."""
        links = [f"{len(self.cut):,} links are cut"] if self.cut else []
        links += [f"{len(self.poor):,} links are lossy or slow"] if self.poor else []
        away = [f"{name} is {why}" for name, why in self.away.items()]
        drawn = min(1.0, LINKS / max(1, len(self.cut) + len(self.poor)))
        part = "" if drawn == 1 else f" Of disturbed links {drawn:.0%} are drawn."
        return ", ".join(links or ["no link is cut"]).capitalize() + "".join(f"; {each}" for each in away) + "." + part


def topology(history: History, standing: Sequence[Standing]) -> Topology:
    names = [each.entry.name for each in standing]
    now = _now(history, names)
    cut = list(_pairs(names, {pair for pair, link in now.links.items() if link.loss == 1.0}))
    hindered = set(now.links) - {(one, other) for pair in cut for one, other in (pair, pair[::-1])}
    away = {each.entry.name: "down" for each in standing if each.down}
    away |= dict.fromkeys(sorted(now.frozen), "frozen")
    away |= {name: "without its Kubo node" for name in sorted(now.ipfs_down) if name not in away}
    return Topology(standing, list(_travels(history, _since(history))), cut, list(_pairs(names, hindered)), away)


def topology_chart(drawn: Topology) -> Chart:
    """Peers on a circle.  Those that links keep apart stand apart."""
    groups = reachable(drawn.names, drawn.cut)
    at = _places(groups)
    disturbed = (*_sample(drawn.cut, RED, drawn), *_sample(drawn.poor, ORANGE, drawn))
    kept = [each for each in drawn.travels if each.kept]
    dropped = [each for each in drawn.travels if not each.kept]
    traces = [
        *[_straight(pairs, colour, at) for pairs, colour in disturbed],
        _curves(dropped, GREY, 1.0, at),
        _curves(kept, BLUE, 1.8, at),
        _marks(drawn, at),
    ]
    across, up = ({"visible": False, "range": [-most, most]} for most in (1.35, 1.2))
    layout = axes(across, up | {"scaleanchor": "x"})
    layout |= {"margin": {"l": 4, "r": 4, "t": 4, "b": 4}, "hovermode": "closest"}
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


def reachable(names: Sequence[str], cut: Iterable[Pair]) -> list[list[str]]:
    """Who can still be reached from whom, perhaps through others; each group and the groups in the order of names."""
    apart = {frozenset(pair) for pair in cut}
    left, groups = list(names) if apart else [], [] if apart else [list(names)]
    while left:
        group = [left.pop(0)]
        for one in group:  # grows
            near = [other for other in left if frozenset((one, other)) not in apart]
            group += near
            left = [other for other in left if other not in near]
        groups.append([name for name in names if name in set(group)])
    return groups


# in here


def _open(history: History) -> list[Seen]:
    return [] if history.ended_by else [each for each in seen(history) if each.end is None]


def _since(history: History) -> float:
    """When links were disturbed last, if they still are."""
    return max((each.begin for each in _open(history) if each.began.fault.network), default=0.0)


def _now(history: History, names: Sequence[str]) -> State:
    """What the faults amount to that are open; how lossy or slow a link is, no record says."""
    windows = [
        Window(Fault(each.began.fault, 0.0), 0.0, math.inf, each.began.targets, _sides(each, names))
        for each in _open(history)
    ]
    return state(windows, 0.0, names) if windows else State()


def _sides(fault: Seen, names: Sequence[str]) -> tuple[tuple[str, ...], ...]:
    """Everybody is on a side, if there are any."""
    told = {name for side in fault.began.sides for name in side}
    rest = tuple(name for name in names if name not in told)
    return (*fault.began.sides, rest) if told else ()


def _pairs(names: Sequence[str], links: Iterable[Pair]) -> Iterator[Pair]:
    """Whichever way they lead, once."""
    either = {frozenset(pair) for pair in links}
    return (pair for pair in combinations(names, 2) if frozenset(pair) in either) if either else iter(())


def _travels(history: History, since: float) -> Iterator[Travel]:
    """The last few of each peer, the newest first."""
    names = {entry.peer: entry.name for entry in history.roster.values()}
    count: Counter[tuple[str, bool]] = Counter()
    for record, fact in reversed(list(history.facts(Averaged))):
        if record.t >= since and fact.creator in names and count[record.peer, fact.adopted] < LAST:
            count[record.peer, fact.adopted] += 1
            yield Travel(names[fact.creator], record.peer, record.t, fact.adopted)


def _places(groups: Sequence[Sequence[str]]) -> dict[str, Point]:
    """Around a circle of radius 1, clockwise from the top, with a gap between groups."""
    total = sum(map(len, groups))
    gap = 1 + total / 20 if len(groups) > 1 else 0.0
    whole, place, at = total + gap * len(groups) or 1.0, gap / 2, dict[str, Point]()
    for group in groups:
        for name in group:
            angle = math.tau * (place + 0.5) / whole
            at[name] = (short(math.sin(angle)), short(math.cos(angle)))
            place += 1
        place += gap
    return at


def _sample(pairs: Sequence[Pair], colour: str, drawn: Topology) -> Iterator[tuple[Sequence[Pair], str]]:
    """Evenly, as many as find room."""
    if pairs:
        yield pairs[:: math.ceil((len(drawn.cut) + len(drawn.poor)) / LINKS)], colour


def _straight(pairs: Sequence[Pair], colour: str, at: dict[str, Point]) -> Chart:
    points = [point for one, other in pairs for point in (at[one], at[other], (None, None))]
    many = len(pairs) > 60
    line = {"color": colour + ("55" if many else "CC"), "width": 1 if many else 1.6, "dash": "4px,4px"}
    return _lines(points, line) | {"hoverinfo": "skip"}


def _curves(travels: Sequence[Travel], colour: str, width: float, at: dict[str, Point]) -> Chart:
    """Bent towards the middle of the circle, where a pointer finds out what a curve is."""
    points = [point for each in travels for point in (at[each.creator], _middle(each, at), at[each.peer], (None, None))]
    told = [text for each in travels for text in (*[_said(each)] * 3, None)]
    line = {"color": colour, "width": width, "shape": "spline"}
    return _lines(points, line) | {"text": told, "hovertemplate": "%{text}<extra></extra>"}


def _lines(points: Sequence[tuple[float | None, float | None]], line: Chart) -> Chart:
    return {"type": "scatter", "mode": "lines", "x": [x for x, _ in points], "y": [y for _, y in points], "line": line}


def _middle(travel: Travel, at: dict[str, Point]) -> Point:
    (x, y), (to_x, to_y) = at[travel.creator], at[travel.peer]
    return short(0.4 * (x + to_x)), short(0.4 * (y + to_y))


def _said(travel: Travel) -> str:
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
        "x": [x for x, _ in at.values()],
        "y": [y for _, y in at.values()],
        "text": [plain(name[:LONGEST]) if told(place, name) else "" for place, name in enumerate(at)],
        "textposition": [_beside(point) for point in at.values()],
        "hovertext": [f"{plain(name)}: {drawn.away.get(name, phases[name])}" for name in at],
        "hovertemplate": "%{hovertext}<extra></extra>",
        "marker": {
            "opacity": 1,
            "color": [COLOURS[phases[name]] for name in at],
            "symbol": ["x" if name in drawn.away else "circle" for name in at],
            "size": [size + 2 if name in drawn.away else size for name in at],
            "line": {"color": PALE, "width": 1},
        },
    }


def _beside(point: Point) -> str:
    x, y = point
    across = "right" if x > 0.2 else "left" if x < -0.2 else "center"
    return f"{'top' if y > 0.35 else 'bottom' if y < -0.35 else 'middle'} {across}"
