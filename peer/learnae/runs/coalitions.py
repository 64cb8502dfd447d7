"""The values of coalitions: the same session and seed, simulated with some of its peers only.

Worker processes simulate; each value is appended to a file, so that an interrupted command continues where it stopped.
"""

import asyncio
import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from learnae.analysis.money import flows_by_peer
from learnae.analysis.shapley import Coalition
from learnae.errors import InputError
from learnae.messages.foreign_json import from_json
from learnae.plugins import Source, add
from learnae.records.chain_export import ChainRecord, gas_by_wallet
from learnae.records.history import Evaluated, History
from learnae.runs.executors import ignore_interrupts, workers
from learnae.runs.provenance import result_key
from learnae.session.plugin_files import sources
from learnae.session.settings import Session

if TYPE_CHECKING:
    from learnae.runtime.torch_learning import TorchLearning

VALUES = "coalitions.jsonl"


@dataclass(frozen=True)
class CoalitionResult:
    """What a coalition reached.  ``accuracy``: test accuracy of each member's last model.

    ``public``: test accuracy of the mean of these models.  The empty coalition has one model under the name "".
    ``earned`` and ``spent``: ETH per member, without gas.  ``gas``: per member.
    """

    accuracy: Mapping[str, float]
    public: float
    earned: Mapping[str, float]
    spent: Mapping[str, float]
    gas: Mapping[str, int]

    @property
    def mean(self) -> float:
        return sum(self.accuracy.values()) / len(self.accuracy)


class Coalitions:
    """Results by coalition, kept in ``folder``.  Raises InputError if the folder has those of something else.

    async with Coalitions(session, folder, jobs=2) as game:
        result = await game.result(frozenset({"p00", "p03"}))
    """

    def __init__(self, session: Session, folder: Path, jobs: int) -> None:
        self._session, self._path = session, folder / VALUES
        self.results: dict[Coalition, CoalitionResult] = {}
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._load(result_key(session))
        except OSError as error:
            raise InputError(f"{folder}: {error.strerror}: choose another --out") from None
        self._workers = workers(jobs, "valuation", "coalitions", _start, sources(session))
        self._running: dict[Coalition, asyncio.Task[CoalitionResult]] = {}

    async def __aenter__(self) -> "Coalitions":
        self._executor = self._workers.__enter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._workers.__exit__(kind, error, traceback)

    async def result(self, coalition: Coalition) -> CoalitionResult:
        """Simulate the coalition, unless that is done or under way."""
        if coalition in self.results:
            return self.results[coalition]
        if coalition not in self._running:
            self._running[coalition] = asyncio.ensure_future(self._simulate(coalition))
        return await self._running[coalition]

    async def _simulate(self, coalition: Coalition) -> CoalitionResult:
        result = await asyncio.get_running_loop().run_in_executor(self._executor, _simulate, self._session, coalition)
        self._keep(coalition, result)
        return result

    def _load(self, key: str) -> None:
        heading = json.dumps({"key": key})
        if not self._path.exists():
            self._path.write_text(heading, encoding="utf-8")
        first, *lines = self._path.read_text(encoding="utf-8").split("\n")
        if first != heading:
            raise InputError(
                f"{self._path} has values of another session, data or program: choose another --out or remove it"
            )
        for line in lines:
            with suppress(ValueError):  # a line is incomplete if the command was killed while it wrote
                value = from_json(line)
                members = frozenset(value.pop("members"))
                self.results[members] = CoalitionResult(**value)

    def _keep(self, coalition: Coalition, result: CoalitionResult) -> None:
        self.results[coalition] = result
        with self._path.open("a", encoding="utf-8") as file:  # after an incomplete line, too
            file.write("\n" + json.dumps({"members": sorted(coalition), **asdict(result)}))


def _start(plugins: Sequence[Source]) -> None:
    ignore_interrupts()
    add(plugins)


@cache
def _learning(session: Session) -> "TorchLearning":
    from learnae.runtime.torch_learning import TorchLearning

    return TorchLearning(session, 1)


def _simulate(session: Session, coalition: Coalition) -> CoalitionResult:
    return simulate_coalition(_learning(session), coalition)


def simulate_coalition(learning: "TorchLearning", coalition: Coalition) -> CoalitionResult:
    """What these peers reach together.  A member that never gets a model has the initial weights.

    Nobody, the empty coalition, has the initial weights of the first peer.
    """
    from learnae.backends.sim.simulation import MemoryHistory, Simulation
    from learnae.learn.evaluation import Evaluator
    from learnae.runtime.memory_session import MemorySession, memory_keys

    session, recording, chain = learning.session, MemoryHistory(), list[ChainRecord]()
    if coalition:
        simulation = Simulation(session, learning, [recording.observe], journals=False, present=coalition)
        simulation.run()
        setup, chain = simulation.setup, simulation.ledger.export()
    else:
        setup = MemorySession(session, learning, memory_keys(session))
    last = {member.name: setup.initial_cid(member) for member in setup.members if member.name in coalition}
    history = History(tuple(recording.records), tuple(chain))
    last |= {record.peer: fact.cid for record, fact in history.facts(Evaluated)}
    used = gas_by_wallet(chain)
    models = list(last.values()) or [setup.initial_cid(setup.members[0])]
    evaluator, test = Evaluator(learning.pool, learning.table, session, setup.swarm.blocks), learning.split.test
    scores = [score.accuracy for score in evaluator.accuracy([(cid, test) for cid in models])]
    sent, received = flows_by_peer(history)
    mean = evaluator.accuracy_of_mean(models, test).accuracy
    setup.swarm.blocks.clear()  # of large models, before Python finds that nobody uses the simulation
    return CoalitionResult(
        dict(zip(last or [""], scores, strict=True)),
        mean,
        {name: sum(flow.ether for flow in received[name]) for name in last},
        {name: sum(flow.ether for flow in sent[name]) for name in last},
        {member.name: used[member.wallet] for member in setup.members if member.name in last},
    )
