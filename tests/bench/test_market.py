"""bench/market counts the profiteers that are at work, and accounts for those that are left."""

from bench.market import BASE, END, LOST, LOST_AT, PROFITEERS, TIMES, account, at_work, lose_half
from tests.helpers.swarms import run

from learnae.protocol.decisions import WorkChanged, WorkState
from learnae.protocol.types import PeerId
from learnae.records.history import History, Record


def test_a_profiteer_that_is_done_or_killed_is_not_at_work() -> None:
    done, returned = [name for name in PROFITEERS if name not in LOST][:2]
    changes = [
        (LOST_AT + 2, done, WorkState.DONE),
        (LOST_AT + 2, returned, WorkState.DONE),
        (LOST_AT + 4, returned, WorkState.IDLE),
    ]
    history = History(tuple(Record(time, PeerId(name), WorkChanged(state)) for time, name, state in changes))
    counts = dict(zip(TIMES, at_work(history, lost=()), strict=True))
    assert [counts[time] for time in (LOST_AT, LOST_AT + 2, LOST_AT + 4, END)] == [6, 4, 5, 5]
    counts = dict(zip(TIMES, at_work(history, LOST), strict=True))
    assert [counts[time] for time in (LOST_AT - 2, LOST_AT, LOST_AT + 2, END)] == [6, 3, 1, 2]


def test_an_account_is_a_mean_of_those_that_are_left() -> None:
    ended = run(BASE | {"seed": 1, "work": {"passes": 2}}, lose_half, journals=False)
    left = [name for name in PROFITEERS if name not in LOST]
    one_by_one = [account(ended, [name]) for name in left]
    assert all(any(column) for column in zip(*[each[:4] for each in one_by_one], strict=True))
    for mean, values in zip(account(ended, left), zip(*one_by_one, strict=True), strict=True):
        assert abs(mean - sum(values) / len(left)) < 1e-9
