"""Requests: what a driver may report, what is open, and which timers are set."""

import math
from typing import Any, get_args

import pytest
from tests.helpers.peers import ME, MY_WALLET, head, receipt, score, signed, weights

from learnae.errors import DriverError, Reason
from learnae.protocol import actions as do
from learnae.protocol import events as on
from learnae.protocol.requests import ANSWER_OF, Requests
from learnae.protocol.types import Cid, Poid, Score, Timer, TxHash


def opened(at: float = 1.0) -> Requests:
    requests = Requests()
    requests.validate(on.Started(at))
    return requests


def fetch(request: int) -> do.FetchModel:
    return do.FetchModel(request, Cid("m"), None, ())


def deploy(request: int) -> do.SignDeployment:
    return do.SignDeployment(request, 4, 0, Poid(ME, MY_WALLET))


def read(request: int) -> do.ReadReceipts:
    return do.ReadReceipts(request, (TxHash("0.0"), TxHash("1.0")))


def score_it(request: int) -> do.ScoreModel:
    return do.ScoreModel(request, Cid("m"), None)


def test_every_request_has_the_kind_of_answer_its_docstring_names() -> None:
    assert ANSWER_OF.keys() == set(get_args(do.Request))
    for request, answer in ANSWER_OF.items():
        assert f"nswered by ``{answer.__name__}``" in (request.__doc__ or "")


@pytest.mark.parametrize("at", [0.9, -1.0, math.nan])
def test_time_never_goes_back(at: float) -> None:
    requests = opened(1.0)
    with pytest.raises(DriverError, match="time"):
        requests.validate(on.TimerFired(at, Timer.WORK))
    assert requests.now == 1.0


def test_a_journal_begins_with_started_and_has_it_once() -> None:
    requests = Requests()
    with pytest.raises(DriverError, match="Started"):
        requests.validate(on.TimerFired(0.0, Timer.WORK))
    requests.validate(on.Started(0.0))
    with pytest.raises(DriverError, match="Started"):
        requests.validate(on.Started(0.0))


@pytest.mark.parametrize("id", [-1, 0, 2])
def test_an_answer_to_a_request_never_issued_is_the_drivers_error(id: int) -> None:
    requests = opened()
    requests.issue(fetch)
    with pytest.raises(DriverError, match="never issued"):
        requests.validate(on.ModelFetched(2.0, id))


WRONG: list[tuple[Any, Any]] = [
    (fetch, on.ModelStored(2.0, 1)),
    (deploy, on.TransactionSent(2.0, 1)),
    (deploy, on.TransactionSigned(2.0, 1, signed(3))),
    (read, on.ReceiptsRead(2.0, 1, head(1), (None,))),
    (read, on.ReceiptsRead(2.0, 1, head(1), (None, None, None))),
    (read, on.ReceiptsRead(2.0, 1, head(1), (receipt(1), None))),
    (score_it, on.ModelScored(2.0, 1, weights("m"), Score(0, 0))),
    (score_it, on.ModelScored(2.0, 1, weights("m"), Score(2, 1))),
    (score_it, on.ModelScored(2.0, 1, weights("m"), Score(-1, 1))),
]


@pytest.mark.parametrize(("make", "answer"), WRONG, ids=[f"{make.__name__} {answer}" for make, answer in WRONG])
def test_an_answer_to_another_question_is_the_drivers_error_and_changes_nothing(make: Any, answer: on.Answer) -> None:
    requests = opened()
    requests.issue(make)
    with pytest.raises(DriverError, match="does not answer"):
        requests.validate(answer)
    assert requests.now == 1.0 and requests.outstanding() == [make(1)]


RIGHT: list[tuple[Any, Any]] = [
    (fetch, on.ModelFetched(2.0, 1)),
    (fetch, on.RequestFailed(2.0, 1, Reason.TIMEOUT)),
    (deploy, on.TransactionSigned(2.0, 1, signed(4))),
    (read, on.ReceiptsRead(2.0, 1, head(1), (None, receipt(1)))),
    (score_it, on.ModelScored(2.0, 1, weights("m"), score(50))),
]


@pytest.mark.parametrize(("make", "answer"), RIGHT, ids=[f"{make.__name__} {answer}" for make, answer in RIGHT])
def test_a_request_is_answered_once(make: Any, answer: on.Answer) -> None:
    requests = opened()
    requests.issue(make)
    requests.validate(answer)
    assert requests.resolve(answer) == make(1)
    requests.validate(answer)
    assert requests.resolve(answer) is None


def test_an_abandoned_request_is_waited_for_no_longer() -> None:
    requests = opened()
    requests.issue(fetch)
    requests.issue(deploy)
    assert requests.open(do.FetchModel) == [fetch(1)] and requests.outstanding() == [fetch(1), deploy(2)]
    requests.abandon(fetch(1))
    assert requests.open(do.FetchModel) == []
    assert requests.waits_for(do.SignDeployment) and not requests.waits_for(do.FetchModel)


def test_actions_are_handed_out_once_in_the_order_they_were_decided() -> None:
    requests = opened()
    requests.issue(fetch)
    requests.set_timer(Timer.WORK, 3.0)
    assert requests.drain() == [fetch(1), do.SetTimer(Timer.WORK, 3.0)]
    assert requests.drain() == []


def test_setting_a_timer_to_the_moment_it_is_set_to_is_no_action() -> None:
    requests = opened()
    requests.set_timer(Timer.WORK, 3.0)
    requests.validate(on.TimerFired(2.0, Timer.CHAIN))
    requests.set_timer(Timer.WORK, 2.0)
    assert requests.drain() == [do.SetTimer(Timer.WORK, 3.0)]


def test_a_timer_expires_once_when_it_is_due() -> None:
    requests = opened()
    requests.set_timer(Timer.WORK, 3.0)
    requests.validate(on.TimerFired(4.0 - 1e-10, Timer.WORK))
    assert requests.expire(Timer.WORK)
    assert not requests.expire(Timer.WORK)
    assert requests.due(Timer.WORK) is None


def test_a_timer_that_fires_early_is_set_again_for_the_rest() -> None:
    """A clock may run ahead of the session's, and a timer may be moved while it fires."""
    requests = opened()
    requests.set_timer(Timer.WORK, 3.0)
    requests.drain()
    requests.validate(on.TimerFired(3.5, Timer.WORK))
    assert not requests.expire(Timer.WORK)
    assert requests.drain() == [do.SetTimer(Timer.WORK, 0.5)]


def test_a_restart_finds_open_requests_and_what_was_left_of_timers() -> None:
    requests = opened()
    requests.set_timer(Timer.WORK, 3.0)
    requests.set_timer(Timer.CHAIN, 1.0)
    requests.issue(fetch)
    requests.issue(deploy)
    requests.validate(on.ModelFetched(2.5, 1))
    requests.resolve(on.ModelFetched(2.5, 1))
    assert requests.outstanding() == [deploy(2), do.SetTimer(Timer.WORK, 1.5), do.SetTimer(Timer.CHAIN, 0.0)]
