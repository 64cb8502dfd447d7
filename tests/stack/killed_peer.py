"""``learnae peer`` that kills itself just before or just after calls of its ports, once for each point in a file.

    python -m tests.stack.killed_peer POINTS CALLS SESSION.toml --name p00 ...

POINTS has a line for each point left, such as ``before chain.broadcast`` or ``after journal.append ModelReceived``.  A
life ends with SIGKILL at the first of them that it comes to; the line is gone; another life begins at once.  They are
forked from one process that has imported everything and done nothing else, so that a life begins in milliseconds.
A line that is a number kills its life as soon as that has printed so many decisions, whatever it is doing.  Whatever is
called goes into CALLS.  Models are numbers: there is no torch here.

The node does not answer the first question of a life for a receipt, so that a request fails.
"""

import ctypes
import inspect
import os
import signal
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterable
from concurrent.futures import Future
from dataclasses import replace
from functools import wraps
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, get_args

from learnae import ports
from learnae.adapters.memory import MemoryTrainer
from learnae.cli.app import main
from learnae.errors import PortError, Reason
from learnae.lazy_future import lazy
from learnae.messages.pool_calls import DEPOSIT, REPORT, WITHDRAW
from learnae.protocol.blockchain import POOL as POOL_ADDRESS
from learnae.protocol.blockchain import Signed
from learnae.protocol.events import Event
from learnae.protocol.types import Cid, PeerId
from learnae.runtime.learning import Blocks, MemoryLearning
from learnae.runtime.live import LivePeer

PORTS: dict[str, type] = {
    "store": ports.Store,
    "key": ports.IdentityKey,
    "chain": ports.Chain,
    "trainer": ports.Trainer,
    "gossip": ports.Gossip,
    "journal": ports.Journal,
}
ROWS = ["trainer.pack", *(f"journal.append {event}" for event in ("RowsPacked", "RowsSigned", "RowsReceived"))]
SIGNED = ("chain.broadcast", "journal.append TransactionSigned")  # calls with a signed transaction, of any purpose
SELECTORS = {"Deposit": DEPOSIT, "Report": REPORT, "Withdrawal": WITHDRAW}  # calls of the fee pool
POOL = [  # of a session with a fee pool, beside all others
    "chain.pool",
    "journal.append PoolRead",
    *(f"{call} {purpose}" for call in ("chain.sign_call", *SIGNED) for purpose in SELECTORS),
]
UNUSED = {  # by an honest peer of a private session without a fee pool, whose plug-ins do not fail
    "trainer.forge",
    "journal.append ModelForged",
    "chain.pool",
    "chain.sign_call",
    "journal.append PoolRead",
    *ROWS,
}
STUCK = 3.0  # s; a peer lingers for longer
DIES_WITH_PARENT = 1  # prctl's PR_SET_PDEATHSIG


def methods(port: type) -> list[str]:
    return [name for name, each in vars(port).items() if inspect.isfunction(each) and not name.startswith("_")]


def calls() -> list[str]:
    """Every call that there is: each method of each port, and ``journal.append`` of each kind of event."""
    found = [f"{name}.{method}" for name, port in PORTS.items() for method in methods(port)]
    found += [f"journal.append {event.__name__}" for event in get_args(Event)]
    once = [each for each in found if each not in ("journal.append", *UNUSED, *SIGNED)]
    return once + [f"{call} {purpose}" for call in SIGNED for purpose in ("deployment", "payment")]


def named(port: str, method: str, argument: object) -> str:
    kind = f" {type(argument).__name__}" if method in ("append", "sign_call") else ""
    signed = getattr(argument, "signed", argument)
    purpose = f" {purpose_of(signed)}" if isinstance(signed, Signed) else ""
    return f"{port}.{method}{kind}{purpose}"


def purpose_of(signed: Signed) -> str:
    if signed.nonce == 0:
        return "deployment"
    to_pool = (
        name for name, selector in SELECTORS.items() if POOL_ADDRESS[2:] in signed.raw and selector.hex() in signed.raw
    )
    return next(to_pool, "payment")


def points(target: str) -> list[str]:
    return around(call for call in calls() if call.startswith(target))


def around(calls: Iterable[str]) -> list[str]:
    return [f"{when} {call}" for call in calls for when in ("before", "after")]


class Lines:
    """A file of lines that outlive whoever writes them."""

    def __init__(self, path: Path) -> None:
        self.path, self.lines = path, path.read_text().splitlines()

    def write(self, lines: list[str]) -> None:
        self.lines = lines
        self.path.write_text("".join(f"{line}\n" for line in lines))


class Fate:
    def __init__(self, left: Lines, called: Lines) -> None:
        self._left, self._called, self._asked = left, called, False

    def reach(self, when: str, call: str) -> None:
        if call not in self._called.lines:
            self._called.write([*self._called.lines, call])
        point, left = f"{when} {call}", self._left.lines
        if point in left and point in (self._made_again() or left):
            self._left.write([each for each in left if each != point])
            os.kill(os.getpid(), signal.SIGKILL)

    def _made_again(self) -> list[str]:
        """Points after a broadcast before which the last life ended.

        No other point ends this life, or the transaction would be on its way, and would never be broadcast again.
        """
        signed = [call for call in (*calls(), *POOL) if call.startswith("chain.broadcast")]
        left = self._left.lines
        return [f"after {call}" for call in signed if f"after {call}" in left and f"before {call}" not in left]

    def fail(self, call: str) -> None:
        if call == "chain.receipt" and not self._asked:
            self._asked = True
            raise PortError(Reason.TIMEOUT, call)


