"""Which models a similarity test refuses: honest ones, and what attackers make of the models of others.

    python -m bench.similarity [--seeds 10] [--into docs/explanation/incentives.md]

In the sessions of ``bench.attacks`` without a defence, each honest peer compares the models that it averages with to
those of other creators that it had verified or made before, by the share of equal predictions on its own validation
rows (``learn.similarity``); averages, too, as if it did not have their parents.  The table has, by kind of model, the
share that a threshold refuses, and the area under the ROC curve against honest trained models (0.5: chance); mean, and
range over the seeds.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

from bench.attacks import ATTACKS, BASE
from bench.tables import KeptResults, band, learning, options, publish

from learnae.backends.sim.simulation import MemoryHistory, Simulation
from learnae.protocol.decisions import Averaged, Published, Trained
from learnae.protocol.publication import REMEMBERED
from learnae.protocol.types import Cid, PeerId
from learnae.records.history import History
from learnae.session.session_file import parse
from learnae.session.settings import Session

HONEST = "honest profiteers"
FORGED = (
    "perturbed copies",
    "average laundering",
    "validation picking",
    "delta weights",
    "delta weights and noise",
    "trainer with 5 sybils",
)
THRESHOLDS = (0.97, 0.98, 0.99, 0.995)

Shares = dict[str, list[float]]  # by kind of model: its share of equal predictions with the nearest earlier one


def shares(session: Session, attack: str) -> Shares:
    learned, recording = learning(session), MemoryHistory()
    simulation = Simulation(session, learned, [recording.observe], journals=False)
    simulation.run()
    history, members = History(tuple(recording.records)), simulation.setup.members
    blocks = simulation.setup.swarm.blocks
    averages = {fact.cid for _, fact in history.facts(Published) if fact.parents}
    attackers = {member.peer for member in members[: session.groups[0].count]}
    tests = {member.name: learned.similarity(index, blocks) for index, member in enumerate(members)}
    own = {member.name: member.peer for member in members}
    seen: dict[str, dict[Cid, PeerId]] = defaultdict(dict)
    found: Shares = defaultdict(list)
    for record in history.of(Trained, Averaged):
        name, fact = record.peer, record.fact
        known = seen[name]
        if isinstance(fact, Averaged):
            earlier = tuple(cid for cid, creator in known.items() if creator != fact.creator)[-REMEMBERED:]
            if own[name] not in attackers and fact.remote_cid not in known:
                kind = "average" if fact.remote_cid in averages else "trained"
                if attack != HONEST and fact.creator in attackers:
                    kind = attack
                nearest = tests[name].nearest(fact.remote_cid, earlier)
                found[kind].append(nearest.equal.accuracy if nearest else 0.0)
            known.setdefault(fact.remote_cid, fact.creator)
        if isinstance(fact, Trained) or (isinstance(fact, Averaged) and fact.adopted):
            known[fact.cid] = own[name]
    return dict(found)


def area(forged: Sequence[float], honest: Sequence[float]) -> float:
    """The chance that a forged model is more similar to an earlier one than an honest model is; ties count half."""
    wins = sum((one > other) + (one == other) / 2 for one in forged for other in honest)
    return wins / (len(forged) * len(honest))


def by_seed(seed: int, results: KeptResults) -> Shares:
    """Honest models are those of the session without an attack."""
    merged: Shares = {}
    for attack in (HONEST, *FORGED):
        session = parse(BASE | {"seed": seed, "groups": [ATTACKS[attack], {}]})
        kept: dict[str, Any] = results.get(session, "similarity", partial(shares, session, attack))
        merged |= {kind: values for kind, values in kept.items() if attack == HONEST or kind == attack}
    return merged


def rows(seeds: int, results: KeptResults) -> Iterator[str]:
    found = [by_seed(seed, results) for seed in range(1, seeds + 1)]
    yield f"| model | compared | {' | '.join(f'refused at {each}' for each in THRESHOLDS)} | area under ROC |"
    yield f"|---|---|{'---|' * len(THRESHOLDS)}---|"
    for kind in ("trained", "average", *FORGED):
        known = [(each[kind], each["trained"]) for each in found if each.get(kind)]
        cells = [band((sum(value >= limit for value in own) / len(own) for own, _ in known)) for limit in THRESHOLDS]
        areas = band(area(own, honest) for own, honest in known) if kind in FORGED else "-"
        yield f"| {kind} | {sum(len(own) for own, _ in known)} | {' | '.join(cells)} | {areas} |"


def main() -> None:
    given = options(__doc__, "build/similarity.jsonl").parse_args()
    publish(rows(given.seeds, KeptResults(given.out)), "similarity", given.into)


if __name__ == "__main__":
    main()
