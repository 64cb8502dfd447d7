"""Plans of faults, literally: which peers are hit, when, and what that does to each link."""

import pytest

from learnae.errors import InputError
from learnae.session.fault_plan import boundaries, fault_times, plan, timeline
from learnae.session.faults import (
    CHAIN,
    CUT,
    FEED,
    Component,
    Fault,
    FaultKind,
    FaultState,
    FaultWindow,
    Link,
    Links,
    Part,
    state,
)

FOUR = ("p00", "p01", "p02", "p03")
NAN, INF = float("nan"), float("inf")
NONE_LEFT = "targets: all peers, so that none is left on the other side: name fewer"
TEN = tuple(f"p{index:02}" for index in range(10))


def links(windows: tuple[FaultWindow, ...], at: float, names: tuple[str, ...]) -> Links:
    return state(windows, at, names).links


def cut(fault: Fault, at: float = 0.0, names: tuple[str, ...] = FOUR) -> set[tuple[str, str]]:
    return {pair for pair, link in links(plan([fault], names, 1), at, names).items() if link == CUT}


def both(*pairs: tuple[str, str]) -> set[tuple[str, str]]:
    return {each for one, other in pairs for each in ((one, other), (other, one))}


def test_targets_of_a_cut_still_reach_each_other() -> None:
    found = cut(Fault(FaultKind.CUT, 0, 9, targets=("p00", "p01")))
    assert found == both(("p00", "p02"), ("p00", "p03"), ("p01", "p02"), ("p01", "p03"))


def test_an_isolated_peer_reaches_no_other() -> None:
    found = cut(Fault(FaultKind.ISOLATE, 0, 9, targets=("p00", "p01")))
    assert found == both(("p00", "p01"), ("p00", "p02"), ("p00", "p03"), ("p01", "p02"), ("p01", "p03"))


def test_after_a_fault_of_one_way_targets_still_receive() -> None:
    assert cut(Fault(FaultKind.CUT, 0, 9, targets=("p00",), one_way=True)) == {("p00", name) for name in FOUR[1:]}
    silenced = cut(Fault(FaultKind.ISOLATE, 0, 9, targets=("p00", "p01"), one_way=True))
    assert silenced == {(sender, name) for sender in ("p00", "p01") for name in FOUR if name != sender}


def test_a_split_makes_groups_of_equal_size_that_cannot_reach_each_other() -> None:
    [window] = plan([Fault(FaultKind.SPLIT, 0, 9)], FOUR, 1)
    one, other = window.sides
    assert len(one) == len(other) == 2 and sorted(one + other) == list(FOUR)
    assert cut(window.fault) == both(*((here, there) for here in one for there in other))
    [window] = plan([Fault(FaultKind.SPLIT, 0, 9, groups=3)], TEN, 1)
    assert sorted(map(len, window.sides)) == [3, 3, 4]


def test_a_split_of_named_peers_parts_them_from_the_rest() -> None:
    [window] = plan([Fault(FaultKind.SPLIT, 0, 9, targets=("p02",))], FOUR, 1)
    assert window.sides == (("p02",), ("p00", "p01", "p03"))


def test_a_rolling_split_parts_others_from_the_rest_at_each_turn() -> None:
    windows = plan([Fault(FaultKind.SPLIT, 0, 20, targets="rolling", share=0.5, every=10)], FOUR, 1)
    assert [tuple(sorted(one + other)) for one, other in (window.sides for window in windows)] == [FOUR, FOUR]
    assert windows[0].sides == windows[1].sides[::-1]


def test_loss_and_slowness_hit_what_reaches_a_target_and_nothing_else() -> None:
    windows = plan([Fault(FaultKind.LOSS, 0, 9, targets=("p00",), probability=0.25)], FOUR, 1)
    assert links(windows, 0.0, FOUR) == {(sender, "p00"): Link(loss=0.25) for sender in FOUR[1:]}
    windows = plan([Fault(FaultKind.SLOW, 0, 9, targets=("p00",), delay=0.1, bandwidth=1e4)], FOUR, 1)
    assert links(windows, 0.0, FOUR) == {(sender, "p00"): Link(0.0, 0.1, 1e4) for sender in FOUR[1:]}


