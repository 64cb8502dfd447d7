"""pfl: federated averaging on its simulated backend, in one process.  Central.

Rows keep their order in every pass, because pfl keeps a user's batches.  The first round evaluates on all users.
"""

import numpy as np
import torch
from bench.rivals.work import State, Work, copy_of, program
from pfl.aggregate.simulate import SimulatedBackend
from pfl.algorithm.base import NNAlgorithmParams
from pfl.algorithm.federated_averaging import FederatedAveraging
from pfl.data.dataset import Dataset
from pfl.data.federated_dataset import FederatedDataset
from pfl.data.sampling import get_user_sampler
from pfl.hyperparam import NNEvalHyperParams, NNTrainHyperParams
from pfl.metrics import Weighted
from pfl.model.pytorch import PyTorchModel
from torch import Tensor, nn


class Network(nn.Module):
    def __init__(self, work: Work) -> None:
        super().__init__()
        self.layers = work.network()

    def loss(self, rows: Tensor, labels: Tensor) -> Tensor:
        self.train()
        return nn.functional.cross_entropy(self.layers(rows), labels)

    def metrics(self, rows: Tensor, labels: Tensor) -> dict[str, Weighted]:
        self.eval()
        return {"loss": Weighted(nn.functional.cross_entropy(self.layers(rows), labels).item(), len(labels))}


def train(work: Work) -> list[State]:
    chosen = work.settings
    network = Network(work)
    users = [Dataset([rows, labels]) for rows, labels in zip(work.features, work.labels, strict=True)]
    data = FederatedDataset(lambda user: users[user], get_user_sampler("minimize_reuse", list(range(work.peers))))
    model = PyTorchModel(
        network,
        lambda parameters, lr: torch.optim.SGD(parameters, lr, chosen.momentum),
        torch.optim.SGD(network.parameters(), 1.0),
    )
    FederatedAveraging().run(
        NNAlgorithmParams(
            central_num_iterations=chosen.passes,
            evaluation_frequency=chosen.passes,
            train_cohort_size=work.peers,
            val_cohort_size=0,
        ),
        SimulatedBackend(data, data),
        model,
        NNTrainHyperParams(local_num_epochs=1, local_learning_rate=chosen.learning_rate, local_batch_size=chosen.batch),
        NNEvalHyperParams(local_batch_size=None),
        callbacks=[],
    )
    return [copy_of(network.layers)]


if __name__ == "__main__":
    np.random.seed(1)  # noqa: TID251  # pfl draws from NumPy's global state
    program(train, "pfl")
