"""What faults and cheats cost: every scenario over seeds, beside the same sessions in the simulator.

    python bench/chaos.py [--seeds 3] [SCENARIO ...]

Prints the table of docs/chaos.md: accuracy on test rows of honest peers and what was lost, mean (least to greatest).
"""

import argparse
from collections.abc import Sequence
from statistics import fmean

from learnae.checks import verdict
from learnae.cli.scenarios import SCENARIOS, find
from learnae.config import Session
from learnae.drivers.chaos import undisturbed
from learnae.drivers.learning import TorchLearning
from learnae.drivers.simulate import Recording, Simulation
from learnae.history import History
from learnae.report.aftermath import Aftermath, aftermath


def played(session: Session, learning: TorchLearning) -> History:
    recording = Recording()
    simulation = Simulation(session, learning, [recording.observe])
    simulation.run()
    return History(tuple(recording.records), tuple(simulation.ledger.export()))


def row(name: str, found: Sequence[Aftermath], verdicts: Sequence[str]) -> str:
    valid = f"{verdicts.count('valid')} of {len(verdicts)}"
    lost = [each.lost for each in found if each.lost is not None]
    stalls = [each.stall for each in found if each.stall is not None]
    accuracy = fmean(each.accuracy for each in found if each.accuracy is not None)
    stall = f"{max(stalls):.1f}" if stalls else "-"
    cheats = sorted({policy for each in found for policy in each.earned} - {"honest"})
    earned = f"honest {fmean(each.earned['honest'] for each in found):.4f}"
    for policy in cheats:
        whole, forged = (fmean(part[policy] for part in parts) for parts in _money(found))
        earned += f", {policy} {whole:.4f} ({forged:.4f} with forged models)"
    points = f"{fmean(lost):+.2f} ({min(lost):+.2f} to {max(lost):+.2f})"
    return f"| {name} | {valid} | {accuracy:.4f} | {points} | {stall} | {earned} |"


def _money(found: Sequence[Aftermath]) -> tuple[list[dict[str, float]], list[dict[str, float]]]:
    return [each.earned for each in found], [each.forged for each in found]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("scenarios", nargs="*", help="names; none: all")
    parser.add_argument("--seeds", type=int, default=3)
    arguments = parser.parse_args()
    print("| scenario | valid | accuracy | points lost | longest stall, s | ETH earned per peer |")
    print("|---|---|---|---|---|---|")
    for name in arguments.scenarios or sorted(path.stem for path in SCENARIOS.glob("*.toml")):
        found, verdicts = [], []
        for seed in range(1, arguments.seeds + 1):
            session = find(name, {"seed": seed})
            learning = TorchLearning(session, 2)
            history = played(session, learning)
            verdicts.append(str(verdict(history)["verdict"]))
            found.append(aftermath(history, played(undisturbed(session), learning)))
        print(row(name, found, verdicts), flush=True)


if __name__ == "__main__":
    main()
