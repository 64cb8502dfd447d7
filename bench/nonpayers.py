"""What peers gain that keep every better average and refuse to pay for it, and what the honest ones lose.

    python bench/nonpayers.py [--seeds 10] [--out docs/pictures/non-payers.png]

The scenario non-payers in the simulator, with none to half of twenty peers refusing: draws what a peer earns less what
it spends, prints both and the accuracies on test rows.
"""

import argparse
import os
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from pathlib import Path
from statistics import fmean

from learnae.analysis.checks import verdict
from learnae.analysis.figures import Figure, Series, ShadedBand, draw
from learnae.analysis.figures.spec import BLUE, ORANGE
from learnae.analysis.money import Account, accounts
from learnae.backends.sim.simulation import MemoryHistory, Simulation
from learnae.protocol.policies import Policy
from learnae.records.history import History
from learnae.runtime.torch_learning import TorchLearning
from learnae.session.session_file import load, parse, resolved
from learnae.session.shipped import scenario_file

COUNTS = (0, 1, 2, 4, 6, 8, 10)
PEERS = 20
SCENARIO = "non-payers"


@dataclass(frozen=True)
class Side:
    """Means over the peers of a policy."""

    earned: float  # ETH
    spent: float  # ETH
    accuracy: float  # on test rows

    @staticmethod
    def of(found: Sequence[Account]) -> "Side":
        return Side(
            fmean(each.received_ether for each in found),
            fmean(each.sent_ether for each in found),
            fmean(each.test or 0.0 for each in found),
        )


def played(refusing: int, seed: int) -> list[Account]:
    groups = [{"count": refusing, "policy": Policy.REFUSES_TO_PAY.value}, {}]
    session = parse(resolved(load(scenario_file(SCENARIO), {"seed": seed})) | {"groups": groups, "evaluation_peers": 0})
    recording = MemoryHistory()
    simulation = Simulation(session, TorchLearning(session, os.cpu_count() or 1), [recording.observe])
    simulation.run()
    history = History(tuple(recording.records), tuple(simulation.ledger.export()))
    found = verdict(history)["verdict"]
    if found != "valid":
        raise SystemExit(f"{refusing} of {PEERS}, seed {seed}: verdict {found}")
    return accounts(history)


def mean(found: Sequence[Side]) -> Side:
    return Side(*(fmean(column) for column in zip(*map(astuple, found), strict=True)))


def curve(label: str, colour: str, found: dict[int, list[Side]]) -> tuple[Series, ShadedBand]:
    """Mean over seeds, and from least to greatest."""
    points = [[side.earned - side.spent for side in sides] for sides in found.values()]
    x = tuple(map(float, found))
    middle, low, high = (tuple(each(values) for values in points) for each in (fmean, min, max))
    return Series(label, colour, x, middle), ShadedBand("", colour, x, low, high)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=10, help="sessions of each kind (default 10)")
    parser.add_argument("--out", type=Path, default=Path("docs/pictures/non-payers.png"))
    wanted = parser.parse_args()
    honest, refusing = dict[int, list[Side]](), dict[int, list[Side]]()
    print("| refuse | honest: earned, spent (ETH) | accuracy | refusing: earned (ETH) | accuracy |")
    print("|---|---|---|---|---|")
    for count in COUNTS:
        runs = [played(count, seed) for seed in range(1, wanted.seeds + 1)]
        honest[count] = [Side.of(run[count:]) for run in runs]
        cells = "{0.earned:.4f}, {0.spent:.4f} | {0.accuracy:.4f}".format(mean(honest[count]))
        if count:
            refusing[count] = [Side.of(run[:count]) for run in runs]
            cells += " | {0.earned:.4f} | {0.accuracy:.4f}".format(mean(refusing[count]))
        print(f"| {count} | {cells} |" + "  |  |" * (not count), flush=True)
    curves = (curve("refuses to pay", ORANGE, refusing), curve("honest", BLUE, honest))
    draw(
        Figure(
            "non-payers",
            "What refusing to pay gains, and what it costs the honest",
            f"peers of {PEERS} that refuse to pay",
            "ETH earned less ETH spent, a peer",
            tuple(series for series, _ in curves),
            tuple(band for _, band in curves),
            grounded=False,
        ),
        wanted.out,
    )


if __name__ == "__main__":
    main()
