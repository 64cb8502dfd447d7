"""Small sessions in the simulator, with models that are numbers: described, run, and asked about afterwards."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from learnae.analysis.checks import verdict
from learnae.backends.sim.simulation import Simulation
from learnae.protocol.decisions import Averaged, DebtState, WorkChanged, WorkState
from learnae.records.chain_export import Block, ChainRecord, chain_line
from learnae.records.history import Fact, History, Record
from learnae.records.outcome import EndedBy
from learnae.runtime.learning import Learning, MemoryLearning
from learnae.runtime.simulated_peer import SimulatedPeer
from learnae.runtime.simulator import Simulator
from learnae.session.roster import Keys
from learnae.session.session_file import parse
from learnae.session.settings import Session

Faults = Callable[[Simulator], None]

SMALL: dict[str, Any] = {"peers": 6, "data": {"rows": 1000}, "work": {"slices": 4, "patience": 5}}


def nothing(simulator: Simulator) -> None:
    pass


@dataclass
class Run:
    """A session that has ended."""

    simulation: Simulation
    ended_by: EndedBy
    records: list[Record]
    chain: list[ChainRecord]

    @cached_property
    def history(self) -> History:
        return History(tuple(self.records), tuple(self.chain))

    @cached_property
    def verdict(self) -> dict[str, Any]:
        return verdict(self.history)

    @cached_property
    def failing(self) -> list[str]:
        """Names of the checks that are not valid."""
        return [name for name, check in self.verdict["checks"].items() if check["result"] != "valid"]

    @property
    def lines(self) -> list[str]:
        return [record.line() for record in self.records]

    @property
    def chain_lines(self) -> list[str]:
        return [chain_line(record) for record in self.chain]

    def host(self, name: str) -> SimulatedPeer:
        return self.simulation.simulator.hosts[name]

    def wallet(self, name: str) -> str:
        return self.host(name).config.wallet

    def attempts(self, name: str) -> list[Averaged]:
        """Scored ones."""
        return [fact for record, fact in self.history.facts(Averaged) if record.peer == name]

    def payments(self) -> list[tuple[str, str, str, int]]:
        """What the chain says was paid: payer, payee, CID as calldata, wei."""
        return sorted(transfers(self.chain))

    def received(self, name: str) -> int:
        """Wei that others sent for this peer's models."""
        return sum(wei for _, payee, _, wei in self.payments() if payee == self.host(name).config.payout)

    def debt_states(self, name: str) -> list[DebtState]:
        return [changes[-1][1].state for (payer, _), changes in self.history.debts.items() if payer == name]


def transfers(chain: Iterable[ChainRecord]) -> Iterable[tuple[str, str, str, int]]:
    for block in chain:
        for each in block.transactions if isinstance(block, Block) else ():
            if each.to is not None and each.succeeded:
                yield each.sender, each.to, bytes.fromhex(each.data[2:]).decode(), each.wei


def run(
    table: dict[str, Any],
    faults: Faults = nothing,
    journals: bool | None = None,
    learning: Callable[[Session], Learning] = MemoryLearning,
    keys: Keys | None = None,
) -> Run:
    """Run a session; ``faults`` schedules what shall go wrong in it.  ``keys``: public ids, not of the simulator."""
    session, records = parse(table), list[Record]()

    def observe(now: float, peer: str, item: Fact) -> None:
        records.append(Record(now, peer, item))

    simulation = Simulation(session, learning(session), [observe], journals, keys=keys)
    faults(simulation.simulator)
    ended_by = simulation.run()
    return Run(simulation, ended_by, records, simulation.ledger.export())


def groups(*groups: dict[str, Any]) -> dict[str, Any]:
    return {"groups": list(groups)}


def small(*members: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return SMALL | changes | (groups(*members) if members else {})


def first(run: Run, name: str, kind: type) -> float:
    return next(record.t for record in run.records if record.peer == name and isinstance(record.fact, kind))


def finished(run: Run, *names: str) -> bool:
    """Whether these, or all, came to their end."""
    ends = {record.peer: fact.work for record, fact in run.history.facts(WorkChanged)}
    return all(ends.get(name) is WorkState.DONE for name in names or run.history.roster)
