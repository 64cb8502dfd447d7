"""BlazeFL: federated averaging, one process per core, results in shared memory.  Central.

That is its fast mode for an interpreter with a global lock.  Its pool of processes is made anew each round.
"""

import os
import threading
from dataclasses import dataclass
from pathlib import Path

import torch
from bench.rivals.work import State, Work, copy_of, program
from blazefl.core import IPCMode, ProcessPoolClientTrainer, SHMHandle, deserialize_model, serialize_model
from torch import Tensor, multiprocessing

WORK: list[Work] = []  # the worker processes are forked and find it here


@dataclass
class Uplink:
    model: Tensor | SHMHandle


@dataclass
class Downlink:
    model: Tensor
    number: int  # of the pass


class Trainer(ProcessPoolClientTrainer[Uplink, Downlink, int]):
    def __init__(self, size: int) -> None:
        self.size = size
        self.num_parallels = os.cpu_count() or 1
        self.share_dir = Path()
        self.device, self.device_count = "cpu", 0
        self.ipc_mode = IPCMode.SHARED_MEMORY
        self.cache: list[Uplink] = []
        self.stop_event = threading.Event()
        self.manager = multiprocessing.Manager()
        self.stop_event = self.manager.Event()

    def get_client_config(self, cid: int) -> int:
        return cid

    def prepare_uplink_package_buffer(self) -> Uplink:
        return Uplink(torch.zeros(self.size))

    @staticmethod
    def worker(
        config: int, payload: Downlink, device: str, stop_event: threading.Event, *, shm_buffer: Uplink | None = None
    ) -> Uplink:
        torch.set_num_threads(1)
        network = WORK[0].network()
        deserialize_model(network, payload.model)
        WORK[0].train(network, config, payload.number)
        assert shm_buffer and isinstance(shm_buffer.model, Tensor)
        shm_buffer.model.copy_(serialize_model(network))
        return Uplink(SHMHandle())


def train(work: Work) -> list[State]:
    WORK.append(work)
    network = work.network()
    model = serialize_model(network)
    trainer = Trainer(len(model))
    for number in range(work.settings.passes):
        trainer.cache = []
        trainer.local_process(Downlink(model, number), list(range(work.peers)))
        model = torch.stack([package.model for package in trainer.cache if isinstance(package.model, Tensor)]).mean(0)
    deserialize_model(network, model)
    return [copy_of(network)]


if __name__ == "__main__":
    program(train, "blazefl")
