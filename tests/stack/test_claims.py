"""Every false claim to a live peer's id, on a real EVM, as ``/v1/directory`` shows it; and the true one stands."""

import asyncio
import random
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import replace
from typing import Any

import httpx
import pytest
from tests.adapters.evms import evm_chain
from tests.adapters.gossips import GARBAGE

from learnae.adapters.evm import Node, dpoid
from learnae.adapters.evm.local import LocalEvm
from learnae.adapters.evm.rpc import parse_hex
from learnae.adapters.ipfs_keys import create_identity
from learnae.adapters.keystore import Wallet
from learnae.adapters.memory import MemoryJournal, MemoryPredictor, keys
from learnae.adapters.memory_network import MemoryGossip
from learnae.adapters.metrics import Metrics
from learnae.errors import Reason
from learnae.messages.ids import base64url
from learnae.messages.wire import cid_of, encode, proof_text
from learnae.protocol.decisions import Verdict
from learnae.protocol.events import IdentityAnnouncement
from learnae.protocol.types import ETHER, Address, Cid, Claim, Poid, TxHash
from learnae.records.history import Fact
from learnae.runtime.clocks import Moment, SessionClock
from learnae.runtime.learning import MemoryLearning
from learnae.runtime.live import LivePeer
from learnae.runtime.memory_session import MemorySession
from learnae.runtime.peer_service import PeerService
from learnae.runtime.wallets import wallets
from learnae.session.session_file import parse
from learnae.web.api.guard import Guard
from learnae.web.api.peer_api import peer_api

SETTINGS = {"peers": 2, "chain": {"poll": 0.05}, "data": {"rows": 200}, "work": {"slices": 2}}
JUDGED = 60.0  # s until everything is
ORDERS = 30  # of arrival
MALLORY = Wallet.from_key(b"\x07" * 32)
ELSEWHERE = cid_of(b"another session")
ROWS = "ab" * 32  # the commitment of every claim
BY_OTHER_RULES = "0x" + "11" * 32  # a genesis hash

WRONG: dict[str, tuple[Verdict, Reason | None]] = {
    "late duplicate": (Verdict.DUPLICATE, None),
    "early squatter": (Verdict.REJECTED, Reason.SIGNATURE),
    "another session's": (Verdict.REJECTED, Reason.SIGNATURE),
    "another chain's": (Verdict.REJECTED, Reason.SIGNATURE),
    "not on this chain": (Verdict.REJECTED, Reason.NOT_FOUND),
    "other code": (Verdict.REJECTED, Reason.CODE_MISMATCH),
    "another's receipt": (Verdict.REJECTED, Reason.RECEIPT),
    "wrong signature": (Verdict.REJECTED, Reason.SIGNATURE),
    "other rows": (Verdict.REJECTED, Reason.SIGNATURE),
    "wallet mismatch": (Verdict.REJECTED, Reason.WALLET),
}
ALL = {"honest": (Verdict.WINNER, None), **WRONG}
Judged = dict[str, tuple[Verdict, Reason | None]]


