"""What members of a fee pool gain that report for each other instead of what they owe.

    python -m bench.collusion [--seeds 10] [--into docs/explanation/incentives.md]

Ten honest peers of the simulator with ``kind = "profiles"``.  A report changes nothing but the split, so each session
is run once, and its pool is split again with other reports of the first peers, the ring:

- fee for fee: each member reports its whole fee for the next one, and nothing for others.
- twice the debt: each member reports for the next one twice what it owes, as far as its fee reaches, and for others
  what it owes.

Payoff is income less the fee, in mETH: the mean of the ring's members, and of the other peers.  Gain and loss are what
the reports of the ring change.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from itertools import product
from statistics import fmean

from bench.reciprocity import BASE, PEERS, ended
from bench.tables import DEFENCES, band, options, publish

from learnae.analysis.fee_pool import WHOLE, Replayed, pool_calls
from learnae.protocol.types import ETHER, Address
from learnae.records.history import History

SIZES = (2, 3, 5)
Report = Mapping[Address, int]  # shares by payee


def pays_next(report: Report, accomplice: Address) -> Report:
    return {accomplice: WHOLE}


def doubles(report: Report, accomplice: Address) -> Report:
    """Nothing is taken from others."""
    own = report.get(accomplice, 0)
    return {**report, accomplice: own + min(own, WHOLE - sum(report.values()))}


RINGS: dict[str, Callable[[Report, Address], Report]] = {"fee for fee": pays_next, "twice the debt": doubles}


def pool_of(history: History) -> Replayed:
    """With the members and reports of a session."""
    assert history.began
    pool = Replayed(history.began.session.defence.fee_wei, PEERS, history.began.session.defence.window)
    for call in pool_calls(history):
        if call.kind == "deposit" and call.succeeds:
            pool.members.append(Address(call.transaction.sender.lower()))
        if call.kind == "report" and call.succeeds:
            pool.rows[Address(call.transaction.sender.lower())] = dict(call.shares)
    return pool


def payoffs(pool: Replayed, members: Sequence[Address]) -> float:
    """Mean, in mETH."""
    return 1000 * fmean((pool.income(member) - pool.fee) / ETHER for member in members)


def with_ring(pool: Replayed, ring: Sequence[Address], changed: Callable[[Report, Address], Report]) -> Replayed:
    other = deepcopy(pool)
    for member, accomplice in zip(ring, (*ring[1:], ring[0]), strict=True):
        other.rows[member] = dict(changed(pool.rows.get(member, {}), accomplice))
    return other


def rows(seeds: Iterable[int]) -> Iterator[str]:
    yield "| ring of | each reports | payoff of a member, mETH | its gain | payoff of another peer, mETH | its loss |"
    yield "|---|---|---|---|---|---|"
    pools = [pool_of(ended(BASE | DEFENCES["profiles"] | {"seed": seed}).history) for seed in seeds]
    for size, (name, changed) in product(SIZES, RINGS.items()):
        columns: list[list[float]] = [[], [], [], []]
        for pool in pools:
            # the order of the members is that of their deposits, not of the session's peers
            ring, others = pool.members[:size], pool.members[size:]
            after = with_ring(pool, ring, changed)
            inside, outside = payoffs(after, ring), payoffs(after, others)
            values = inside, inside - payoffs(pool, ring), outside, payoffs(pool, others) - outside
            for column, value in zip(columns, values, strict=True):
                column.append(value)
        yield f"| {size} | {name} | {' | '.join(map(band, columns))} |"


def main() -> None:
    given = options(__doc__).parse_args()
    publish(rows(range(1, given.seeds + 1)), "collusion", given.into)


if __name__ == "__main__":
    main()
