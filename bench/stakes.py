"""What five sybils of a trainer bring if each identity must lock a stake.

    python -m bench.stakes [--seeds 10] [--out build/stakes.jsonl]

Ten peers of the simulator: a trainer with five sybils, and four honest ones.  The columns:

- income: what the trainer and its sybils receive, in multiples of what an honest peer receives.
- extra: what they receive more than one honest peer, in mETH.
- per stake: extra for each further stake that they lock, in mETH: with a higher stake they lock more than they gain.
- gas: of a sybil, in thousands.
- lost: what an honest peer spends more than it receives, in mETH, without gas.
"""

import argparse
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from bench.attacks import ATTACKS, BASE, PEERS
from bench.tables import KeptResults, band, learning

from learnae.runs.coalitions import CoalitionResult, simulate_coalition
from learnae.session.roster import names
from learnae.session.session_file import parse

SYBILS = ATTACKS["trainer with 5 sybils"]
STAKE: dict[str, Any] = {"defence": {"stake": "0.01"}}
CASES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {  # settings, and those of the sybils
    "no stake": ({}, {}),
    "each identity locks a stake": (STAKE, {}),
    "only the trainer does": (STAKE, {"stakes": False}),
}


@dataclass(frozen=True)
class Outcome:
    income: float
    extra: float  # mETH
    gas: float  # thousands
    lost: float  # mETH

    @classmethod
    def of(cls, result: CoalitionResult) -> "Outcome":
        known = names(PEERS)
        sybils, leader, others = known[: SYBILS["count"]], SYBILS["leader"], known[SYBILS["count"] + 1 :]
        honest = fmean(result.earned[name] for name in others)
        together = sum(result.earned[name] for name in (leader, *sybils))
        return cls(
            together / honest,
            1000 * (together - honest),
            fmean(result.gas[name] for name in sybils) / 1000,
            1000 * fmean(result.spent[name] - result.earned[name] for name in others),
        )


def outcome(case: str, seed: int, results: KeptResults) -> Outcome:
    settings, sybils = CASES[case]
    session = parse(BASE | settings | {"seed": seed, "groups": [SYBILS | sybils, {}]})
    everybody = frozenset(names(PEERS))
    return Outcome.of(
        CoalitionResult(**results.get(session, "all", lambda: asdict(simulate_coalition(learning(session), everybody))))
    )


def rows(seeds: int, results: KeptResults) -> Iterator[str]:
    yield "| stakes | income | extra, mETH | per stake, mETH | gas, thousands | lost, mETH |"
    yield "|---|---|---|---|---|---|"
    for case, (settings, sybils) in CASES.items():
        found = [outcome(case, seed, results) for seed in range(1, seeds + 1)]
        further = SYBILS["count"] if settings and not sybils else 0
        cells = [
            band(each.income for each in found),
            band((each.extra for each in found), 1),
            band((each.extra / further for each in found) if further else (), 1),
            f"{fmean(each.gas for each in found):.0f}",
            band((each.lost for each in found), 1),
        ]
        yield f"| {case} | {' | '.join(cells)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--out", type=Path, default=Path("build/stakes.jsonl"))
    options = parser.parse_args()
    for row in rows(options.seeds, KeptResults(options.out)):
        print(row, flush=True)


if __name__ == "__main__":
    main()
