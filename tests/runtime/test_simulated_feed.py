"""Sensors in virtual time: their rows arrive over time, are announced under their names and trained on."""

import tomllib
from functools import partial
from typing import Any

import pytest
from tests.helpers.swarms import Run, nothing, run, small

from learnae.backends.sim.simulation import Simulation
from learnae.errors import Reason
from learnae.protocol.decisions import Published, Trained
from learnae.protocol.row_types import RowsForwarded, RowsPublished
from learnae.records.history import Effect, FaultBegan, FaultEnded, ReadingPublished, Record
from learnae.runtime.learning import MemoryLearning
from learnae.runtime.simulator import Simulator
from learnae.runtime.torch_learning import TorchLearning
from learnae.session.session_file import parse
from learnae.session.shipped import session_file

SENSOR = {"computes": False, "wants_payment": False, "sensor": True}
TRAINERS, PROFITEERS, SENSORS = {"count": 2, "bridge": True}, {"count": 2, "has_rows": False}, {"count": 2, **SENSOR}
KEEPER = {"count": 1, "has_rows": False, "computes": False, "bridge": True}


def with_sensors(*groups: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return small(*(groups or (TRAINERS, PROFITEERS, SENSORS)), privacy=False, **changes)


@pytest.fixture(scope="module")
def session() -> Run:
    return run(with_sensors())


def rows_of_sensors(session: Run) -> set[str]:
    return {str(fact.cid) for _, fact in session.history.facts(ReadingPublished)}


def test_every_reading_is_trained_on_once_by_every_peer_that_trains(session: Run) -> None:
    assert session.failing == []
    assert len(rows_of_sensors(session)) == 20
    own = {str(fact.cid) for _, fact in session.history.facts(RowsPublished)}
    for name in ("p00", "p01", "p02", "p03"):
        trained = [fact.rows for record, fact in session.history.facts(Trained) if record.peer == name and fact.rows]
        assert len(trained) == len(set(trained)) and set(trained) - own == rows_of_sensors(session)


def test_rows_of_sensors_arrive_while_training_goes_on(session: Run) -> None:
    published = [record.t for record, _ in session.history.facts(ReadingPublished)]
    trained = [record.t for record, _ in session.history.facts(Trained)]
    assert sum(time < max(published) for time in trained) > 20 and min(trained) < max(published) < max(trained)


def test_every_peer_that_follows_the_feed_announces_every_reading_under_its_sensors_name(session: Run) -> None:
    sensors = {session.history.roster[name].peer for name in ("p04", "p05")}
    for name in ("p00", "p01"):
        forwarded = [fact for record, fact in session.history.facts(RowsForwarded) if record.peer == name]
        assert {str(fact.cid) for fact in forwarded} == rows_of_sensors(session)
        assert {fact.sensor for fact in forwarded} == sensors
    assert {record.peer for record, _ in session.history.facts(RowsForwarded)} == {"p00", "p01"}


def test_readings_wait_while_the_feed_is_down_and_all_of_them_are_trained_on(session: Run) -> None:
    down = run(with_sensors(faults=[{"kind": "feed-kill", "at": 2, "duration": 6}]))
    assert down.failing == []
    [(begin, end)] = [
        (began.t, ended.t)
        for began, _ in down.history.facts(FaultBegan)
        for ended, fact in down.history.facts(FaultEnded)
        if fact.effect is Effect.APPLIED
    ]
    assert not any(begin < record.t < end for record, _ in down.history.facts(ReadingPublished))
    assert rows_of_sensors(down) == rows_of_sensors(session)
    assert rows_of_sensors(down) <= {str(fact.rows) for _, fact in down.history.facts(Trained)}


CHURN = [
    {"kind": "sensor-kill", "at": 4, "duration": 5, "targets": ["p04"]},
    {"kind": "sensor-sleep", "at": 3, "duration": 7, "targets": ["p05"]},
]


def test_sensors_that_were_killed_or_asleep_publish_what_is_left_and_all_of_it_is_trained_on(session: Run) -> None:
    churn = run(with_sensors(faults=CHURN))
    assert churn.failing == []
    begun = {fact.targets: record.t for record, fact in churn.history.facts(FaultBegan)}
    assert [fact.effect for _, fact in churn.history.facts(FaultEnded)] == [Effect.APPLIED] * 2
    for name, duration in (("p04", 5), ("p05", 7)):
        times = [record.t for record, _ in churn.history.facts(ReadingPublished) if record.peer == name]
        begin = begun[name,]
        assert min(times) < begin and not any(begin <= time < begin + duration for time in times)
        assert len(times) == len(set(times)) == 10
    assert rows_of_sensors(churn) == rows_of_sensors(session)
    assert rows_of_sensors(churn) <= {str(fact.rows) for _, fact in churn.history.facts(Trained)}


def test_the_session_iot_has_a_keeper_which_never_computes_and_its_faults_begin_all_the_same() -> None:
    iot = tomllib.loads(session_file("iot").read_text("utf-8"))
    session = run(iot | {"faults": [{"kind": "sensor-kill", "at": 2, "duration": 3}]})
    assert session.failing == []
    assert [fact.effect for _, fact in session.history.facts(FaultEnded)] == [Effect.APPLIED]


@pytest.mark.parametrize(("sleeps", "repeats"), [(False, 1), (True, 0)])
def test_a_killed_sensor_sends_again_what_it_has_not_seen_confirmed_and_nobody_trains_on_it_twice(
    sleeps: bool, repeats: int
) -> None:
    table, records = parse(with_sensors()), list[Record]()
    simulation = Simulation(
        table, MemoryLearning(table), [lambda now, peer, fact: records.append(Record(now, peer, fact))]
    )
    interrupt = partial(simulation.feed.interrupt, "p04", sleeps)
    simulation.simulator.at(3.01, lambda: None if interrupt() else None)  # its confirmation arrives at 3.02
    simulation.simulator.at(6.5, partial(simulation.feed.restore, "p04"))
    simulation.run()
    assert [log.counts.refused.get(Reason.REPEAT, 0) for log in simulation.feed.logs.values()] == [repeats] * 2
    assert {log.counts.verified for log in simulation.feed.logs.values()} == {20}
    published = [record.fact.number for record in records if isinstance(record.fact, ReadingPublished)]
    assert sorted(published) == sorted([*range(1, 11)] * 2)


def test_a_sensor_that_has_not_joined_cannot_be_killed() -> None:
    late = {"count": 1, **SENSOR, "joins_at": 30.0}
    early = {"kind": "sensor-kill", "at": 2, "duration": 5, "targets": ["p05"]}
    groups = TRAINERS, PROFITEERS, {"count": 1, **SENSOR}, late
    session = run(with_sensors(*groups, faults=[early], expect={"recovery": 60.0}))
    assert session.failing == ["faults_happened"] and len(rows_of_sensors(session)) == 20


def test_sensors_have_no_process_no_wallet_of_use_and_no_model(session: Run) -> None:
    assert set(session.simulation.simulator.hosts) == {"p00", "p01", "p02", "p03"}
    assert session.history.roster["p05"].role.value == "sensor"
    assert {record.peer for record, _ in session.history.facts(Published)}.isdisjoint({"p04", "p05"})


def test_the_same_seed_gives_the_same_session_with_sensors(session: Run) -> None:
    assert run(with_sensors()).lines == session.lines


def test_a_session_whose_only_rows_are_the_sensors_is_valid_and_learns_from_them() -> None:
    only = run(with_sensors({"count": 2, "has_rows": False}, KEEPER, SENSORS, peers=5))
    assert only.failing == []
    assert not only.history.of(RowsPublished)
    trained = {fact.rows for _, fact in only.history.facts(Trained)}
    assert trained == rows_of_sensors(only) and len(trained) == 20


def test_a_sensor_that_joins_late_publishes_late_and_the_session_waits_for_it() -> None:
    late = run(with_sensors(TRAINERS, PROFITEERS, {"count": 1, **SENSOR}, {"count": 1, **SENSOR, "joins_at": 60.0}))
    times = [record.t for record, _ in late.history.facts(ReadingPublished) if record.peer == "p05"]
    assert min(times) == 61.02 and late.history.seconds > max(times) and len(times) == 10
    assert late.failing == []


def test_what_the_feed_did_not_confirm_is_published_when_it_is_back() -> None:
    table, records = parse(with_sensors()), list[Record]()
    simulation = Simulation(
        table, MemoryLearning(table), [lambda now, peer, fact: records.append(Record(now, peer, fact))]
    )
    for time, down in ((2.5, True), (8.5, False)):
        simulation.simulator.at(time, partial(setattr, simulation.feed.broker, "down", down))
    simulation.run()
    times = [record.t for record in records if record.peer == "p04" and isinstance(record.fact, ReadingPublished)]
    assert [time for time in times if 2.5 < time < 8.5] == [] and times.count(9.02) == 7 and len(times) == 10
    assert {log.counts.verified for log in simulation.feed.logs.values()} == {20}


def test_a_peer_that_was_down_receives_the_readings_when_it_is_back() -> None:
    def crash(simulator: Simulator) -> None:
        simulator.away.add("p01")
        simulator.at(2.5, lambda: simulator.crash("p01"))
        simulator.at(9.0, lambda: simulator.start("p01"))
        simulator.at(9.0, lambda: simulator.away.discard("p01"))

    session = run(with_sensors(), crash)
    assert session.failing == []
    forwarded = {str(fact.cid) for record, fact in session.history.facts(RowsForwarded) if record.peer == "p01"}
    assert forwarded == rows_of_sensors(session)


@pytest.mark.slow
def test_models_of_a_session_with_only_sensors_have_learned_their_rows() -> None:
    small_data = {"rows": 400, "validation_rows": 50, "judging_rows": 200, "test_rows": 1000}
    table = with_sensors({"count": 2, "has_rows": False, "bridge": True}, SENSORS, peers=4, data=small_data)
    session = run(table, nothing, learning=partial(TorchLearning, threads=1))
    assert session.failing == []
    scores = [score.accuracy for record, score in session.history.kept if record.peer == "p00"]
    assert scores[-1] > 0.7 > scores[0]
