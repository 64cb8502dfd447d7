"""One peer's rows in a file of their own, so that where it runs there is nobody else's.

Standardised as the session has them, so that a peer computes from its file what it would from the whole table.
"""

from pathlib import Path

import numpy as np
import torch

from learnae.errors import InputError
from learnae.learn.datasets.dataset import Dataset
from learnae.learn.datasets.partition import PeerRows


def save(path: Path, table: Dataset, rows: PeerRows) -> None:
    """What ``rows`` names in the table, training rows first."""
    held = torch.cat([rows.train, rows.validation])
    np.savez(
        path,
        features=table.features[held].float().numpy(),
        labels=table.labels[held].numpy(),
        trained=np.int64(len(rows.train)),
        classes=np.int64(table.classes),
        mean=np.array(table.mean),
        std=np.array(table.std),
    )


def load(path: Path) -> tuple[Dataset, PeerRows]:
    """Raises InputError."""
    try:
        with np.load(path, allow_pickle=False) as file:
            found = {name: file[name] for name in file.files}
        table = Dataset(
            features=torch.from_numpy(found["features"]),
            labels=torch.from_numpy(found["labels"]),
            mean=tuple(found["mean"].tolist()),
            std=tuple(found["std"].tolist()),
            classes=int(found["classes"]),
        )
        trained = int(found["trained"])
    except (OSError, ValueError, KeyError) as error:
        raise InputError(f"{path.name} cannot be read as a peer's rows ({error}): render the swarm again") from None
    return table, PeerRows(torch.arange(trained), torch.arange(trained, len(table)))
