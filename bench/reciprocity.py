"""What refusing to pay brings, without a defence and with each; and which honest peers the defences punish.

    python -m bench.reciprocity refusers [--only none|reciprocity|profiles|own|sealed|conceal] [--seeds 10]
    python -m bench.reciprocity punished [--only reciprocity|sealed|profiles] [--seeds 10]

``refusers``: ten peers of the simulator, of which none to eight refuse to pay; a figure shows all cases that are
run.  Payoff is what a peer earns less what it spends on models, without gas, in mETH.  ``own``: reciprocity, but only
unpaid models of the peer that judges count.  ``sealed``: reciprocity, and models are sealed.  ``conceal``: reciprocity,
and refusers conceal averages.  The gain of one more refuser is its payoff less what it has if it pays, and the same
others refuse.

``punished``: ten honest peers, under the scenarios that delay payments or hide announcements.

``--out`` keeps the results, and the same command continues.  ``--into docs/explanation/incentives.md`` puts
the table into the page.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from itertools import product
from pathlib import Path
from statistics import fmean
from typing import Any

import matplotlib.pyplot as plt
from bench.tables import DEFENCES, KeptResults, band, learning, options, publish
from tests.helpers.swarms import Run, run

from learnae.analysis.fee_pool import pool_calls
from learnae.analysis.money import accounts
from learnae.protocol.decisions import StandingChanged
from learnae.session.session_file import load, parse, resolved
from learnae.session.shipped import scenario_file

PEERS, MOST = 10, 8  # peers, and how many refuse at most
SHOWN = range(0, MOST + 1, 2)
BASE: dict[str, Any] = {
    "peers": PEERS,
    "data": {"rows": 2000, "validation_rows": 500, "test_rows": 2000},
    "work": {"passes": 3},
    "evaluation_peers": 0,
}
LEAST = 0.005  # mETH: a gain below that is none in the table
REFUSES, CONCEALS = "refuses-to-pay", "conceals-averages"
OWN = {"defence": DEFENCES["reciprocity"]["defence"] | {"scope": "own"}}
SEALED = {"defence": DEFENCES["reciprocity"]["defence"] | {"access": "sealed"}}
CASES = {name: (tables, REFUSES) for name, tables in DEFENCES.items()} | {
    "own": (OWN, REFUSES),
    "sealed": (SEALED, REFUSES),
    "conceal": (DEFENCES["reciprocity"], CONCEALS),
}
SCENARIOS = ("split-half", "rolling-downtime", "chain-outage")
PUNISHING: dict[str, dict[str, Any]] = {  # with times that suit sessions of minutes
    "reciprocity": {"kind": "reciprocity", "scope": "all"},
    "sealed": {"kind": "reciprocity", "scope": "all", "access": "sealed"},
    "profiles": {"kind": "profiles"},
}


@dataclass(frozen=True)
class Outcome:
    """Of a session: for each peer, refusers first, mETH and test accuracy; and pairs of which one denies the other.

    ``deserved``: pairs whose denied peer refuses to pay.
    """

    payoffs: Sequence[float]
    accuracies: Sequence[float]
    deserved: int
    undeserved: int

    @classmethod
    def of(cls, session: Run) -> "Outcome":
        peers, history = accounts(session.history), session.history
        honest = {history.roster[name].peer for name in history.honest}
        denied = {(record.peer, fact.creator) for record, fact in history.facts(StandingChanged) if fact.denied}
        undeserved = sum(creator in honest for _, creator in denied)
        return cls(
            [1000 * peer.net_ether for peer in peers],
            [peer.test or 0.0 for peer in peers],
            len(denied) - undeserved,
            undeserved,
        )

    def of_refusers(self, refusing: int) -> float:
        return fmean(self.payoffs[:refusing])

    def of_honest(self, refusing: int) -> float:
        return fmean(self.payoffs[refusing:])


class Sessions:
    """Of one case."""

    def __init__(self, case: str, results: KeptResults) -> None:
        self._tables, self._policy = CASES[case]
        self._results = results

    def outcome(self, refusing: int, seed: int) -> Outcome:
        groups = {"groups": [{"count": refusing, "policy": self._policy}, {}]} if refusing else {}
        table = BASE | self._tables | {"seed": seed} | groups
        return Outcome(**self._results.get(parse(table), "", lambda: asdict(Outcome.of(ended(table)))))

    def gain(self, refusing: int, seed: int) -> float:
        """Of the last of these refusers."""
        alone, paying = self.outcome(refusing, seed), self.outcome(refusing - 1, seed)
        return alone.payoffs[refusing - 1] - paying.payoffs[refusing - 1]


def ended(table: dict[str, Any]) -> Run:
    session = run(table, learning=learning)
    if session.failing:
        raise SystemExit(f"seed {table['seed']}: {session.failing}")
    return session


def refusers(cases: Sequence[str], seeds: range, results: KeptResults) -> Iterator[str]:
    yield (
        "| defence | refuse | payoff of a refuser, mETH | gain of one more refuser | payoff of an honest peer "
        "| accuracy of a refuser | of an honest peer | pairs denied |"
    )
    yield "|---|---|---|---|---|---|---|---|"
    for case in cases:
        yield from rows_of(case, seeds, results)
    yield ""
    for case in cases:
        yield stops(case, seeds, results)


def rows_of(case: str, seeds: range, results: KeptResults) -> Iterator[str]:
    sessions = Sessions(case, results)
    for count in SHOWN:
        found = [sessions.outcome(count, seed) for seed in seeds]
        cells = [
            band(each.of_refusers(count) for each in found if count),
            band(sessions.gain(count, seed) for seed in seeds if count),
            band(each.of_honest(count) for each in found),
            band((fmean(each.accuracies[:count]) for each in found if count), 4),
            band((fmean(each.accuracies[count:]) for each in found), 4),
            f"{fmean(each.deserved for each in found):.1f}",
        ]
        wrong = fmean(each.undeserved for each in found)
        cells[-1] += f", and {wrong:.1f} honest" if wrong else ""
        yield f"| {case} | {count / PEERS:.0%} | {' | '.join(cells)} |"


def stops(case: str, seeds: range, results: KeptResults) -> str:
    """From which share on one more refuser gains nothing on average."""
    sessions = Sessions(case, results)
    gains = {count: fmean(sessions.gain(count, seed) for seed in seeds) for count in range(1, MOST + 1)}
    share = next((f"stops paying at {count / PEERS:.0%}" for count, gain in gains.items() if gain < LEAST), None)
    course = ", ".join(f"{round(gain, 2) + 0.0:.2f}" for gain in gains.values())  # no minus before zero
    return f"- `{case}`: refusing {share or 'pays at each share'}; one more of ten gains {course} mETH."


def draw(cases: Sequence[str], seeds: range, results: KeptResults, path: Path) -> None:
    figure, axes = plt.subplots(1, len(cases), figsize=(3 * len(cases) + 1, 3.6), sharey=True, squeeze=False)
    for axis, case in zip(axes[0], cases, strict=True):
        sessions = Sessions(case, results)
        for label, side in (("refuses to pay", Outcome.of_refusers), ("honest", Outcome.of_honest)):
            counts = range(1 if side is Outcome.of_refusers else 0, MOST + 1)
            shares = [100 * count / PEERS for count in counts]
            points = [[side(sessions.outcome(count, seed), count) for seed in seeds] for count in counts]
            (line,) = axis.plot(shares, list(map(fmean, points)), label=label)
            low, high = list(map(min, points)), list(map(max, points))
            axis.fill_between(shares, low, high, color=line.get_color(), alpha=0.15)
        axis.axhline(0, color="grey", linewidth=0.8)
        axis.set_title(case)
        axis.set_xlabel("peers that refuse, %")
    axes[0][0].set_ylabel("payoff of a peer, mETH")
    axes[0][0].legend()
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)


def denied(session: Run) -> dict[str, Any]:
    """Pairs of honest peers of which one denied income to the other."""
    last = {(record.peer, fact.creator): fact.denied for record, fact in session.history.facts(StandingChanged)}
    return {"pairs denied": len(last), "of them restored by the end": len(last) - sum(last.values())}


def left_out(session: Run) -> dict[str, Any]:
    """Peers without a call of each kind that succeeded."""
    done = [call.kind for call in pool_calls(session.history) if call.transaction.succeeded]
    return {f"peers without a {kind}": PEERS - done.count(kind) for kind in ("deposit", "report", "withdrawal")}


COUNTS: dict[str, Callable[[Run], dict[str, Any]]] = {"reciprocity": denied, "sealed": denied, "profiles": left_out}


def punished(defences: Sequence[str], seeds: range, results: KeptResults) -> Iterator[str]:
    yield "| scenario | defence | honest peers |"
    yield "|---|---|---|"
    for defence, name in product(defences, SCENARIOS):
        found = []
        for seed in seeds:
            changes = {"peers": PEERS, "evaluation_peers": 0, "data": {"rows": 1000}, "defence": PUNISHING[defence]}
            table = resolved(load(scenario_file(name), {"seed": seed})) | changes
            found.append(results.get(parse(table), "punished", partial(counts, defence, table)))
        cells = [f"{column} {band((each[column] for each in found), 1)}" for column in found[0]]
        yield f"| {name} | {defence} | {'; '.join(cells)} |"


def counts(defence: str, table: dict[str, Any]) -> dict[str, Any]:
    return COUNTS[defence](ended(table))


def main() -> None:
    parser = options(__doc__, "build/refusers.jsonl")
    parser.add_argument("experiment", choices=("refusers", "punished"), nargs="?", default="refusers")
    parser.add_argument("--only", choices=CASES)
    parser.add_argument("--figure", type=Path, default=Path("build/refusers.png"))
    given = parser.parse_args()
    seeds, results = range(1, given.seeds + 1), KeptResults(given.out)
    cases = [given.only] if given.only else list(PUNISHING if given.experiment == "punished" else CASES)
    make = {"refusers": refusers, "punished": punished}[given.experiment]
    publish(make(cases, seeds, results), given.experiment, given.into)
    if given.experiment == "refusers":
        draw(cases, seeds, results, given.figure)


if __name__ == "__main__":
    main()