def test_faults_at_once_add_up_and_healing_one_leaves_the_other() -> None:
    windows = plan(
        [
            Fault(FaultKind.LOSS, 0, 10, targets=("p00",), probability=0.5),
            Fault(FaultKind.LOSS, 5, 10, targets=("p00",), probability=0.5),
            Fault(FaultKind.SLOW, 5, 10, targets=("p00",), delay=0.1, bandwidth=1e4),
            Fault(FaultKind.SLOW, 5, 10, targets=("p00",), delay=0.2, bandwidth=1e3),
        ],
        FOUR,
        1,
    )
    seen = [links(windows, at, FOUR).get(("p01", "p00")) for at in (0.0, 7.0, 12.0, 15.0)]
    assert seen[0] == Link(loss=0.5)
    assert seen[1] and (seen[1].loss, seen[1].bandwidth) == (0.75, 1e3)
    assert seen[1].delay == pytest.approx(0.3)
    assert seen[2] and seen[2].loss == 0.5
    assert seen[3] is None
    assert boundaries(windows) == [0.0, 5.0, 10.0, 15.0]


def test_faults_of_processes_leave_the_links_alone() -> None:
    faults = [
        Fault(FaultKind.KILL, 0, 9, targets=("p00",)),
        Fault(FaultKind.STOP, 0, 5, targets=("p01",)),
        Fault(FaultKind.PAUSE, 0, 9, targets=("p02",)),
        Fault(FaultKind.IPFS_STOP, 0, 9, targets=("p03",)),
        Fault(FaultKind.CHAIN_PAUSE, 0, 9),
        Fault(FaultKind.CHAIN_STOP, 2, 3),
        Fault(FaultKind.FEED_KILL, 0, 9),
    ]
    windows = plan(faults, FOUR, 1)
    killed, stopped, frozen = (Component(Part.PEER, name) for name in FOUR[:3])
    others = {frozen: faults[2], Component(Part.IPFS, "p03"): faults[3], CHAIN: faults[4], FEED: faults[6]}
    assert state(windows, 1.0, FOUR) == FaultState({}, {killed: faults[0], stopped: faults[1], **others})
    assert state(windows, 3.0, FOUR).interrupted[CHAIN] == faults[5]
    assert state(windows, 6.0, FOUR) == FaultState({}, {killed: faults[0], **others})
    assert state(windows, 9.0, FOUR) == FaultState()


def test_a_peer_that_is_killed_and_frozen_is_down_and_then_frozen() -> None:
    kill, pause = (Fault(kind, 0, end, targets=("p00",)) for kind, end in ((FaultKind.KILL, 5), (FaultKind.PAUSE, 9)))
    for faults in ([kill, pause], [pause, kill]):
        held = [state(plan(faults, FOUR, 1), at, FOUR).interrupted for at in (1.0, 6.0)]
        assert held == [{Component(Part.PEER, "p00"): kill}, {Component(Part.PEER, "p00"): pause}]


def test_components_are_named_like_the_services_that_run_them() -> None:
    assert [str(part) for part in (Component(Part.PEER, "p03"), Component(Part.IPFS, "p03"), CHAIN)] == [
        "peer-p03",
        "ipfs-p03",
        "chain",
    ]


def test_a_stopped_peer_is_down_for_at_least_a_second() -> None:
    [window] = plan([Fault(FaultKind.STOP, 3)], FOUR, 1)
    assert (window.begin, window.end) == (3.0, 4.0)


