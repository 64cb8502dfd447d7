"""Real Kubo nodes keep the promises of Store, Gossip and IdentityKey, whatever happens to them and around them."""

import asyncio
import json
import shlex
import signal
import time
from collections.abc import Coroutine, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import pytest
import torch
from tests.adapters.gossips import GARBAGE, SESSION, GossipSuite, Listener, listening, model, told
from tests.adapters.keys import IdentityKeySuite
from tests.adapters.kubo_nodes import Nodes
from tests.adapters.stores import StoreSuite
from tests.helpers.command_line import Done, here, refused

from learnae.adapters import keystore as keys
from learnae.adapters.kubo import Kubo, KuboGossip, store
from learnae.adapters.kubo.dialing import DialPolicy
from learnae.adapters.kubo.rpc import DIAL_TIMEOUT, MAX_ANSWER
from learnae.backends import live_run as sessions
from learnae.errors import PortError, Reason
from learnae.learn.cache import BlockMetadata
from learnae.learn.model import create_network
from learnae.learn.serialization import decode_block, encode_block, weights_digest
from learnae.messages.chunk_list import ChunkList, raw_cid
from learnae.messages.ids import CID_PREFIX, base64url, cid_from_bytes, cid_to_bytes
from learnae.messages.wire import MAX_BLOCK, cid_of, topics
from learnae.ports import Gossip, IdentityKey, Store
from learnae.protocol.types import Cid
from learnae.session.session_file import parse, to_toml
from learnae.session.settings import ModelSettings

pytestmark = pytest.mark.real

T = TypeVar("T")
PATIENCE = 1.5  # s for what is not there
BUSY = 20.0  # s for what is there, on a busy machine
HANGS = 60  # s: far longer than a busy machine needs


