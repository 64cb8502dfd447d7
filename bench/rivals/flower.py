"""Flower: federated averaging in its simulation runtime, one Ray actor per core.  Central.

The time includes Ray's start.  Each actor maps the rows from files once.  No round evaluates.
"""

import os
import sys
from functools import cache
from pathlib import Path

import torch
from bench.rivals.work import State, Work, program
from flwr.app import ArrayRecord, Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp
from flwr.serverapp import Grid, ServerApp
from flwr.serverapp.strategy import FedAvg
from flwr.simulation import run_simulation


@cache
def work_of(folder: str) -> Work:
    torch.set_num_threads(1)
    return Work.load(Path(folder))


def client_app(folder: str) -> ClientApp:
    app = ClientApp()

    @app.train()
    def train_one(message: Message, context: Context) -> Message:
        from bench.rivals.flower import work_of  # in the actor's own module, so that its cache lasts

        work = work_of(folder)
        network = work.network()
        network.load_state_dict(message.content["arrays"].to_torch_state_dict())
        work.train(network, int(context.node_config["partition-id"]), message.content["config"]["server-round"])
        metrics = MetricRecord({"num-examples": work.labels.shape[1]})
        return Message(RecordDict({"arrays": ArrayRecord(network.state_dict()), "metrics": metrics}), reply_to=message)

    return app


def train(work: Work) -> list[State]:
    final: list[State] = []
    server = ServerApp()

    @server.main()
    def run_rounds(grid: Grid, context: Context) -> None:
        strategy = FedAvg(fraction_evaluate=0.0, min_train_nodes=work.peers, min_available_nodes=work.peers)
        found = strategy.start(grid, ArrayRecord(work.initial), num_rounds=work.settings.passes)
        final.append(found.arrays.to_torch_state_dict())

    cores = os.cpu_count() or 1
    run_simulation(
        server,
        client_app(str(work.folder.resolve())),
        work.peers,
        backend_config={"client_resources": {"num_cpus": 1, "num_gpus": 0.0}, "init_args": {"num_cpus": cores}},
    )
    return final


if __name__ == "__main__":
    from bench.rivals.flower import train as imported  # so that Ray pickles by name and not this script

    program(imported, "flwr")
    sys.stdout.flush()