@pytest.mark.parametrize(
    ("targets", "many"), [("one", 1), ("minority", 2), ("half", 5), ("all", 10), ("random", 3), (("p07", "p01"), 2)]
)
def test_a_word_for_targets_gives_their_number(targets: str | tuple[str, ...], many: int) -> None:
    [window] = plan([Fault(FaultKind.KILL, 0, 9, targets=targets)], TEN, 1)
    assert len(set(window.targets)) == many and set(window.targets) <= set(TEN)


def test_rolling_hits_all_peers_in_turn_a_share_at_a_time() -> None:
    windows = plan([Fault(FaultKind.KILL, 10, 50, targets="rolling", share=0.3, every=12)], TEN, 1)
    assert [(window.begin, window.end) for window in windows] == [(10, 22), (22, 34), (34, 46), (46, 58), (58, 60)]
    assert all(len(window.targets) == 3 for window in windows)
    assert {name for window in windows[:4] for name in window.targets} == set(TEN)


def test_the_same_seed_gives_the_same_plan_and_another_fault_moves_nothing() -> None:
    faults = [Fault(FaultKind.KILL, 0, 9), Fault(FaultKind.ISOLATE, 20, 9, targets="half")]
    assert plan(faults, TEN, 7) == plan(faults, TEN, 7)
    assert plan(faults[:1], TEN, 7) == plan(faults, TEN, 7)[:1]
    assert len({plan(faults, TEN, seed)[1].targets for seed in range(9)}) > 1


def test_a_window_is_open_from_its_beginning_to_before_its_end() -> None:
    window = FaultWindow(Fault(FaultKind.KILL, 5, 5), 5.0, 10.0, ("p00",))
    assert [window.open(at) for at in (4.9, 5.0, 9.9, 10.0)] == [False, True, True, False]


def test_a_timeline_shows_when_what_and_to_whom() -> None:
    faults = [
        Fault(FaultKind.SPLIT, 0, 10, targets=("p00", "p01")),
        Fault(FaultKind.KILL, 10, 10, targets=("p03",)),
        Fault(FaultKind.CHAIN_KILL, 19),
        Fault(FaultKind.FEED_KILL, 19),
    ]
    assert timeline(plan(faults, FOUR, 1), 10) == [
        "    0.0 -    10.0 s  #####.....  split p00 p01 | p02 p03",
        "   10.0 -    20.0 s  .....#####  kill p03",
        "   19.0 -    20.0 s  .........#  chain-kill the chain",
        "   19.0 -    20.0 s  .........#  feed-kill the feed",
    ]
    assert timeline([]) == []


@pytest.mark.parametrize(
    ("fault", "sentence"),
    [
        (
            Fault(FaultKind.KILL, 0, targets="some"),
            "targets: give a list of names, or one of 'one', 'random', 'rolling', 'minority', 'half', 'all'",
        ),
        (Fault(FaultKind.KILL, 0, targets="p01"), 'targets: write a list, ["p01"]'),
        (
            Fault(FaultKind.KILL, 0, targets=()),
            'targets: name a peer, such as ["p01"], or leave targets out for one drawn from the seed',
        ),
        (Fault(FaultKind.KILL, 0, targets=("p00", "p99")), "targets: p99 not in this swarm: name some of p00 to p03"),
        (Fault(FaultKind.KILL, 0, targets=("p00", "p00")), "targets: a peer is named twice: name it once"),
        (Fault(FaultKind.CUT, 0, 1, targets=FOUR), NONE_LEFT),
        (Fault(FaultKind.SPLIT, 0, 1, targets="all"), NONE_LEFT),
        (Fault(FaultKind.CUT, 0, 1, targets="random", share=1), NONE_LEFT),
        (
            Fault(FaultKind.KILL, 0, 9, targets="rolling", share=1),
            'share: rolling must spare a peer at each turn: lower it, or use targets = "all"',
        ),
        (Fault(FaultKind.SLOW, 0, 1, delay=1e-4), "delay: at least 0.001 s, or 0 for none"),
        (Fault(FaultKind.SLOW, 0, 1, bandwidth=9), "bandwidth: at least 1000 bytes/s, or 0 for no limit"),
        (Fault(FaultKind.KILL, 0, targets="rolling"), "duration: give more than 0 s, otherwise nothing happens"),
        (Fault(FaultKind.SPLIT, 0, 1, groups=5), "groups: max 4, the number of peers"),
        (Fault(FaultKind.CUT, 0), "duration: give more than 0 s, otherwise nothing happens"),
        (Fault(FaultKind.SLOW, 0, 1), "give a delay or a bandwidth"),
    ],
)
def test_a_fault_that_makes_no_sense_is_refused_in_one_sentence(fault: Fault, sentence: str) -> None:
    with pytest.raises(InputError) as refused:
        plan([Fault(FaultKind.KILL, 0), fault], FOUR, 1)
    assert str(refused.value) == f"faults.1 ({fault.kind}): {sentence}"


