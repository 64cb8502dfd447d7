"""One peer's rows in a file of their own, so that the machine of a peer holds no other peer's rows.

Standardised like the session's dataset, so that a peer computes the same from its file as from the whole dataset.
"""

import json
import secrets
from pathlib import Path

import numpy as np
import torch

from learnae.errors import InputError
from learnae.learn.datasets.dataset import UNREADABLE, Dataset, PeerRows
from learnae.learn.datasets.labels import label_of
from learnae.messages.foreign_json import from_json


def save(path: Path, dataset: Dataset, rows: PeerRows) -> None:
    """Write the rows of one peer, training rows first, and the salt of its commitment to the others."""
    held = torch.cat([rows.train, rows.validation])
    np.savez(
        path,
        features=dataset.features[held].float().numpy(),
        labels=dataset.labels[held].numpy(),
        trained=np.int64(len(rows.train)),
        row_shape=np.array(dataset.row_shape, np.int64),
        statistics=np.array(json.dumps(dataset.statistics)),
        data_sha256=np.array(dataset.sha256),
        salt=np.array(secrets.token_hex(16)),
    )


def load(path: Path) -> tuple[Dataset, PeerRows]:
    """Read one peer's rows.  Raises InputError."""
    try:
        with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        statistics = from_json(str(arrays["statistics"]))
        dataset = Dataset(
            features=torch.from_numpy(arrays["features"]),
            labels=torch.from_numpy(arrays["labels"]),
            mean=tuple(statistics["mean"]),
            std=tuple(statistics["std"]),
            label=label_of(statistics),
            row_shape=tuple(arrays["row_shape"].tolist()),
            encoding=tuple(statistics.get("encoding", ())),
            sha256=str(arrays["data_sha256"]),
        )
        trained = int(arrays["trained"])
    except UNREADABLE as error:
        raise InputError(f"{path.name} cannot be read as a peer's rows ({error}): render the swarm again") from None
    return dataset, PeerRows(torch.arange(trained), torch.arange(trained, len(dataset)))
