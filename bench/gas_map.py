"""What a profiteer has left after its work and its gas, by the level of rewards and the price of gas.

    python -m bench.gas_map [--seeds 10] [--out build/gas-map.png]

The sessions of ``bench.market`` without a loss and without ``adapt``, with other reward factors.  The price of gas
changes no decision, so each session is run once, and its gas is multiplied by each price.  Left is income less the
cost of the work and less all gas, contract included, in mETH per profiteer; what it spends on models buys accuracy and
is not counted.  "At work" are profiteers at the last time of ``bench.market``.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean

import matplotlib.pyplot as plt
from bench.market import BASE, PROFITEERS, at_work, columns
from bench.tables import band, learning
from tests.helpers.swarms import Run, nothing, run

from learnae.protocol.settings import GWEI, RewardSettings
from learnae.records.chain_export import gas_by_wallet

FACTORS = (1, 2, 4, 8)  # multiples of the default
PRICES = (1, 2, 5, 10, 20, 50, 100)  # gwei


def left(ended: Run) -> list[float]:
    """Of a mean profiteer, in mETH, at each price of gas."""
    gas = gas_by_wallet(ended.chain)
    hosts = [ended.host(name) for name in PROFITEERS]
    earned = [ended.received(name) for name in PROFITEERS]
    costs = [len(ended.attempts(name)) * ended.host(name).config.cost for name in PROFITEERS]
    used = fmean(gas[host.config.wallet] for host in hosts)
    return [(fmean(earned) - fmean(costs) - used * price * GWEI) / 10**15 for price in PRICES]


def draw(cells: Sequence[Sequence[float]], present: Sequence[float], path: Path) -> None:
    """Rows are factors, columns are prices; red is a loss."""
    bound = max(abs(cell) for row in cells for cell in row)
    figure, axis = plt.subplots(figsize=(7.5, 3.2))
    axis.imshow(cells, cmap="RdBu", vmin=-bound, vmax=bound, aspect="auto", origin="lower")
    for y, row in enumerate(cells):
        for x, cell in enumerate(row):
            ink = "white" if abs(cell) > bound / 2 else "black"
            axis.text(x, y, f"{cell:+.1f}", ha="center", va="center", color=ink)
    axis.set_xticks(range(len(PRICES)), [f"{price}" for price in PRICES])
    labels = [f"{factor} x ({count:.1f} at work)" for factor, count in zip(FACTORS, present, strict=True)]
    axis.set_yticks(range(len(FACTORS)), labels)
    axis.set_xlabel("price of gas, gwei")
    axis.set_ylabel("reward factor")
    axis.set_title("mETH that a profiteer has left", fontsize=10)
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--out", type=Path, default=Path("build/gas-map.png"))
    options = parser.parse_args()
    print(f"| factor | at work | {' | '.join(f'{price} gwei' for price in PRICES)} |")
    print("|---|---|" + "---|" * len(PRICES))
    cells, present = [], []
    for factor in FACTORS:
        reward = {"factor": str(RewardSettings().factor * factor)}
        sessions = [BASE | {"seed": seed, "reward": reward} for seed in range(1, options.seeds + 1)]
        ended = [run(table, nothing, journals=False, learning=learning) for table in sessions]
        at_prices = columns(map(left, ended))
        at_end = [at_work(each.history, [])[-1] for each in ended]
        print(f"| {factor} x | {band(at_end, 1)} | {' | '.join(map(band, at_prices))} |", flush=True)
        cells.append([fmean(column) for column in at_prices])
        present.append(fmean(at_end))
    draw(cells, present, options.out)


if __name__ == "__main__":
    main()