@pytest.mark.parametrize(
    "faults",
    [
        [Fault(FaultKind.PAUSE, 0, 86_400, targets="rolling", every=1)],
        [Fault(FaultKind.SPLIT, 0, 1)] * 900,
        [Fault(FaultKind.KILL, 0, targets="half")] * 900,
        [Fault(FaultKind.KILL, 0, targets=tuple(f"p{number:03}" for number in range(900)))] * 900,
    ],
)
def test_a_plan_that_would_never_be_complete_is_refused(faults: list[Fault]) -> None:
    with pytest.raises(InputError, match="more than 300000 targets in all: name fewer, or raise every"):
        plan(faults, [f"p{number:03}" for number in range(1000)], 1)


def test_settings_that_a_kind_does_not_use_are_not_checked() -> None:
    assert plan([Fault(FaultKind.KILL, 0, groups=99), Fault(FaultKind.ISOLATE, 0, 1, targets="all")], FOUR, 1)


def test_faults_last_until_models_are_announced_again() -> None:
    cuts = (Fault(FaultKind.SPLIT, 20, 60, targets="half"), Fault(FaultKind.ISOLATE, 30, 5, targets=("p00",)))
    assert fault_times(plan(cuts, FOUR, 1), 3.0, 7.0) == [(23.0, 90.0), (33.0, 45.0)]


SENSORS = ("p02", "p03")


def test_faults_of_sensors_are_drawn_among_the_sensors_alone() -> None:
    faults = [Fault(kind, 0, 9, targets="all") for kind in (FaultKind.SENSOR_KILL, FaultKind.SENSOR_SLEEP)]
    windows = plan([*faults, Fault(FaultKind.SENSOR_KILL, 9, 9)], FOUR, 1, SENSORS)
    assert [window.targets for window in windows[:2]] == [SENSORS] * 2 and windows[2].targets[0] in SENSORS
    killed = {Component(Part.SENSOR, name): faults[0] for name in SENSORS}
    assert state(windows, 1.0, FOUR) == FaultState({}, killed)


@pytest.mark.parametrize(
    ("targets", "sensors", "sentence"),
    [
        (("p00",), SENSORS, "targets: p00 not among the sensors: name some of p02 to p03"),
        ("one", (), "the session has no sensors: set sensor = true in one group, or leave the fault out"),
        (("p02",), (), "the session has no sensors: set sensor = true in one group, or leave the fault out"),
    ],
)
def test_a_plan_names_sensors_that_there_are(
    targets: str | tuple[str, ...], sensors: tuple[str, ...], sentence: str
) -> None:
    with pytest.raises(InputError) as refused:
        plan([Fault(FaultKind.SENSOR_SLEEP, 0, 9, targets=targets)], FOUR, 1, sensors)
    assert str(refused.value) == f"faults.0 (sensor-sleep): {sentence}"


def test_a_stop_and_a_drain_let_a_process_end_cleanly() -> None:
    assert {kind for kind in FaultKind if kind.gentle} == {
        FaultKind.STOP,
        FaultKind.NODE_DRAIN,
        FaultKind.CHAIN_STOP,
    }
