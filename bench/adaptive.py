"""How the payers' factors move with ``[reward] adapt``.

    python -m bench.adaptive [--seeds 10]

Twelve peers of the simulator, without a fault, and with half of them killed for good in the middle of the work.  The
factor is that of the peers that stay, as a multiple of the session's, after each quarter of their scored attempts:
mean, and range over the seeds.  The price of gas does not matter: a payment costs the same gas whatever it carries.
"""

import argparse
from functools import partial
from itertools import product
from statistics import fmean
from typing import Any

from bench.tables import band, learning
from tests.helpers.swarms import Run, nothing, run

from learnae.protocol.reward import adapted
from learnae.runtime.simulator import Simulator
from learnae.session.roster import names

PEERS, STAY, QUARTERS = 12, 6, 4
SPEEDS = ("0", "0.05", "0.2")
LOST_AT = 3.0  # s
BASE: dict[str, Any] = {
    "peers": PEERS,
    "data": {"rows": 1500, "validation_rows": 500, "test_rows": 500},
    "work": {"passes": 2},
    "evaluation_peers": 0,
}


def lose_half(simulator: Simulator) -> None:
    for name in names(PEERS)[STAY:]:
        simulator.after(LOST_AT, partial(simulator.crash, name))


def factors(ended: Run) -> list[float]:
    """After each quarter of the attempts of a peer that stays: mean over these peers."""
    settings = ended.simulation.session.reward
    by_peer = []
    for name in names(PEERS)[:STAY]:
        factor, course = settings.factor_wei, [1.0]
        for attempt in ended.attempts(name):
            factor = adapted(factor, attempt.adopted, settings)
            course.append(factor / settings.factor_wei)
        by_peer.append([course[quarter * (len(course) - 1) // QUARTERS] for quarter in range(1, QUARTERS + 1)])
    return [fmean(column) for column in zip(*by_peer, strict=True)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=10)
    seeds = parser.parse_args().seeds
    print("| half is lost | adapt | 1st quarter | 2nd | 3rd | 4th | adopted | moved, mETH |")
    print("|---|---|---|---|---|---|---|---|")
    for lost, speed in product((False, True), SPEEDS):
        courses, shares, moved = [], [], []
        for seed in range(1, seeds + 1):
            table = BASE | {"seed": seed, "reward": {"adapt": speed}}
            ended = run(
                table,
                lose_half if lost else nothing,
                journals=False,
                learning=learning,
            )
            attempts = [attempt for name in names(PEERS)[:STAY] for attempt in ended.attempts(name)]
            courses.append(factors(ended))
            shares.append(fmean(attempt.adopted for attempt in attempts))
            moved.append(sum(wei for *_, wei in ended.payments()) / 10**15)
        cells = [band(column) for column in zip(*courses, strict=True)]
        print(
            f"| {'yes' if lost else 'no'} | {speed} | {' | '.join(cells)} | {band(shares)} | {band(moved)} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
