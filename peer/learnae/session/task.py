"""What the labels of a session are, and the settings that fit: a row of ``TASKS`` for each choice of data.task."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from learnae.plugins import BUILT_IN, Kind, is_own
from learnae.session.settings import Session

CLASSIFICATION: Final = "classification"
REGRESSION: Final = "regression"
QUANTITY_SOURCES = ("sklearn:diabetes",)  # named sources whose label is a number


@dataclass(frozen=True)
class Task:
    """Built-in losses and metrics that fit the task, the default first.  ``label``: what a label is."""

    label: str
    losses: tuple[str, ...]
    metrics: tuple[str, ...]


TASKS = {
    CLASSIFICATION: Task("a class", ("cross-entropy",), ("accuracy", "f1", "auc")),
    REGRESSION: Task("a number", ("mse",), ("r2",)),
}


def with_task(table: Mapping[str, Any], session: Session) -> dict[str, Any]:
    """A session file, completed by what its labels are.  ``session``: the file with the usual defaults."""
    known = REGRESSION if session.data.path is None and session.data.source in QUANTITY_SOURCES else session.data.task
    task = TASKS[table.get("data", {}).get("task", known)]
    defaults: dict[str, dict[str, str]] = {
        "data": {"task": known},
        "model": {"loss": task.losses[0]},
        "score": {"metric": task.metrics[0]},
    }
    return {**table, **{block: {**values, **table.get(block, {})} for block, values in defaults.items()}}


def task_contradictions(session: Session) -> list[tuple[bool, str]]:
    """Whether each applies, and the sentence that says so."""
    data, task = session.data, TASKS[session.data.task]
    numbers, named = session.data.task == REGRESSION, data.path is None and not is_own(Kind.DATASETS, data.source)
    return [
        (
            named and numbers != (data.source in QUANTITY_SOURCES),
            f'data.task = "{data.task}" says that the label is {task.label}, and that of data source "{data.source}" '
            "is none: leave data.task out, or name a file of your own with data.path",
        ),
        _misfit("model.loss", session.model.loss, Kind.LOSSES, task.losses, task.label),
        _misfit("score.metric", session.score.metric, Kind.METRICS, task.metrics, task.label),
        (
            numbers and data.partition == "dirichlet",
            'data.partition = "dirichlet" divides rows by their classes, and with data.task = "regression" there are '
            "none: use another partition",
        ),
        (
            numbers
            and (not session.privacy or session.reward.data > 0 or any(group.sensor for group in session.groups)),
            "blocks of rows hold classes, so peers cannot publish rows whose label is a number: leave privacy true, "
            "and leave out reward.data and sensors",
        ),
        (
            numbers and session.defence.similar is not None,
            'defence.similar compares predicted classes, and with data.task = "regression" there are none: leave '
            "it out",
        ),
    ]


# private


def _misfit(setting: str, chosen: str, kind: Kind, fitting: tuple[str, ...], label: str) -> tuple[bool, str]:
    """An own plug-in is taken as it is."""
    return (
        chosen in BUILT_IN[kind] and chosen not in fitting,
        f'{setting} = "{chosen}" does not fit data.task, by which a label is {label}: leave it out, or use '
        f"{' or '.join(fitting)} or a plug-in of your own",
    )
