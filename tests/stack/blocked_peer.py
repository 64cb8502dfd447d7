"""``learnae peer`` whose thread never comes back: from loading its rows, or from its first slice.

python -m tests.stack.blocked_peer (learn | train) SESSION.toml --name p00 ...

It prints a line of kind Blocked then.  Models are numbers: there is no torch here.
"""

import json
import sys
from threading import Event
from types import ModuleType
from typing import Any

from learnae.adapters.memory import MemoryTrainer
from learnae.cli.app import main
from learnae.protocol.types import Cid, PeerId
from learnae.runtime.learning import Blocks, MemoryLearning
from learnae.session.settings import Session


def block() -> None:
    print(json.dumps({"kind": "Blocked", "t": 0.0}), flush=True)
    Event().wait()


class Never:
    """A job without an end."""

    def result(self) -> Any:
        block()


class BlockedTrainer(MemoryTrainer):
    def train(
        self, base: Cid, slice: int, visit: int, step: int, rows: Cid | None = None, earlier: tuple[Cid, ...] = ()
    ) -> Any:
        return Never()


class BlockedLearning(MemoryLearning):
    def trainer(self, index: int, peer: PeerId, session_id: Cid, blocks: Blocks) -> BlockedTrainer:
        return BlockedTrainer(blocks, peer, str(self.session.seed))


def live(work: str, arguments: list[str]) -> None:
    def learning(session: Session, threads: int) -> BlockedLearning:
        if work == "learn":
            block()
        return BlockedLearning(session)

    torch = ModuleType("learnae.runtime.torch_learning")
    torch.TorchLearning = learning  # type: ignore[attr-defined]
    sys.modules[torch.__name__] = torch
    sys.argv[1:] = ["peer", *arguments]
    main()


if __name__ == "__main__":
    live(sys.argv[1], sys.argv[2:])
