"""What attacks bring and cost, without and with each defence.

    python -m bench.attacks [--seeds 10] [--only NAME] [--into docs/explanation/incentives.md]

Ten peers of the simulator, of which some attack.  Each session is simulated with all peers and, with the same rows and
speeds, with the honest ones alone and no defence.  ``--out`` keeps the results, and the same command continues.
A defence that changes none of the cells has no row.  Columns:

- income: what an attacker receives, in multiples of what an honest peer receives.  Of a trainer with sybils: of all.
- spent: what an attacker spends on models, in the same unit.
- lost: what an honest peer spends more than it receives, in mETH, without gas.  Among honest peers alone this is 0.
- accuracy: test accuracy of the honest peers less what they reach alone, in points.
- gas: of an attacker, in thousands.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import fmean
from typing import Any

from bench.tables import AGAINST_COPIES, DEFENCES, KeptResults, band, learning, options, publish

from learnae.runs.coalitions import CoalitionResult, simulate_coalition
from learnae.session.roster import names
from learnae.session.session_file import parse

PEERS = 10
BASE: dict[str, Any] = {
    "peers": PEERS,
    "data": {"rows": 1500, "validation_rows": 500, "test_rows": 1000},
    "work": {"passes": 2},
    "evaluation_peers": 0,
}
CASES = DEFENCES | AGAINST_COPIES
NO_ROWS = {"has_rows": False}
COPYCAT = {"count": 2, "policy": "copycat"}
ATTACKS: dict[str, dict[str, Any]] = {
    "honest profiteers": {"count": 2} | NO_ROWS,
    "exact copies (front-running)": COPYCAT | NO_ROWS | {"forgery": "copy"},
    "perturbed copies": COPYCAT | NO_ROWS | {"forgery": "perturbed"},
    "average laundering": COPYCAT | NO_ROWS | {"forgery": "mean"},
    "validation picking": COPYCAT | NO_ROWS | {"forgery": "best-mix"},
    "delta weights": COPYCAT | NO_ROWS | {"forgery": "delta"},
    "delta weights and noise": COPYCAT | NO_ROWS | {"forgery": "noisy-delta"},
    "honest, then free-riding": {"count": 2, "policy": "sleeper", "forgery": "perturbed"},
    "trainer with 5 sybils": {"count": 5, "policy": "sybil", "leader": "p05"} | NO_ROWS,
    "under-reporting": {"count": 2, "policy": "under-reporter"},
    "refusing to pay": {"count": 2, "policy": "refuses-to-pay"},
}


@dataclass(frozen=True)
class Outcome:
    """Of one session."""

    income: float
    spent: float
    lost: float  # mETH
    accuracy: float  # percentage points
    gas: float

    @classmethod
    def of(cls, attack: Mapping[str, Any], together: CoalitionResult, alone: CoalitionResult) -> "Outcome":
        others = victims(together.earned, attack)
        unit = fmean(together.earned[name] for name in others)
        return cls(
            in_multiples(together.earned, attack),
            amount(together.spent, attack) / unit,
            1000 * fmean(together.spent[name] - together.earned[name] for name in others),
            100 * fmean(together.accuracy[name] - alone.accuracy[name] for name in others),
            fmean(list(together.gas.values())[: attack["count"]]) / 1000,
        )


def victims(peers: Iterable[str], attack: Mapping[str, Any]) -> list[str]:
    """Honest peers, who come after the attackers, and for whom nobody attacks."""
    return [name for name in list(peers)[attack["count"] :] if name != attack.get("leader")]


def amount(ether: Mapping[str, float], attack: Mapping[str, Any]) -> float:
    """Of an attacker; of a trainer with sybils, all together."""
    amounts = list(ether.values())[: attack["count"]]
    leader = attack.get("leader")
    return sum(amounts) + ether[leader] if leader else fmean(amounts)


def in_multiples(earned: Mapping[str, float], attack: Mapping[str, Any]) -> float:
    """What an attacker earns, in multiples of what an honest peer does.  Attackers are the first of the peers."""
    return amount(earned, attack) / fmean(earned[name] for name in victims(earned, attack))


def outcome(attack: str, defence: str, seed: int, results: KeptResults) -> Outcome:
    """With this attack; and the honest peers alone, without a defence, which is the same for several attacks."""
    group = ATTACKS[attack]
    absent = {name: value for name, value in group.items() if name in ("count", "has_rows")}

    def result(tables: dict[str, Any], attackers: dict[str, Any], members: Sequence[str]) -> CoalitionResult:
        session = parse(BASE | tables | {"seed": seed, "groups": [attackers, {}]})
        kept = results.get(
            session, " ".join(members), lambda: asdict(simulate_coalition(learning(session), frozenset(members)))
        )
        return CoalitionResult(**kept)

    known = names(PEERS)
    return Outcome.of(group, result(CASES[defence], group, known), result({}, absent, known[group["count"] :]))


def rows(attacks: Iterable[str], seeds: int, results: KeptResults) -> Iterator[str]:
    yield "| attack | defence | income | spent | lost, mETH | accuracy, points | gas, thousands |"
    yield "|---|---|---|---|---|---|---|"
    for attack in attacks:
        undefended = None
        for defence in CASES:
            found = [outcome(attack, defence, seed, results) for seed in range(1, seeds + 1)]
            cells = [
                band(each.income for each in found),
                band(each.spent for each in found),
                band((each.lost for each in found), 1),
                band((each.accuracy for each in found), 1),
                f"{fmean(each.gas for each in found):.0f}",
            ]
            undefended = undefended or cells
            if defence == "none" or cells != undefended:
                yield f"| {attack} | {defence} | {' | '.join(cells)} |"


def main() -> None:
    parser = options(__doc__, "build/attacks.jsonl")
    parser.add_argument("--only", choices=ATTACKS)
    given = parser.parse_args()
    attacks = [given.only] if given.only else ATTACKS
    publish(rows(attacks, given.seeds, KeptResults(given.out)), "attacks", given.into)


if __name__ == "__main__":
    main()