class World:
    """ann is p00 and bob, who listens, is p01.  Whatever is claimed is told by a sender of its own."""

    def __init__(self, identity: str) -> None:
        self.session = parse(SETTINGS | {"identity": identity})
        self.wallets = wallets(self.session)
        learning = MemoryLearning(self.session)
        self.keys = {name: create_identity() for name in self.wallets}
        ids = {name: (key.peer_id, self.wallets[name].address) for name, key in self.keys.items()}
        self.setup = MemorySession(self.session, learning, ids.__getitem__)
        self.ann = self.setup.members[0]
        accounts = [MALLORY.address, *(each.address for each in self.wallets.values())]
        self.evm = LocalEvm(dict.fromkeys(accounts, ETHER), self.session.chain.id)
        self.node = Node(self.evm, self.session.chain.id)
        self.senders = {name: keys(name)[0] for name in ALL}

    async def deploy(self, wallet: Wallet, poid: Poid, nonce: int) -> tuple[Address, TxHash]:
        chain = evm_chain(self.node, wallet)
        signed = await chain.sign_deploy(poid, nonce, 0)
        await chain.broadcast(signed)
        await self.evm.mine()
        receipt = await chain.receipt(signed.hash)
        assert receipt and receipt.contract
        return receipt.contract, signed.hash

    async def deploy_code(self, code: bytes, nonce: int) -> tuple[Address, TxHash]:
        """A contract of mallory's with this very code."""
        creation = bytes.fromhex(f"61{len(code):04x}80600a5f395ff3") + code
        fees = {"maxFeePerGas": 10**10, "maxPriorityFeePerGas": 10**9, "gas": 300_000}
        to_all = {"type": 2, "chainId": self.session.chain.id, "nonce": nonce, "to": b"", "value": 0}
        await self.node.send("0x" + MALLORY.sign(to_all | fees | {"data": creation}).hex())
        await self.evm.mine()
        newest = await self.node.block((await self.node.newest_block()).number, full=True)
        mined = await self.node.receipt(TxHash(parse_hex(newest.transactions[0]["hash"], 32)))
        assert mined and mined.contract
        return mined.contract, mined.hash

    async def proven(self, claim: Claim, by: str = "p00", session: Cid | None = None, genesis: str = "") -> Claim:
        """Signed by that peer's IPFS key, for this session and chain unless told otherwise."""
        chain = evm_chain(self.node, MALLORY)
        genesis = genesis or (await chain.head()).genesis
        text = proof_text(claim, session or self.setup.session_id, self.session.chain.id, genesis)
        return replace(claim, signature=await self.keys[by].sign(text))

    async def claims(self) -> dict[str, Claim]:
        """Mallory has deployed first; p01's key is as good as hers."""
        true, false = Poid(self.ann.peer, self.ann.wallet), Poid(self.ann.peer, MALLORY.address)
        squatted = Claim(false, *await self.deploy(MALLORY, false, 0), ROWS, "")
        started = (await self.node.newest_block()).timestamp
        honest = Claim(true, *await self.deploy(self.wallets["p00"], true, 0), ROWS, "")
        again = Claim(true, *await self.deploy(self.wallets["p00"], true, 1), ROWS, "")
        coded = Claim(false, *await self.deploy_code(dpoid.runtime_code(false, started - 9), 1), ROWS, "")
        nowhere = replace(honest, contract=Address("0x" + "12" * 20))
        return {
            "honest": await self.proven(honest),
            "late duplicate": await self.proven(again),
            "early squatter": await self.proven(squatted, by="p01"),
            "another session's": await self.proven(honest, session=ELSEWHERE),
            "another chain's": await self.proven(honest, genesis=BY_OTHER_RULES),
            "not on this chain": await self.proven(nowhere),
            "other code": await self.proven(coded, by="p01"),
            "another's receipt": await self.proven(replace(honest, deploy_tx=again.deploy_tx)),
            "wrong signature": replace(honest, signature=base64url(bytes(64))),
            "other rows": replace(await self.proven(honest), validation="00" * 32),
            "wallet mismatch": await self.proven(replace(honest, poid=false), by="p01"),
        }


class Bob:
    """One live peer, which hears what it is told in that order."""

    def __init__(self, world: World) -> None:
        self._world, net = world, world.setup.swarm.net
        self.gossip = MemoryGossip(net, {}, "p01", world.setup.members[1].peer)
        chain, clock = evm_chain(world.node, world.wallets["p01"]), SessionClock(Moment.now())
        self.live = LivePeer(
            "p01",
            world.setup.peer_config(1),
            replace(world.setup.ports(1, chain), key=world.keys["p01"]),
            self.gossip,
            MemoryJournal(),
            clock,
            (self._look,),
        )
        inside = PeerService(world.setup.members[1], clock, Metrics())
        inside.begin(self.live, MemoryPredictor())
        transport = httpx.ASGITransport(peer_api(inside, Guard(None)))
        self._api = httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8080")
        self._expected, self._all_judged = 0, asyncio.Event()

    async def hears(self, claims: Sequence[tuple[str, Claim]], *garbage: bytes) -> Judged:
        """The verdict and the reason of each claim, as the API gives them."""
        self._expected = len(claims)
        async with asyncio.TaskGroup() as group:
            life = group.create_task(self.live.run())
            for name, claim in claims:
                here = IdentityAnnouncement(self._world.setup.session_id, claim, ())
                self._told(name, *garbage, encode(here))
            await asyncio.wait_for(self._all_judged.wait(), JUDGED)
            entries = (await self._api.get("/v1/directory")).json()
            self.live.stop()
            await life
        named = {sender: name for name, sender in self._world.senders.items()}
        return {
            named[each["sender"]]: (Verdict(each["verdict"]), Reason(each["reason"]) if each["reason"] else None)
            for each in entries
        }

    def _told(self, name: str, *messages: bytes) -> None:
        speaker = MemoryGossip(self.gossip.net, {"p01": self.gossip}, name, self._world.senders[name])
        for message in messages:
            speaker.broadcast(message)

    def _look(self, now: float, peer: str, item: Fact) -> None:
        if len(self.live.peer.status().directory) == self._expected:
            self._all_judged.set()


