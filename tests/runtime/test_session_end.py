"""The rule that ends a session, wherever it runs."""

import pytest

from learnae.records.outcome import EndedBy
from learnae.runtime.session_end import SessionEnd

INF = float("inf")


def test_a_session_ends_when_all_have_been_quiet_for_as_long_as_linger() -> None:
    end = SessionEnd(linger=2.0, max_duration=100.0)
    assert [end.check(at, quiet=True) for at in (5.0, 6.9, 7.0)] == [None, None, EndedBy.QUIET]


def test_work_in_between_starts_the_wait_anew() -> None:
    end = SessionEnd(linger=2.0, max_duration=100.0)
    told = [end.check(at, quiet) for at, quiet in ((5.0, True), (6.0, False), (6.5, True), (8.4, True), (8.5, True))]
    assert told == [None, None, None, None, EndedBy.QUIET]


@pytest.mark.parametrize("quiet", [True, False])
def test_max_duration_ends_a_session_that_is_not_yet_over(quiet: bool) -> None:
    end = SessionEnd(linger=2.0, max_duration=6.0)
    assert [end.check(at, quiet) for at in (5.9, 6.0)] == [None, EndedBy.MAX_DURATION]


def test_a_session_that_is_over_at_max_duration_was_quiet() -> None:
    end = SessionEnd(linger=2.0, max_duration=6.0)
    assert [end.check(at, quiet=True) for at in (4.0, 6.0)] == [None, EndedBy.QUIET]


def test_with_an_infinite_linger_quiet_ends_nothing() -> None:
    end = SessionEnd(linger=INF, max_duration=INF)
    assert end.check(1e9, quiet=True) is None and end.due == INF


def test_the_time_until_the_end_is_known_in_advance() -> None:
    end = SessionEnd(linger=2.0, max_duration=10.0)
    assert end.due == 10.0
    end.check(5.0, quiet=True)
    assert end.due == 7.0
    end.check(6.0, quiet=False)
    assert end.due == 10.0


def test_a_fault_that_has_begun_is_waited_for_and_not_one_to_come() -> None:
    end = SessionEnd(linger=2.0, max_duration=100.0)
    end.faults = [(3.0, 9.0), (8.0, 20.0), (23.0, 30.0)]
    assert [end.check(at, quiet=True) for at in (5.0, 9.0, 21.9)] == [None] * 3 and end.due == 22.0
    assert end.check(22.0, quiet=True) is EndedBy.QUIET
