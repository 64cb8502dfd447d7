"""A plan of faults on fake containers and link agents: the calls that they get, and what is recorded."""

import asyncio
import json
import os
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from tests.helpers.compose_stage import NAMES, Stage, window

from learnae.backends.compose.container_lifecycle import sound
from learnae.errors import InputError
from learnae.protocol.decisions import WorkChanged, WorkState
from learnae.records.history import FaultBegan, FaultsPlanned, PeerCrashed
from learnae.session.faults import FaultKind


def staged(test: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(test())  # type: ignore[arg-type]


def test_a_split_cuts_links_at_both_ends_and_without_dropped_packets_is_ineffective(tmp_path: Path) -> None:
    async def test() -> None:
        stage = Stage(tmp_path, [window(FaultKind.SPLIT, *NAMES)])
        running = stage.start()
        assert await stage.when(FaultBegan) == FaultBegan(0, FaultKind.SPLIT, NAMES, (("p00",), ("p01", "p02")))
        assert stage.pods.cut() == set(NAMES)
        held = (await stage.pods.agents["p00"].state())["from"]
        assert list(held) == ["10.200.1.11", "10.200.1.12"]
        await running
        assert stage.pods.cut() == set() and stage.effects == ["ineffective"] and stage.said == []
        kinds = [json.loads(line)["kind"] for line in (tmp_path / "faults.jsonl").read_text().splitlines()]
        assert kinds == ["FaultsPlanned", "FaultBegan", "FaultEnded"]

    staged(test)


def test_dropped_packets_are_evidence(tmp_path: Path) -> None:
    async def test() -> None:
        stage = Stage(tmp_path, [window(FaultKind.SPLIT, *NAMES, end=0.2)])
        running = await stage.begun()
        stage.pods.send("p00")
        await running
        assert stage.effects == ["applied"]

    staged(test)


def test_delayed_packets_are_evidence_of_slow_links_only(tmp_path: Path) -> None:
    async def test() -> None:
        slow, lossy = window(FaultKind.SLOW, "p00", end=0.2, delay=0.5), window(FaultKind.LOSS, "p00", end=0.2)
        stage = Stage(tmp_path, [slow, lossy])
        running = await stage.begun()
        kernel = stage.pods.agents["p00"].packet_filter
        kernel.packets.update(rule for rule in kernel.chains["LEARNAE"] if "NFQUEUE" in rule)  # type: ignore[attr-defined]
        await running
        assert stage.effects == ["applied", "ineffective"]

    staged(test)


def test_a_killed_peer_is_restarted_and_the_session_waits_for_it(tmp_path: Path) -> None:
    async def test() -> None:
        stage = Stage(tmp_path, [window(FaultKind.KILL, "p01", end=0.2)])
        running = await stage.begun(PeerCrashed)
        assert stage.containers["peer-p01"].calls == ["kill"] and stage.faults.away == {"peer-p01"}
        assert await stage.containers.brought_back(["peer-p00", "peer-p01"])
        assert stage.containers["peer-p01"].calls == ["kill", "start"]
        assert not await stage.containers.brought_back(["peer-p00", "peer-p01"])
        await running
        assert stage.effects == ["applied"] and stage.faults.away == set()

    staged(test)


def test_a_session_does_not_wait_for_a_peer_that_cannot_be_restarted(tmp_path: Path) -> None:
    async def test() -> None:
        stage = Stage(tmp_path, [window(FaultKind.KILL, "p01", end=0.2)])
        stage.containers["peer-p01"].refuses = "start"
        running = await stage.begun(PeerCrashed)
        assert not await stage.containers.brought_back(["peer-p01"])
        await running
        assert stage.said == ["Chaos: Docker cannot start that."]

    staged(test)


def test_a_container_that_the_kernel_cannot_freeze_at_once_is_frozen_at_a_later_attempt(tmp_path: Path) -> None:
    async def test() -> None:
        stage = Stage(tmp_path, [window(FaultKind.SENSOR_SLEEP, "dog"), window(FaultKind.SENSOR_SLEEP, "cat")])
        stage.containers["sensor-dog"].refuses, stage.containers["sensor-dog"].times = "pause", 3
        stage.containers["sensor-cat"].refuses = "pause"
        await stage.start()
        assert stage.effects == ["applied", "ineffective"] and stage.said[0] == "Chaos: Docker cannot pause that."

    staged(test)


def test_a_peer_that_has_left_by_itself_is_neither_killed_nor_started(tmp_path: Path) -> None:
    async def test() -> None:
        stage = Stage(tmp_path, [window(FaultKind.KILL, "p01")])
        stage.containers["peer-p01"].status = "exited"
        await stage.start()
        assert stage.containers["peer-p01"].calls == [] and stage.effects == ["ineffective"]
        assert not any(isinstance(record.fact, PeerCrashed) for record in stage.board.records)

    staged(test)


def test_each_kind_takes_its_containers_down_and_brings_them_back(tmp_path: Path) -> None:
    async def test() -> None:
        kinds = [
            window(FaultKind.STOP, "p00"),
            window(FaultKind.PAUSE, "p01"),
            window(FaultKind.IPFS_STOP, "p02"),
            window(FaultKind.CHAIN_PAUSE),
            window(FaultKind.CHAIN_STOP, begin=0.1, end=0.15),
            window(FaultKind.SENSOR_KILL, "cat"),
            window(FaultKind.SENSOR_SLEEP, "dog"),
        ]
        stage = Stage(tmp_path, kinds)
        await stage.start()
        told = {service: container.calls for service, container in stage.containers.containers.items()}
        assert told == {
            "peer-p00": ["stop", "start"],
            "peer-p01": ["pause", "unpause"],
            "ipfs-p02": ["kill", "start"],
            "chain": ["pause", "unpause", "stop", "start"],
            "sensor-cat": ["kill", "start"],
            "sensor-dog": ["pause", "unpause"],
        }
        assert stage.effects == ["applied"] * 7

    staged(test)


def test_a_sensor_that_has_not_joined_has_no_container_to_kill(tmp_path: Path) -> None:
    async def test() -> None:
        stage = Stage(tmp_path, [window(FaultKind.SENSOR_KILL, "cat")])
        stage.containers["sensor-cat"].status = ""
        await stage.start()
        assert stage.containers["sensor-cat"].calls == [] and stage.effects == ["ineffective"] and stage.said == []

    staged(test)


def test_a_paused_container_is_resumed_before_it_is_killed(tmp_path: Path) -> None:
    async def test() -> None:
        stage = Stage(
            tmp_path, [window(FaultKind.PAUSE, "p00", end=0.2), window(FaultKind.KILL, "p00", begin=0.1, end=0.2)]
        )
        await stage.start()
        assert stage.containers["peer-p00"].calls[:2] == ["pause", "unpause"]
        assert stage.containers["peer-p00"].calls[2:] == ["kill", "start"]

    staged(test)


def test_a_killed_chain_comes_back_with_an_earlier_state(tmp_path: Path) -> None:
    async def test() -> None:
        state, early = tmp_path / "state.json", json.dumps({"accounts": {}, "transactions": []})
        state.write_text(early)
        stage = Stage(tmp_path, [window(FaultKind.CHAIN_KILL, begin=0.2, end=0.4, blocks=2)])
        running = await stage.begun()
        state.write_text("later, and half wri")
        await running
        assert state.read_text() == early and stage.containers["chain"].calls == ["kill", "start"]
        assert stage.effects == ["applied"]

    staged(test)


def test_killing_a_chain_that_loses_nothing_is_ineffective(tmp_path: Path) -> None:
    async def test() -> None:
        (tmp_path / "state.json").write_text(json.dumps({"accounts": {}, "transactions": []}))
        stage = Stage(tmp_path, [window(FaultKind.CHAIN_KILL, begin=0.2, end=0.4, blocks=2)])
        await stage.start()
        assert stage.containers["chain"].calls == ["kill", "start"] and stage.effects == ["ineffective"]

    staged(test)


@pytest.mark.parametrize("swap", ["link", "fifo", "nonsense", "gone"])
def test_a_chain_that_swaps_its_state_file_neither_reads_nor_writes_another_file(tmp_path: Path, swap: str) -> None:
    async def test() -> None:
        (tmp_path / "chain").mkdir()
        state, secret, early = tmp_path / "chain" / "state.json", tmp_path / "wallet.json", '{"accounts": {}, '
        early += '"transactions": []}'
        secret.write_text(early)  # so that nothing but the link speaks against it
        state.write_text(early)
        stage = Stage(tmp_path / "chain", [window(FaultKind.CHAIN_KILL, begin=0.2, end=0.4, blocks=2)])
        running = await stage.begun()
        secret.write_text("secret")
        state.unlink()
        if swap == "link":
            state.symlink_to(secret)
        elif swap == "fifo":
            os.mkfifo(state)
        elif swap == "nonsense":
            state.write_text('{"accounts": 7}')
        await running
        assert stage.effects == ["applied"]
        assert secret.read_text() == "secret" and not state.is_symlink() and state.read_text() == early

    staged(test)


def test_everything_is_healed_when_the_session_is_interrupted(tmp_path: Path) -> None:
    async def test() -> None:
        kinds = (FaultKind.SPLIT, FaultKind.KILL, FaultKind.PAUSE, FaultKind.IPFS_STOP, FaultKind.CHAIN_STOP)
        targets = {
            FaultKind.SPLIT: NAMES,
            FaultKind.KILL: ("p00",),
            FaultKind.PAUSE: ("p01",),
            FaultKind.IPFS_STOP: ("p02",),
        }
        stage = Stage(tmp_path, [window(kind, *targets.get(kind, ()), end=60) for kind in kinds])
        running = await stage.begun(PeerCrashed)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert stage.pods.cut() == set()
        assert {container.status for container in stage.containers.containers.values()} == {"running"}
        assert stage.effects == []
        assert stage.said == ["Chaos: everything is healed, before the plan was at its end."]

    staged(test)


def test_an_agent_that_does_not_answer_is_reported_and_stops_nothing(tmp_path: Path) -> None:
    async def test() -> None:
        stage = Stage(tmp_path, [window(FaultKind.SPLIT, *NAMES), window(FaultKind.PAUSE, "p00")])
        stage.pods.mute = {"p01"}
        await stage.start()
        assert stage.effects == ["ineffective", "applied"]
        assert "Chaos: the link agent of p01 does not answer (mute)." in stage.said

    staged(test)


def test_without_a_count_from_before_dropped_packets_are_no_evidence(tmp_path: Path) -> None:
    async def test() -> None:
        stage = Stage(tmp_path, [window(FaultKind.SPLIT, *NAMES)])
        stage.pods.mute = {"p01"}
        running = await stage.begun()
        stage.pods.mute = set()
        stage.pods.send("p00")
        await running
        assert stage.effects == ["ineffective"]

    staged(test)


def test_a_cut_of_one_way_is_refused_because_kubo_needs_answers(tmp_path: Path) -> None:
    async def test() -> None:
        with pytest.raises(InputError, match="^the plan has a cut of one way, but Kubo uses TCP"):
            await Stage(tmp_path, [window(FaultKind.CUT, "p00", one_way=True)]).faults.check()

    staged(test)


def test_effects_that_the_kernel_does_not_support_are_refused_in_one_sentence(tmp_path: Path) -> None:
    async def test() -> None:
        await Stage(tmp_path, [window(FaultKind.LOSS, "p00", probability=0.5)]).faults.check()
        await Stage(tmp_path, [window(FaultKind.KILL, "p00")], "DROP").faults.check()
        unable = Stage(
            tmp_path, [window(FaultKind.SPLIT, *NAMES), window(FaultKind.LOSS, "p01", probability=0.5)], "statistic"
        )
        with pytest.raises(InputError, match="^the plan needs loss on links, which this kernel"):
            await unable.faults.check()

    staged(test)


def test_a_plan_starts_when_the_last_peer_has_begun_to_work(tmp_path: Path) -> None:
    async def test() -> None:
        stage = Stage(tmp_path, [window(FaultKind.PAUSE, "p00")])
        running = asyncio.create_task(stage.faults.run())
        for name in NAMES:
            assert not any(isinstance(record.fact, FaultsPlanned) for record in stage.board.records)
            stage.board.observe(stage.faults.clock(), name, WorkChanged(WorkState.TRAINING))
        assert await stage.when(FaultsPlanned) == FaultsPlanned(1)
        await running

    staged(test)


@pytest.mark.parametrize(
    ("saved", "whole"),
    [
        (b'{"accounts": {}, "transactions": []}', True),
        (
            b'{"accounts": {"0x1": {"nonce": 1, "code": "0x"}, "0x2": {"nonce": 1, "code": "0x60"}},'
            b' "transactions": [{}]}',
            True,
        ),
        (b'{"accounts": {"0x1": {"nonce": 1, "code": "0x"}}, "transactions": []}', False),
        (b'{"accounts": {', False),
        (b"", False),
    ],
)
def test_a_state_of_the_chain_with_a_missing_block_is_not_sound(saved: bytes, whole: bool) -> None:
    assert sound(saved) is whole
