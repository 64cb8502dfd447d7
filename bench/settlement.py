"""What share of the money moved is spent on gas, if each debt is paid by itself and if payments are batched.

    python -m bench.settlement [--seeds 10]

Sessions in the simulator, whose order of events does not depend on the price of gas; so each session is run
once, and its gas is multiplied by each price.  Deployments of contracts are not counted.
"""

import argparse
from dataclasses import dataclass
from itertools import product
from statistics import fmean
from typing import Any

from bench.tables import learning
from tests.helpers.swarms import Run, run

from learnae.protocol.settings import GWEI, Settle
from learnae.records.chain_export import Block

PRICES = (1, 5, 20, 100)  # gwei
SWARMS: dict[str, dict[str, Any]] = {
    "20 peers": {"peers": 20},
    "5 peers, 5 passes": {"peers": 5, "work": {"passes": 5}},
}
BASE: dict[str, Any] = {
    "data": {"rows": 5000, "validation_rows": 500, "test_rows": 2000},
    "evaluation_peers": 0,
}


@dataclass(frozen=True)
class Settled:
    debts: int
    payments: int
    moved: int  # wei
    gas: int

    def share(self, gwei: int) -> float:
        """Gas as a share of the money moved."""
        return self.gas * gwei * GWEI / self.moved


def settled(swarm: dict[str, Any], settle: str, seed: int) -> Settled:
    table = BASE | swarm | {"payment": {"settle": settle}, "seed": seed}
    ended: Run = run(table, journals=False, learning=learning)
    if ended.failing:
        raise SystemExit(f"{swarm}, {settle}, seed {seed}: {ended.failing}")
    blocks = (record for record in ended.chain if isinstance(record, Block))
    paid = [each for block in blocks for each in block.transactions if each.to is not None]
    debts = ended.verdict["summary"]["debts_by_state"]["final"]
    return Settled(debts, len(paid), sum(each.wei for each in paid), sum(each.gas_used for each in paid))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=10)
    seeds = parser.parse_args().seeds
    print(f"| swarm | settle | debts | payments | {' | '.join(f'{price} gwei' for price in PRICES)} |")
    print("|---|---|---|---|" + "---|" * len(PRICES))
    for (name, swarm), settle in product(SWARMS.items(), Settle):
        runs = [settled(swarm, settle, seed) for seed in range(1, seeds + 1)]
        cells = [f"{fmean(each.debts for each in runs):.0f}", f"{fmean(each.payments for each in runs):.0f}"]
        for price in PRICES:
            shares = [each.share(price) for each in runs]
            cells.append(f"{fmean(shares):.1%} ({min(shares):.1%} to {max(shares):.1%})")
        print(f"| {name} | {settle} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