class World:
    """Nodes and a client of each."""

    def __init__(self, runner: asyncio.Runner, folder: Path, peering: bool = True, count: int = 3) -> None:
        self.runner, self.nodes = runner, Nodes(folder, count, peering)
        self.kubos = [self.wait(Kubo.connect("127.0.0.1", node.rpc_port, BUSY)) for node in self.nodes]
        self.stores: list[Store] = [*self.kubos]
        self.mine: IdentityKey = self.kubos[0]
        self.theirs: IdentityKey = self.kubos[1]
        self.peers = [kubo.peer_id for kubo in self.kubos]
        for kubo in self.kubos:
            kubo.dialling = DialPolicy.of({}, ["127.0.0.0/8", "192.0.2.0/24"])
        self.renew()

    def renew(self) -> None:
        """Nothing dropped yet."""
        self.gossips: list[Gossip] = [KuboGossip(kubo, SESSION) for kubo in self.kubos]

    def leave(self, index: int) -> None:
        self.nodes[index].kill()

    def expect_absent(self) -> None:
        self.be_patient(PATIENCE)

    def be_patient(self, seconds: float) -> None:
        """Wait so long for an answer."""
        for kubo in self.kubos:
            kubo.call_timeout, kubo.fetch_timeout = seconds, 2 * (seconds + DIAL_TIMEOUT)

    def limit(self, size: int) -> None:
        for kubo in self.kubos:
            kubo.max_size = size

    async def shout(self, index: int, message: bytes) -> None:
        await self.kubos[index].call("pubsub/pub", message, arg=base64url(topics(SESSION)[1].encode()))

    def wait(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(coroutine)

    def close(self) -> None:
        for kubo in self.kubos:
            self.wait(kubo.close())
        self.nodes.stop()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """For tests that leave the nodes as they were."""
    with asyncio.Runner() as runner:
        world = World(runner, tmp_path_factory.mktemp("kubo"))
        yield world
        world.close()


@pytest.fixture
def strangers(tmp_path: Path) -> Iterator[World]:
    """Three nodes that do not know each other."""
    with asyncio.Runner() as runner:
        world = World(runner, tmp_path, peering=False)
        yield world
        world.close()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with asyncio.Runner() as runner:
        world = World(runner, tmp_path)
        yield world
        world.close()


async def failure(call: Coroutine[Any, Any, object]) -> Reason:
    with pytest.raises(PortError) as failed:
        await call
    return failed.value.reason


def reason(world: World, call: Coroutine[Any, Any, object]) -> Reason:
    return world.wait(failure(call))


def calls(world: World, patience: float = PATIENCE) -> dict[str, Coroutine[Any, Any, object]]:
    """Everything that can be asked of the first node."""
    kubo, gossip = world.kubos[0], world.gossips[0]
    return {
        "put": kubo.put(b"weights"),
        "get": kubo.get(cid_of(b"weights"), (world.nodes[1].address,)),
        "sign": kubo.sign(b"claim"),
        "addresses": kubo.addresses(),
        "metrics": kubo.metrics(),
        "publish": gossip.publish(model(1)),
        "connect": Kubo.connect("127.0.0.1", world.nodes[0].rpc_port, patience),
    }


class TestKuboStore(StoreSuite):
    def test_hints_lead_to_a_peer_nobody_knew(self, strangers: World) -> None:
        cid = strangers.wait(strangers.kubos[0].put(b"weights"))
        strangers.expect_absent()
        assert reason(strangers, strangers.kubos[1].get(cid)) is Reason.TIMEOUT
        strangers.be_patient(BUSY)
        hints = strangers.wait(strangers.kubos[0].addresses())
        nowhere = f"/ip4/192.0.2.1/tcp/4001/p2p/{strangers.peers[0]}"  # nobody answers there, not even that nobody does
        wrong = ("/ip4/127.0.0.1/tcp/9", "nonsense", nowhere, strangers.nodes[2].address)
        assert strangers.wait(strangers.kubos[1].get(cid, (*wrong, *hints))) == b"weights"

    def test_a_peer_that_comes_back_during_the_first_try_is_dialled_again(self, strangers: World) -> None:
        mine, theirs = strangers.kubos[1], strangers.nodes[0]
        cid = strangers.wait(strangers.kubos[0].put(b"weights"))

        async def story() -> bytes | None:
            block = asyncio.create_task(mine.get(cid, (theirs.address,)))
            await mine.addresses()  # the first dial is under way
            theirs.start()
            with suppress(PortError):
                return await block
            return None

        for seconds in (2.0, 8.0, 30.0):  # until the second try; a busy machine starts a node slowly
            theirs.kill()
            strangers.be_patient(seconds)
            block = strangers.wait(story())
            theirs.ready()
            if block:
                break
        assert block == b"weights"

    def test_a_raw_block_that_is_too_large_is_not_taken(self, world: World) -> None:
        block = bytes(MAX_BLOCK * 3 // 2)
        arguments = {"cid-codec": "raw", "mhtype": "sha2-256", "allow-big-block": "true"}
        assert world.wait(world.kubos[0].call("block/put", block, None, **arguments))["Key"] == raw_cid(block)
        assert reason(world, world.kubos[1].get(raw_cid(block))) is Reason.OVERSIZE

    @pytest.mark.parametrize(
        "cid", ["", "bafyreigdyrzt5sfp7udm7hu76uh7y26nf3efuylqabf3oclgtqy55fbzdi", "/ipns/x", "Qm"]
    )
    def test_what_is_neither_a_raw_block_nor_a_list_is_not_asked_for(self, world: World, cid: str) -> None:
        assert reason(world, world.kubos[0].get(Cid(cid))) is Reason.MALFORMED

    def test_a_node_lists_addresses_that_others_can_dial(self, world: World) -> None:
        assert world.wait(world.kubos[0].addresses()) == (world.nodes[0].address,)

    def test_what_was_put_is_pinned(self, world: World) -> None:
        cid = world.wait(world.kubos[0].put(b"weights"))
        pinned = world.wait(world.kubos[0].call("pin/ls", type="recursive"))
        assert cid in pinned["Keys"]

    def test_a_model_of_ten_million_parameters_travels_and_its_chunks_go_with_its_list(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        network = create_network(ModelSettings(hidden=(3150, 3150)))
        weights = network.random_weights(torch.Generator().manual_seed(1))
        block = encode_block(network, weights, BlockMetadata("", "", 0))
        assert network.size > 10_000_000
        mine, other = world.kubos[:2]
        cid = world.wait(mine.put(block))
        assert decode_block(network, world.wait(other.get(cid))).digest == weights_digest(weights)

        def chunks_left(kubo: Kubo) -> set[str]:
            """After the node has deleted what is not pinned."""
            world.wait(kubo.post("repo/gc", MAX_ANSWER, quiet="true"))
            stored = world.wait(kubo.post("refs/local", MAX_ANSWER)).decode()
            return {json.loads(line)["Ref"] for line in stored.splitlines()} & raw_names

        cids = (cid, *ChunkList.of(block).chunks)
        raw_names = {cid_from_bytes(CID_PREFIX + cid_to_bytes(each)[4:]) for each in cids}  # as a node lists them
        assert chunks_left(mine) == raw_names and not chunks_left(other)
        monkeypatch.setattr(store, "MAX_PINNED", len(block))
        restarted = world.wait(Kubo.connect("127.0.0.1", world.nodes[0].rpc_port, BUSY))
        newer = world.wait(restarted.put(bytes(MAX_BLOCK + 1)))
        world.wait(restarted.close())
        assert not chunks_left(mine)
        assert world.wait(other.get(newer)) == bytes(MAX_BLOCK + 1)


class TestKuboKey(IdentityKeySuite):
    @pytest.fixture
    def world(self, shared: World) -> World:
        return shared

    @pytest.mark.parametrize("change", ["{}=", "{} ", "u{}", "{}AA", "\n{}", "U{}"])
    def test_a_signature_has_one_spelling(self, world: World, change: str) -> None:
        signature = world.wait(world.mine.sign(b"claim"))
        assert not world.mine.verify(world.mine.peer_id, b"claim", change.format(signature))
        unused_bits = signature[:-1] + chr(ord(signature[-1]) + 1)
        assert not world.mine.verify(world.mine.peer_id, b"claim", unused_bits)

    @pytest.mark.parametrize("message", [b"", b"\0", bytes(range(256)), b"x" * 10_000])
    def test_any_message_can_be_signed(self, world: World, message: bytes) -> None:
        assert world.theirs.verify(world.mine.peer_id, message, world.wait(world.mine.sign(message)))


class TestKuboGossip(GossipSuite):
    @pytest.fixture
    def world(self, shared: World) -> World:
        shared.renew()
        return shared

    def test_another_session_is_not_heard(self, world: World) -> None:
        async def story() -> None:
            other = cid_of(b"another session")
            async with listening(world) as listeners:
                said = replace(model(1), session=other)
                await KuboGossip(world.kubos[0], other).publish(said)
                await told(world.gossips[0], model(2), listeners[1])
                assert listeners[1].said == {model(2)}

        world.wait(story())

    def test_garbage_without_end_costs_nobody_an_announcement(self, world: World) -> None:
        async def story() -> None:
            async with listening(world) as listeners:
                for step, garbage in enumerate(GARBAGE.values(), start=1):
                    await world.shout(0, garbage)
                    await world.shout(2, garbage)
                    await told(world.gossips[2], model(step), listeners[1])
                assert listeners[1].heard == {(world.peers[2], model(step + 1)) for step in range(len(GARBAGE))}

        world.wait(story())


def test_a_node_that_is_killed_and_comes_back_is_listened_to_again(world: World) -> None:
    async def story() -> None:
        async with listening(world) as listeners:
            world.nodes[1].kill()
            await told(world.gossips[0], model(1), listeners[2])
            world.nodes.start()
            await told(world.gossips[0], model(2), *listeners[1:])
            await told(world.gossips[1], model(3), listeners[0], listeners[2])
            assert listeners[1].heard == {(world.peers[0], model(2))}

    world.wait(story())


def test_one_may_listen_before_the_node_is_there(world: World) -> None:
    world.nodes[1].kill()

    async def story() -> None:
        listener = Listener(world.gossips[1])
        async with asyncio.TaskGroup() as group:
            listen = group.create_task(listener.listen())
            assert await failure(world.gossips[1].publish(model(1))) is Reason.UNREACHABLE
            world.nodes.start()
            await told(world.gossips[0], model(2), listener)
            listen.cancel()

    world.wait(story())


# when the node is away


def test_a_node_that_is_down_is_unreachable_at_once_and_back_when_it_is_back(world: World) -> None:
    world.nodes[0].kill()
    world.kubos[0].call_timeout = 10 * HANGS
    for name, call in calls(world, 10 * HANGS).items():
        began = time.monotonic()
        assert reason(world, call) is Reason.UNREACHABLE, name
        assert time.monotonic() - began < HANGS, name  # it waits for no answer
    world.be_patient(BUSY)
    world.nodes.start()
    world.wait(world.kubos[0].addresses())
    assert world.wait(world.kubos[0].put(b"weights")) == cid_of(b"weights")


def test_a_node_that_hangs_is_waited_for_no_longer_than_said(world: World) -> None:
    world.nodes[0].send(signal.SIGSTOP)
    world.kubos[0].call_timeout = short = 0.2
    for name, call in calls(world, short).items():
        began = time.monotonic()
        assert reason(world, call) is Reason.TIMEOUT, name
        assert short <= time.monotonic() - began < HANGS, name  # a get dials and fetches, twice
    world.nodes[0].send(signal.SIGCONT)
    world.be_patient(BUSY)
    world.wait(world.kubos[0].addresses())


def test_a_cancelled_call_is_cancelled(world: World) -> None:
    world.nodes[0].send(signal.SIGSTOP)

    async def story() -> None:
        for name, call in calls(world).items():
            task = asyncio.create_task(call)
            done, _ = await asyncio.wait([task], timeout=0.05)
            assert not done, name
            task.cancel()
            done, _ = await asyncio.wait([task], timeout=60)
            assert done and task.cancelled(), name

    world.wait(story())
    world.nodes[0].send(signal.SIGCONT)


def test_a_roster_is_made_of_nodes_that_run_with_a_private_wallet_for_each_peer(shared: World, tmp_path: Path) -> None:
    (tmp_path / "session.toml").write_text(to_toml(parse({"peers": 2})))
    urls = [f"http://127.0.0.1:{node.rpc_port}" for node in shared.nodes]

    def made(*nodes: str) -> Done:
        options = [part for url in nodes for part in ("--kubo", url)]
        return here(tmp_path, "roster", "session.toml", *options, "--rpc", "http://127.0.0.1:1234", "--out", "run")

    refused(made(urls[0], urls[0]), "one Kubo node")
    done = made(*urls)
    assert done.returncode == 0, done.stderr
    session, members = sessions.members(tmp_path / "run")
    assert session.peers == 3 and [each.peer for each in members] == shared.peers
    for number, member in enumerate(members):
        keystore = tmp_path / "run" / f"{member.name}.key"
        assert keys.load_wallet(keystore).address == member.wallet and keystore.stat().st_mode & 0o777 == 0o600
        [command] = [shlex.split(line) for line in done.stdout.splitlines() if f"--name {member.name}" in line]
        assert command[:3] == ["learnae", "peer", "run/session.toml"] and urls[number] in command
    refused(made(*urls), "already holds a roster")
