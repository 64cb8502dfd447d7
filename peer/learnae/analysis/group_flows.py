"""The flow of ETH between groups of peers, in one run or in several.  Pure.

A group is all peers of one role; dishonest peers are a group of their own.  Only payments that stayed final count.
"""

from bisect import bisect_right
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, product
from operator import itemgetter
from statistics import fmean

from learnae.analysis.figures.spec import BLUE, GREEN, GREY, ORANGE, RED, VIOLET, Figure, Series, ShadedBand
from learnae.analysis.metric_words import ACCURACY, metric_name
from learnae.analysis.money import OUTSIDE, Flow, accounts, earned_with_rows, final_payments, flows
from learnae.analysis.peer_status import peer_statuses
from learnae.protocol.types import ETHER, Wei
from learnae.records.history import History

Pair = tuple[str, str]  # the groups of payer and payee

COLOURS = (BLUE, ORANGE, GREEN, VIOLET, RED)  # of the pairs with the largest flows
OTHERS = "all others"
POINTS = 120  # intervals of the figure's axis
FLOW_COLUMNS = ("payments", "ETH", "mETH per unit of work", "mETH per row block")
GROUP_COLUMNS = ("units of work", "row blocks published", "ETH received", "of it for rows", "ETH sent", "test accuracy")


@dataclass(frozen=True)
class RunFlows:
    """What one run shows.

    ``peers``: their number by group.  ``numbers``: by pair of groups or by group, one per column.  ``paid``: when each
    payment of a pair became final, and its wei.  ``metric``: that scores models, by name.
    """

    peers: Mapping[str, int]
    numbers: Mapping[Pair | str, Sequence[float | None]]
    paid: Mapping[Pair, Sequence[tuple[float, Wei]]]
    seconds: float
    metric: str = ACCURACY


def run_flows(history: History) -> RunFlows:
    groups = {account.name: plural(account.kind) for account in accounts(history)}
    peers = Counter(groups.values())
    units, blocks = Counter[str](), Counter[str]()
    for status in peer_statuses(history):
        units[groups[status.entry.name]] += status.trained + status.attempts
        blocks[groups[status.entry.name]] += status.rows.published
    between = Counter[Pair]()
    count = Counter[Pair]()
    for flow in flows(history):
        pair = groups[flow.payer], groups.get(flow.payee, OUTSIDE)
        between[pair] += flow.wei
        count[pair] += flow.count
    numbers: dict[Pair | str, Sequence[float | None]] = {}
    for pair in product(peers, [*peers, *({payee for _, payee in between} - peers.keys())]):
        ether = between[pair] / ETHER
        numbers[pair] = (count[pair], ether, _milli(ether, units[pair[1]]), _milli(ether, blocks[pair[0]]))
    for group in peers:
        received = sum(wei for (_, payee), wei in between.items() if payee == group) / ETHER
        for_rows = sum(wei for name, wei in earned_with_rows(history).items() if groups.get(name) == group) / ETHER
        sent = sum(wei for (payer, _), wei in between.items() if payer == group) / ETHER
        tests = [one.test for one in accounts(history) if groups[one.name] == group and one.test is not None]
        numbers[group] = (units[group], blocks[group], received, for_rows, sent, fmean(tests) if tests else None)
    paid: dict[Pair, list[tuple[float, Wei]]] = {}
    for at, payer, payee, wei in final_payments(history):
        paid.setdefault((groups[payer], groups.get(payee, OUTSIDE)), []).append((at, wei))
    return RunFlows(peers, numbers, paid, history.seconds, metric_name(history))


def mean_flows(runs: Sequence[RunFlows]) -> list[Flow]:
    """The mean flow of each pair of groups, without pairs that never paid."""
    paid = {pair: [wei for run in runs for _, wei in run.paid.get(pair, ())] for pair in _pairs(runs)}
    return [Flow(*pair, round(len(wei) / len(runs)), Wei(sum(wei) // len(runs))) for pair, wei in paid.items()]


def flow_figure(runs: Sequence[RunFlows]) -> Figure:
    """The cumulative flow of each pair of groups along seconds: the mean of the runs, and their range."""
    end = max(run.seconds for run in runs)
    x = tuple(end * point / POINTS for point in range(POINTS + 1))
    largest = sorted(_pairs(runs), key=lambda pair: -sum(wei for run in runs for _, wei in run.paid.get(pair, ())))
    drawn = {" to ".join(pair): [pair] for pair in largest[: len(COLOURS)]}
    if rest := largest[len(COLOURS) :]:
        drawn[OTHERS] = rest
    series, bands = [], []
    for (label, pairs), colour in zip(drawn.items(), (*COLOURS, GREY), strict=False):
        lines = [_cumulative([payment for pair in pairs for payment in run.paid.get(pair, ())], x) for run in runs]
        columns = list(zip(*lines, strict=True))
        series.append(Series(label, colour, x, tuple(map(fmean, columns))))
        if len(runs) > 1:
            low, high = tuple(map(min, columns)), tuple(map(max, columns))
            bands.append(ShadedBand("", colour, x, low, high))  # like its line
    title = "Cumulative flow of ETH between groups"
    return Figure("group-flow", title, "session time (s)", "ETH", tuple(series), tuple(bands))


def flow_row(run: RunFlows) -> dict[str, float | None]:
    """The numbers of a run by name, as a line of a table."""
    row: dict[str, float | None] = {}
    for key, values in run.numbers.items():
        name, columns = (key, GROUP_COLUMNS) if isinstance(key, str) else (" to ".join(key), FLOW_COLUMNS)
        row |= {f"{name}, {column}": value for column, value in zip(columns, values, strict=True)}
    return row


def plural(kind: str) -> str:
    return kind if kind.endswith("s") else f"{kind}s"


# private


def _pairs(runs: Sequence[RunFlows]) -> list[Pair]:
    return sorted({pair for run in runs for pair in run.paid})


def _milli(ether: float, number: int) -> float | None:
    return 1000 * ether / number if number else None


def _cumulative(payments: Sequence[tuple[float, Wei]], x: Sequence[float]) -> list[float]:
    ordered = sorted(payments, key=itemgetter(0))
    totals = [0, *accumulate(wei for _, wei in ordered)]
    return [totals[bisect_right(ordered, at, key=itemgetter(0))] / ETHER for at in x]
