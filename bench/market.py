"""What peers with a cost do: how many work over time, at which factor, and after half of them are lost for good.

    python -m bench.market [--seeds 10] [--out build/market.png]

Twelve peers of the simulator: six trainers, and six profiteers that leave when their work costs more than it brings.
Two profiteers have a third of ``COST``, two have it, and two have three times as much.  If half is lost, one of each
pair is killed for good at ``LOST_AT`` seconds.  Columns, each a mean and the range over the seeds:

- at work: profiteers that work or wait for work at this time.  Those that are away, have finished or were killed do not
  count.  No session ends before ``END``: later, peers finish, which says nothing about costs.
- factor: that of the trainers at this time, as a multiple of the session's.
- income, spent, cost, gas: in mETH per profiteer that is not killed, over the whole session; ``spent`` is for models.
- leaves, returns: how often such a profiteer does so in the session.

The figure shows the first two over time.
"""

import argparse
from collections.abc import Collection, Iterable, Sequence
from functools import partial
from itertools import product
from pathlib import Path
from statistics import fmean
from typing import Any

import matplotlib.pyplot as plt
from bench.tables import band, learning
from tests.helpers.swarms import Run, nothing, run

from learnae.protocol.decisions import Averaged, BooksClosed, WorkChanged, WorkState
from learnae.protocol.reward import adapted
from learnae.records.chain_export import gas_by_wallet
from learnae.records.history import History
from learnae.runtime.simulator import Simulator
from learnae.session.roster import names

TRAINERS, PROFITEERS = names(12)[:6], names(12)[6:]
LOST, LOST_AT = PROFITEERS[::2], 10.0  # s
COST = 0.00006  # ETH per unit of work
SPEEDS = ("0", "0.2")
STEP, END = 2.0, 24.0  # s
TIMES = [STEP * number for number in range(int(END / STEP) + 1)]
BASE: dict[str, Any] = {
    "peers": 12,
    "data": {"rows": 1500, "validation_rows": 500, "test_rows": 500},
    "work": {"passes": 5},
    "market": {"window": 20},
    "evaluation_peers": 0,
    "groups": [
        {"count": 6},
        *({"count": 2, "has_rows": False, "unit_cost": str(COST * factor)} for factor in (1 / 3, 1, 3)),
    ],
}


def lose_half(simulator: Simulator) -> None:
    for name in LOST:
        simulator.at(LOST_AT, partial(simulator.crash, name))


def at_work(history: History, lost: Collection[str]) -> list[float]:
    """Profiteers that are neither away, done nor lost, at each of the times."""
    changes = [(record.t, record.peer, fact.work) for record, fact in history.facts(WorkChanged)]
    counts = []
    for time in TIMES:
        states = dict.fromkeys(PROFITEERS, WorkState.EMPTY) | {peer: work for at, peer, work in changes if at <= time}
        present = set(PROFITEERS) - set(lost if time >= LOST_AT else ())
        counts.append(float(len([peer for peer in present if states[peer] is not WorkState.DONE])))
    return counts


def factors(ended: Run) -> list[float]:
    """Of the trainers, at each of the times."""
    settings = ended.simulation.session.reward
    current = dict.fromkeys(TRAINERS, settings.factor_wei)
    attempts = [(record.t, record.peer, fact.adopted) for record, fact in ended.history.facts(Averaged)]
    course = []
    for time in TIMES:
        while attempts and attempts[0][0] <= time:
            _, peer, adopted = attempts.pop(0)
            if peer in current:
                current[peer] = adapted(current[peer], adopted, settings)
        course.append(fmean(current.values()) / settings.factor_wei)
    return course


def account(ended: Run, profiteers: Collection[str]) -> list[float]:
    """Of one of these, in mETH: income, spending, cost of its work, gas; then how often it leaves and returns."""
    gas = gas_by_wallet(ended.chain, priced=True)
    sent = [wei for payer, _, _, wei in ended.payments() if payer in map(ended.wallet, profiteers)]
    earned = [ended.received(name) for name in profiteers]
    costs = [len(ended.attempts(name)) * ended.host(name).config.cost for name in profiteers]
    money = [sum(earned), sum(sent), sum(costs), sum(gas[ended.host(name).config.wallet] for name in profiteers)]
    moves = [fact for record, fact in ended.history.facts(BooksClosed) if record.peer in profiteers]
    leaves = sum(bool(fact.units) and not fact.works for fact in moves)
    returns = sum(not fact.units and fact.works for fact in moves)
    return [wei / len(profiteers) / 10**15 for wei in money] + [leaves / len(profiteers), returns / len(profiteers)]


def columns(rows: Iterable[Sequence[float]]) -> list[Sequence[float]]:
    return list(zip(*rows, strict=True))


def draw(courses: dict[tuple[bool, str], tuple[Any, Any]], path: Path) -> None:
    figure, axes = plt.subplots(2, 2, figsize=(10, 6), sharex=True, sharey="row")
    for (lost, speed), both in courses.items():
        for row, course in enumerate(both):
            axis = axes[row][int(lost)]
            (line,) = axis.plot(TIMES, [fmean(each) for each in course], label=f"adapt = {speed}")
            axis.fill_between(
                TIMES,
                [min(each) for each in course],
                [max(each) for each in course],
                color=line.get_color(),
                alpha=0.12,
            )
    for column, title in enumerate(("nobody is lost", f"half is lost at {LOST_AT:.0f} s")):
        axes[0][column].set_title(title)
        axes[1][column].set_xlabel("session time, s")
    axes[0][0].set_ylabel("profiteers at work")
    axes[1][0].set_ylabel("factor of the trainers")
    axes[0][0].legend()
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--out", type=Path, default=Path("build/market.png"))
    options = parser.parse_args()
    shown = [TIMES.index(time) for time in (8.0, 12.0, 16.0, END)]
    print(
        "| half is lost | adapt | at work, 8 s | 12 s | 16 s | 24 s | factor, 24 s | income | spent | cost | gas "
        "| leaves | returns |"
    )
    print("|---|---|---|---|---|---|---|---|---|---|---|---|---|")
    courses: dict[tuple[bool, str], tuple[Any, Any]] = {}
    for half, speed in product((False, True), SPEEDS):
        lost = LOST if half else []
        works, prices, accounts = [], [], []
        for seed in range(1, options.seeds + 1):
            table = BASE | {"seed": seed, "reward": {"adapt": speed}}
            ended = run(
                table,
                lose_half if half else nothing,
                journals=False,
                learning=learning,
            )
            assert ended.records[-1].t >= END, "a session ended before the last time of the table"
            works.append(at_work(ended.history, lost))
            prices.append(factors(ended))
            accounts.append(account(ended, [name for name in PROFITEERS if name not in lost]))
        courses[half, speed] = columns(works), columns(prices)
        cells = [band(courses[half, speed][0][index], 1) for index in shown]
        cells.append(band(courses[half, speed][1][-1]))
        cells += [band(column) for column in columns(accounts)]
        print(f"| {'yes' if half else 'no'} | {speed} | {' | '.join(cells)} |", flush=True)
    draw(courses, options.out)


if __name__ == "__main__":
    main()