class Watched:
    """A port whose calls are watched."""

    def __init__(self, name: str, port: Any, fate: Fate) -> None:
        self._name, self._port, self._fate = name, port, fate

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._port, name)
        return self._watched(name, found) if name in methods(PORTS[self._name]) else found

    def _watched(self, name: str, method: Callable[..., Any]) -> Callable[..., Any]:
        def called(*arguments: Any) -> str:
            return named(self._name, name, next(iter(arguments), None))

        @wraps(method)
        async def awaited(*arguments: Any, **options: Any) -> Any:
            self._fate.reach("before", called(*arguments))
            self._fate.fail(called(*arguments))
            answer = await method(*arguments, **options)
            self._fate.reach("after", called(*arguments))
            return answer

        @wraps(method)
        def plain(*arguments: Any, **options: Any) -> Any:
            self._fate.reach("before", called(*arguments))
            answer = method(*arguments, **options)
            if isinstance(answer, AsyncIterator):
                return self._heard(answer)
            if self._name == "trainer":
                return lazy(lambda: self._ended(answer, called(*arguments)))
            self._fate.reach("after", called(*arguments))
            return answer

        return awaited if inspect.iscoroutinefunction(method) else plain

    def _ended(self, job: Future[Any], call: str) -> Any:
        """The call has ended when there is a result."""
        result = job.result()
        self._fate.reach("after", call)
        return result

    async def _heard(self, told: AsyncIterator[Any]) -> AsyncIterator[Any]:
        async for each in told:
            self._fate.reach("after", f"{self._name}.subscribe")
            yield each


class Company:
    """Keeps a neighbour company: a slow machine takes long for lives, and whoever has no news of models pays nothing.

    The first of its slices begins at once; each other when its part of the neighbour's points is reached, or when the
    neighbour has reached no more for ``STUCK`` seconds: it may need the next model.
    """

    def __init__(self, left: Path, slices: int) -> None:
        self._left, self._slices, self._begun, self._all = left, slices, 0, len(Lines(left).lines)

    def wait(self) -> None:
        share = 1 - self._begun / self._slices
        while len(Lines(self._left).lines) > self._all * share and time.time() - self._left.stat().st_mtime < STUCK:
            threading.Event().wait(0.05)
        self._begun += 1


class SteadyTrainer(MemoryTrainer):
    """Learns slowly and averages well, so that there is something to pay for all along."""

    company: Company

    def train(
        self, base: Cid, slice: int, visit: int, step: int, rows: Cid | None = None, earlier: tuple[Cid, ...] = ()
    ) -> Future[Any]:
        job = super().train(base, slice, visit + 30, step, rows, earlier)

        def trained() -> Any:
            self.company.wait()
            return job.result()

        return lazy(trained)

    def _draw(self, *what: object) -> int:
        return min(int(str(what[-1])) - 1, super()._draw(*what) + 15)


class SteadyLearning(MemoryLearning):
    neighbour: Path

    def trainer(self, index: int, peer: PeerId, session_id: Cid, blocks: Blocks) -> SteadyTrainer:
        trainer = SteadyTrainer(blocks, peer, str(self.session.seed))
        trainer.company = Company(self.neighbour, self.session.work.slices)
        return trainer


def live(left: Path, called: Path, arguments: list[str]) -> None:
    """One life.  The command knows nothing of it."""
    ctypes.CDLL(None).prctl(DIES_WITH_PARENT, signal.SIGKILL)
    fate = Fate(Lines(left), Lines(called))
    begin = LivePeer.__post_init__

    def watched(self: LivePeer) -> None:
        inside: Any = {
            name: Watched(name, getattr(self.ports, name), fate) for name in ("store", "key", "chain", "trainer")
        }
        self.ports = replace(self.ports, **inside)
        self.gossip, self.journal = Watched("gossip", self.gossip, fate), Watched("journal", self.journal, fate)
        begin(self)

    LivePeer.__post_init__ = watched  # type: ignore[method-assign]
    torch = ModuleType("learnae.runtime.torch_learning")
    SteadyLearning.neighbour = left.with_name("p01.left" if left.name == "p00.left" else "p00.left")
    torch.TorchLearning = lambda session, threads: SteadyLearning(session)  # type: ignore[attr-defined]
    sys.modules[torch.__name__] = torch
    sys.argv[1:] = ["peer", *arguments]
    main()


def lives(left: Path, called: Path, arguments: list[str]) -> int:
    """One after the other; the exit code of the one that was not killed."""
    while True:
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            os.dup2(writer, sys.stdout.fileno())
            live(left, called, arguments)
        os.close(writer)
        follow(child, reader, Lines(left))
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        if code != -signal.SIGKILL:
            return code


def follow(child: int, reader: int, left: Lines) -> None:
    """Print what it prints; kill it if that is enough."""
    enough = next((line for line in left.lines if line.isdigit()), "0")
    with open(reader) as printed:
        for number, line in enumerate(printed, start=1):
            print(line, end="", flush=True)
            if number == int(enough):
                os.kill(child, signal.SIGKILL)
                left.write(left.lines[1:])


if __name__ == "__main__":
    for module in ("learnae.cli.peer", "learnae.runtime.live_process"):  # what the command would import
        import_module(module)
    sys.exit(lives(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:]))
