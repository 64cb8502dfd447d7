"""Calls a plug-in for the loss or the metric once before a session starts, on its rows, with made-up outputs.

A session continues when a plug-in raises, so one that always raises would be noticed only at the end.
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
    """Raises InputError if the loss or the metric can never work.  ``dataset``: prepared for training."""
    last, count = len(dataset) - 1, min(ROWS, len(dataset))
    rows = torch.linspace(0, last, count, dtype=torch.float64).long()  # spread over all classes
    labels = dataset.labels[rows]
    outputs = torch.randn(len(rows), dataset.classes, generator=torch.Generator().manual_seed(0))
    if is_own(Kind.METRICS, session.score.metric):
        try_once(partial(measured, see=dataset.label.seen), session.score.metric, labels, outputs)
    if is_own(Kind.LOSSES, session.model.loss):
        stacked = outputs.unsqueeze(0).requires_grad_()
        try_once(loss, session.model.loss, stacked, labels.unsqueeze(0))
