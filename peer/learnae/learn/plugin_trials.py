"""Computes an own loss and an own metric once before a session starts, on rows of the session and outputs made up.

Peers go on without one that raises.  One that always does would so be found when the session is over.
"""

from functools import partial

import torch

from learnae.learn.datasets.dataset import Dataset
from learnae.learn.losses import loss
from learnae.learn.metrics import measured
from learnae.plugins import Kind, is_own, try_once
from learnae.session.settings import Session

ROWS = 64


def try_on_rows(session: Session, dataset: Dataset) -> None:
    """Raises InputError if the loss or the metric can never work.  ``dataset``: ready to train on."""
    rows = torch.linspace(0, len(dataset) - 1, min(ROWS, len(dataset))).long()  # of all classes, if sorted
    labels = dataset.labels[rows]
    outputs = torch.randn(len(rows), dataset.classes, generator=torch.Generator().manual_seed(0))
    if is_own(Kind.METRICS, session.score.metric):
        try_once(partial(measured, see=dataset.label.seen), session.score.metric, labels, outputs)
    if is_own(Kind.LOSSES, session.model.loss):
        stacked = outputs.unsqueeze(0).requires_grad_()
        try_once(loss, session.model.loss, stacked, labels.unsqueeze(0))
