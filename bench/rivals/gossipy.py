"""gossipy: its gossip simulator with push messages, merge and update.  Decentralised.

A node trains one pass when it starts and one for each model that it receives, on average one a round.  The number of
passes is therefore the same over all nodes and not for each node.  Nodes evaluate nothing.  Momentum lasts.
"""

import logging
from typing import Any

import torch
from bench.rivals.work import State, Work, copy_of, program
from gossipy import LOG, set_seed
from gossipy.core import AntiEntropyProtocol, CreateModelMode, StaticP2PNetwork
from gossipy.model import TorchModel
from gossipy.model.handler import TorchModelHandler
from gossipy.node import GossipNode
from gossipy.simul import GossipSimulator

ROUND = 100  # time steps, as in gossipy's examples


class Network(TorchModel):
    def __init__(self, work: Work) -> None:
        super().__init__()
        self.layers = work.network()

    def forward(self, rows: torch.Tensor) -> Any:
        return self.layers(rows)

    def init_weights(self) -> None:
        """The weights are those of the work."""


class NoData:
    """Nodes hold their rows; there is no common set to evaluate on."""

    def has_test(self) -> bool:
        return False


def train(work: Work) -> list[State]:
    LOG.setLevel(logging.ERROR)
    set_seed(work.settings.seed)
    chosen = work.settings
    handler = TorchModelHandler(
        Network(work),
        torch.optim.SGD,
        {"lr": chosen.learning_rate, "momentum": chosen.momentum},
        torch.nn.functional.cross_entropy,
        batch_size=chosen.batch,
        create_model_mode=CreateModelMode.MERGE_UPDATE,
    )
    network = StaticP2PNetwork(work.peers)
    rows = zip(work.features, work.labels, strict=True)
    nodes = {
        number: GossipNode(number, (pair, None), ROUND, handler.copy(), network) for number, pair in enumerate(rows)
    }
    simulator = GossipSimulator(nodes, NoData(), ROUND, AntiEntropyProtocol.PUSH)
    simulator.init_nodes()
    simulator.start(chosen.passes - 1)
    return [copy_of(node.model_handler.model.layers) for node in nodes.values()]


if __name__ == "__main__":
    program(train, "gossipy-dfl")
