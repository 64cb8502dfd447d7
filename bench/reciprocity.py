"""What refusing to pay brings, without a defence, with reciprocity and with profiles; and whom reciprocity punishes.

    python -m bench.reciprocity refusers --defence none|own|all|conceal|profiles [--seeds 10]
    python -m bench.reciprocity punished [--seeds 10]

``refusers``: ten peers of the simulator, of which 0 to 80 % refuse to pay.  Payoff is what a peer earns less what it
spends on models, without gas, in mETH.  ``conceal``: models of everybody count, and refusers conceal averages.
``punished``: honest peers alone, under the scenarios that delay payments or hide announcements.
"""

import argparse
from collections import defaultdict
from collections.abc import Iterable
from statistics import fmean
from typing import Any

from tests.helpers.swarms import Run, run

from learnae.analysis.money import Account, accounts
from learnae.protocol.decisions import StandingChanged
from learnae.runtime.torch_learning import TorchLearning
from learnae.session.session_file import load, resolved
from learnae.session.shipped import scenario_file

PEERS = 10
BASE: dict[str, Any] = {
    "peers": PEERS,
    "data": {"rows": 2000, "validation_rows": 500, "test_rows": 2000},
    "work": {"passes": 3},
    "evaluation_peers": 0,
}
RECIPROCITY = {"kind": "reciprocity", "grace": 4.0}
DEFENCES: dict[str, dict[str, Any]] = {
    "none": {"kind": "none"},
    "own": RECIPROCITY,
    "all": RECIPROCITY | {"scope": "all", "limit": 1},
    "conceal": RECIPROCITY | {"scope": "all", "limit": 1},
    "profiles": {"kind": "profiles"},
}
SCENARIOS = ("split-half", "rolling-downtime", "chain-outage")
SCENARIO_DEFENCE = {"kind": "reciprocity", "scope": "all"}


def ended(table: dict[str, Any]) -> Run:
    session = run(table, learning=lambda session: TorchLearning(session, threads=1))
    if session.failing:
        raise SystemExit(f"seed {table['seed']}: {session.failing}")
    return session


def band(values: Iterable[float], digits: int = 2) -> str:
    known = [round(value, digits) + 0.0 for value in values]  # no negative zero
    if not known:
        return "-"
    return f"{fmean(known):.{digits}f} ({min(known):.{digits}f} to {max(known):.{digits}f})"


def payoff(found: list[Account]) -> float:
    return 1000 * fmean(each.received_ether - each.sent_ether for each in found)


def denials(session: Run) -> tuple[int, int]:
    """Pairs of peers of which one denied income to the other: refusers, and honest peers."""
    policies = {entry.peer: entry.policy.value for entry in session.history.roster.values()}
    pairs = {(record.peer, fact.creator) for record, fact in session.history.facts(StandingChanged) if fact.denied}
    honest = sum(policies[creator] == "honest" for _, creator in pairs)
    return len(pairs) - honest, honest


def refusers(name: str, seeds: int) -> None:
    policy = "conceals-averages" if name == "conceal" else "refuses-to-pay"
    columns = (
        "refuse",
        "payoff of a refuser, mETH",
        "of the same peers if nobody refuses",
        "payoff of an honest peer, mETH",
    )
    print(f"| {' | '.join(columns)} | accuracy of honest peers | denied |")
    print("|---|---|---|---|---|---|")
    paying: dict[int, list[Account]] = {}  # by seed: the accounts if nobody refuses
    for count in range(0, PEERS - 1, 2):
        found: defaultdict[str, list[float]] = defaultdict(list)
        for seed in range(1, seeds + 1):
            groups = [{"count": count, "policy": policy}, {}] if count else [{}]
            session = ended(BASE | {"seed": seed, "groups": groups, "defence": DEFENCES[name]})
            peers = accounts(session.history)
            paying.setdefault(seed, peers)
            if count:
                found["same"].append(payoff(paying[seed][:count]))
                found["refuser"].append(payoff(peers[:count]))
            found["honest"].append(payoff(peers[count:]))
            found["accuracy"].append(fmean(each.test or 0.0 for each in peers[count:]))
            rightly, wrongly = denials(session)
            found["rightly"].append(rightly)
            found["wrongly"].append(wrongly)
        cells = [band(found["refuser"]), band(found["same"]), band(found["honest"]), band(found["accuracy"], 4)]
        wrong = fmean(found["wrongly"])
        cells.append(f"{fmean(found['rightly']):.1f}" + (f", and {wrong:.1f} honest" if wrong else ""))
        print(f"| {count / PEERS:.0%} | {' | '.join(cells)} |", flush=True)


def punished(seeds: int) -> None:
    print("| scenario | pairs denied | of them restored by the end | honest pairs |")
    print("|---|---|---|---|")
    for name in SCENARIOS:
        denied, left = [], []
        for seed in range(1, seeds + 1):
            changes = {"peers": PEERS, "evaluation_peers": 0, "data": {"rows": 1000}, "defence": SCENARIO_DEFENCE}
            session = ended(resolved(load(scenario_file(name), {"seed": seed})) | changes)
            last = {(record.peer, fact.creator): fact.denied for record, fact in session.history.facts(StandingChanged)}
            denied.append(float(len(last)))
            left.append(float(len(last) - sum(last.values())))
        print(f"| {name} | {band(denied, 1)} | {band(left, 1)} | {PEERS * (PEERS - 1)} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("experiment", choices=("refusers", "punished"))
    parser.add_argument("--defence", choices=DEFENCES, default="none")
    parser.add_argument("--seeds", type=int, default=10)
    options = parser.parse_args()
    if options.experiment == "refusers":
        refusers(options.defence, options.seeds)
    else:
        punished(options.seeds)


if __name__ == "__main__":
    main()
