"""The rule that ends a session, wherever it runs."""

from dataclasses import replace

import pytest

from learnae.protocol.rest import Rest
from learnae.protocol.types import Cid
from learnae.records.outcome import EndedBy
from learnae.runtime.session_end import SessionEnd, settled

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


def test_a_settled_session_ends_at_once() -> None:
    end = SessionEnd(linger=INF, max_duration=INF)
    assert end.check(5.0, quiet=False) is None
    assert end.check(6.0, quiet=False, settled=True) is EndedBy.QUIET


def test_a_settled_session_waits_for_a_fault_that_has_begun_and_until_it_is_noticed() -> None:
    end = SessionEnd(linger=2.0, max_duration=INF)
    end.faults = [(3.0, 9.0), (20.0, 30.0)]
    ended = [end.check(at, quiet=False, settled=True) for at in (2.9, 3.0, 10.9, 11.0)]
    assert ended == [EndedBy.QUIET, None, None, EndedBy.QUIET]


def rest(announced: str = "", *received: str) -> Rest:
    return Rest(frozenset(announced.split(", ")) - {""}, frozenset(received))


def test_peers_are_settled_when_each_has_received_what_those_have_announced_that_it_hears() -> None:
    ann, bob = rest("ann 2, ann 0xa", "bob 1"), rest("bob 1", "ann 2", "ann 0xa", "eve 9")
    assert settled([(ann, [bob]), (bob, [ann])])
    assert settled([(ann, []), (rest(), [])]) and settled([])
    assert not settled([(rest("ann 3"), [bob])])
    assert not settled([(ann, [bob, rest("", "ann 2")])])


def test_a_row_block_must_be_known_to_those_that_accept_more() -> None:
    ann = replace(rest(), rows_announced=frozenset({Cid("block")}))
    for rows, expected in ((set(), False), ({"other"}, False), ({"block", "other"}, True), (None, True)):
        bob = replace(rest(), rows_received=None if rows is None else frozenset(map(Cid, rows)))
        assert settled([(ann, [bob]), (bob, [ann])]) is expected


def test_nothing_is_settled_while_a_peer_is_at_work_or_away() -> None:
    ann, bob = rest("ann 2"), rest("", "ann 2")
    assert settled([(ann, [bob]), (bob, [ann])])
    assert not settled([(None, [bob])])
    assert not settled([(ann, [bob, None])])
    assert not settled([(ann, [bob]), (None, [])])
