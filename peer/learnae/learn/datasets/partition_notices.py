"""Notices about a partition that are printed before the session begins."""

from collections.abc import Iterator, Sequence

from learnae.learn.metrics import ACCURACY
from learnae.session.settings import Session
from learnae.session.sizes import is_fitted

HINTED = (ACCURACY, "r2")  # metrics


def notice_of_fewer_rows(
    counts: Sequence[tuple[int, int, int]], judged: int | None, wanted: int, session: Session
) -> str | None:
    """One sentence if peers hold fewer rows than the settings say.

    ``counts``: training, validation and own test rows of each peer with rows, which should be ``wanted`` together.
    ``judged``: rows of each peer that has only those to judge by.
    """
    data, reduced = session.data, []
    # one row per peer may be lost by rounding
    if counts and sum(map(sum, counts)) + len(counts) <= wanted * len(counts):
        train, validation, _ = zip(*counts, strict=True)
        reduced.append(
            f"each gets {_range_text(train)} training and {_range_text(validation)} validation rows "
            f"instead of {data.rows} and {data.validation_rows}"
        )
    if judged is not None and judged < data.judging_rows:
        reduced.append(f"each without rows gets {judged} judging rows instead of {data.judging_rows}")
    return f"The dataset has too few rows for {session.peers} peers: {'; '.join(reduced)}." if reduced else None


def hints_on(hint: str, trained: Sequence[int], session: Session) -> Iterator[str]:
    """Slices that are too small to train on, and what needs no model.

    ``hint``: what the test labels are worth without one, by a metric in ``HINTED``.  ``trained``: training rows of each
    peer.
    """
    smallest, batch = min(filter(None, trained), default=0) // session.work.slices, session.model.batch
    if 0 < smallest < batch:
        yield (
            f"Some slices have only {smallest} rows, less than one batch of {batch}, so that each epoch on them is a "
            "single step: lower model.batch, or lower work.slices, which makes slices larger."
        )
    if is_fitted(session.data) and session.score.metric in HINTED:
        yield hint


# private


def _range_text(counts: Sequence[int]) -> str:
    low, high = min(counts), max(counts)
    return str(low) if low == high else f"{low} to {high}"
