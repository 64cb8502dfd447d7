"""What a peer without rows earns by training on the rows by which it judges, and what that costs those who buy.

    python bench/judging.py [--seeds 3]

The session profiteers in the simulator.  First all peers without rows judge by one block, then each by one of its own.
"""

import argparse

from tests.helpers.judging_attack import JudgingAttack

REPEATS = (0, 1, 10, 40)
PROFITEERS = JudgingAttack({"data": {"rows": 5000}, "evaluation_peers": 0}, trainers=16, buyers=3)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3)
    seeds = range(1, parser.parse_args().seeds + 1)
    for one_block in (True, False):
        print("one block" if one_block else "own blocks", "| its income | income of a trainer | accuracy of buyers")
        for repeats in REPEATS:
            found = PROFITEERS.outcome(seeds, repeats, one_block)
            role = f"trains {repeats} times" if repeats else "only averages"
            print(
                f"{role} | {found.income:.4f} | {found.trainers_income:.4f} | {found.buyers_accuracy:.4f}", flush=True
            )


if __name__ == "__main__":
    main()