Story = Callable[[World, dict[str, Claim]], Coroutine[Any, Any, None]]


def told(identity: str, story: Story) -> None:
    world = World(identity)

    async def play() -> None:
        await story(world, await world.claims())

    try:
        asyncio.run(play())
    finally:
        world.evm.close()


def test_each_false_claim_is_rejected_with_its_reason_and_the_true_one_stands_whatever_the_order() -> None:
    async def story(world: World, claims: dict[str, Claim]) -> None:
        dice, order = random.Random(1), list(claims.items())
        for _ in range(ORDERS):
            bob = Bob(world)
            assert await bob.hears(order) == ALL, [name for name, _ in order]
            assert bob.live.peer.status().payee(world.ann.peer) == world.ann.wallet
            dice.shuffle(order)

    told("proven", story)


@pytest.mark.parametrize("name", WRONG)
def test_before_and_after_each_single_false_claim_the_true_one_stands(name: str) -> None:
    async def story(world: World, claims: dict[str, Claim]) -> None:
        pair = [("honest", claims["honest"]), (name, claims[name])]
        for order in (pair, pair[::-1]):
            assert await Bob(world).hears(order) == {"honest": ALL["honest"], name: WRONG[name]}

    told("proven", story)


@pytest.mark.parametrize("name", [name for name in WRONG if name != "late duplicate"])
def test_a_false_claim_alone_makes_nobody_a_payee(name: str) -> None:
    async def story(world: World, claims: dict[str, Claim]) -> None:
        bob = Bob(world)
        assert await bob.hears([(name, claims[name])]) == {name: WRONG[name]}
        assert bob.live.peer.status().payee(world.ann.peer) is None

    told("proven", story)


def test_under_the_papers_rule_the_early_squatter_wins_whatever_the_order() -> None:
    """Section 3.2 asks for the least timestamp and for no proof: whoever deploys first, owns the id."""

    async def story(world: World, claims: dict[str, Claim]) -> None:
        pair = [(name, claims[name]) for name in ("honest", "early squatter")]
        for order in (pair, pair[::-1]):
            bob = Bob(world)
            assert await bob.hears(order) == {
                "honest": (Verdict.LATER, None),
                "early squatter": (Verdict.WINNER, None),
            }
            assert bob.live.peer.status().payee(world.ann.peer) == MALLORY.address

    told("paper", story)


def test_garbage_and_what_is_meant_for_another_session_is_dropped_and_counted() -> None:
    async def story(world: World, claims: dict[str, Claim]) -> None:
        bob = Bob(world)
        abroad = encode(IdentityAnnouncement(ELSEWHERE, claims["honest"], ()))
        honest = [("honest", claims["honest"])]
        assert await bob.hears(honest, abroad, *GARBAGE.values()) == {"honest": ALL["honest"]}
        assert bob.live.dropped == {Reason.SESSION: 1}
        assert bob.gossip.dropped.total() == len(GARBAGE)
        assert set(bob.gossip.dropped) == {Reason.MALFORMED, Reason.VERSION, Reason.OVERSIZE}

    told("proven", story)
