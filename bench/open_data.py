"""What poisoned rows cost: one of four providers flips a share of its labels.  In the simulator.

    python -m bench.open_data [--seeds 10]

Prints a table with mean, min and max over the seeds.  `learnae flows` measures the flow of ETH in open sessions.
"""

import argparse
from collections import defaultdict
from collections.abc import Iterator
from statistics import fmean
from typing import Any

from tests.helpers.swarms import Run, run

from learnae.analysis.money import accounts
from learnae.runtime.torch_learning import TorchLearning

SMALL: dict[str, Any] = {
    "data": {"rows": 1000, "validation_rows": 500, "judging_rows": 500, "test_rows": 5000},
    "work": {"slices": 4, "patience": 10},
    "evaluation_peers": 0,
}
PROVIDERS, PROFITEERS = {"computes": False}, {"has_rows": False}
Row = dict[str, float]


def finished(seed: int, groups: list[dict[str, Any]]) -> Run:
    peers = sum(group["count"] for group in groups)
    table = SMALL | {"privacy": False, "seed": seed, "peers": peers, "groups": groups}
    ended = run(table, journals=False, learning=lambda session: TorchLearning(session, threads=1))
    assert ended.failing == [], ended.failing
    return ended


def by_role(ended: Run) -> Row:
    """Mean test accuracy and mean net income in ETH of each role; a cheat counts under its policy."""
    found: defaultdict[str, list[float]] = defaultdict(list)
    for account in accounts(ended.history):
        role = account.role if account.kind == "cheats" else account.kind
        found[f"ETH received, {role}"].append(account.received_ether)
        found[f"ETH sent, {role}"].append(account.sent_ether)
        if account.test is not None:
            found[f"test accuracy, {role}"].append(account.test)
    return {name: fmean(values) for name, values in sorted(found.items())}


def cases() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    for share in (0.0, 0.5, 1.0):
        cheat = {"count": 1, **PROVIDERS} | ({"policy": "row-poisoner", "flips": share} if share else {})
        yield f"{share:.0%} flipped", [{"count": 3, **PROVIDERS}, cheat, {"count": 4, **PROFITEERS}]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=10)
    options = parser.parse_args()
    for name, groups in cases():
        runs = [by_role(finished(seed, groups)) for seed in range(1, options.seeds + 1)]
        print(name, flush=True)
        for value in runs[0]:
            found = [row.get(value, 0.0) for row in runs]
            print(f"    {value}: {fmean(found):.5f} ({min(found):.5f} to {max(found):.5f})", flush=True)


if __name__ == "__main__":
    main()
