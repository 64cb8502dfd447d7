"""A random but legal driver: it reports whatever a driver may, in any order, and checks what must always hold."""

import random
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, get_args

from tests.helpers.peers import announced, claim, facts, identified

from learnae.errors import DOWN, Reason
from learnae.protocol import actions as do
from learnae.protocol import events as on
from learnae.protocol.blockchain import (
    Head,
    ModelPayment,
    PaymentReport,
    PaymentsRead,
    PoolRead,
    PoolState,
    ReadPayments,
    ReadPool,
    Receipt,
    Signed,
    SignPoolCall,
)
from learnae.protocol.decisions import DebtChanged, DebtState, IdentityChanged, IdentityState, WorkChanged, WorkState
from learnae.protocol.fetches import OPEN, READY
from learnae.protocol.policies import ForgeModel, ModelForged, Role
from learnae.protocol.replay import digest, new_peer, replay
from learnae.protocol.settings import PeerConfig
from learnae.protocol.transitions import IDENTITY, WORK
from learnae.protocol.types import Address, ModelRef, Parents, PeerId, Score, Timer, TxHash, Wei, Weights

NAMES = ("ann", "bob", "cat", "dan", "eve", "me")
UNITS = get_args(do.TrainerAction)
SIGNING = get_args(do.Signing)
OWED = DebtState.OWED
NEXT = {  # legal next states of a debt
    None: {OWED},
    OWED: {DebtState.PAYABLE, DebtState.DECLINED, DebtState.UNCLAIMED},
    DebtState.PAYABLE: {DebtState.PAYABLE, OWED, DebtState.SIGNED, DebtState.DECLINED},
    DebtState.DECLINED: set(),
    DebtState.UNCLAIMED: set(),
}
SIGNED = {DebtState.SIGNED, DebtState.SENT, DebtState.MINED, DebtState.FINAL, DebtState.REFUSED}


@dataclass
class RandomDriver:
    """One peer and all events that it has handled.  Every step checks what must always hold."""

    config: PeerConfig
    rng: random.Random
    now: float = 0.0
    journal: list[tuple[on.Event, str]] = field(default_factory=list)
    open: dict[int, do.Request] = field(default_factory=dict)
    closed: list[int] = field(default_factory=list)  # ids of requests that were answered or given up
    timers: set[Timer] = field(default_factory=set)
    height: int = 3
    chains: int = 0
    known: str | None = None  # genesis that the peer has seen
    purposes: dict[tuple[str | None, int], tuple[int, ...]] = field(default_factory=dict)  # (chain, nonce) -> debts
    purpose_of: dict[str, tuple[int, ...]] = field(default_factory=dict)  # by hash of the signed transaction
    deployments: set[str] = field(default_factory=set)
    debts: dict[int, DebtChanged] = field(default_factory=dict)
    work: WorkState = WorkState.EMPTY
    identity: IdentityState = IdentityState.NONE
    made: int = 0
    over: bool = False
    seen: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.peer = new_peer(self.config)
        self.trouble = self.rng.choice((0.0, 0.05, 0.25))  # how many requests fail
        self.tell(on.Started(0.0))

    # what can happen

    def step(self) -> None:
        self.now += self.rng.choice((0.0, 0.0, 0.1, 0.5, 1.0, 3.0, 12.0))
        roll = self.rng.random()
        if roll < 0.5 and self.open:
            self.answer(self.rng.choice(list(self.open.values())))
        elif roll < 0.75:
            self.fire()
        elif roll < 0.95:
            self.gossip()
        elif roll < 0.97 and self.closed:
            self.answer_again(self.rng.choice(self.closed))
        elif roll < 0.99:
            self.height = max(1, self.height - self.rng.randrange(3))
            self.chains += self.rng.random() < 0.2
            self.tell(on.ChainRolledBack(self.now, self.head()))
        elif self.rng.random() < 0.05:
            self.tell(on.SessionClosed(self.now))

    def fire(self) -> None:
        """Fire a timer that is due, or any other at any time."""
        timers = {each.timer: each.delay for each in self.peer.outstanding() if isinstance(each, do.SetTimer)}
        timer = self.rng.choice([*timers, *Timer])
        if self.rng.random() < 0.8:
            self.now += timers.get(timer, 0.0)
        self.tell(on.TimerFired(self.now, timer))

    def gossip(self) -> None:
        sender = PeerId(self.rng.choice(NAMES))
        if self.rng.random() < 0.6:
            step = self.rng.randrange(1, 4 + len(self.journal) // 8)
            tensors = f"t{self.rng.randrange(40)}" if self.rng.random() < 0.2 else f"{sender} {step}"
            weights = Weights(self.cid(f"{sender} {step}"), tensors)
            event = self.peer.screen(sender, announced(ModelRef(sender, step, weights, self.parents())), self.now)
        else:
            named, number = self.rng.choice((sender, "cat")), self.rng.randrange(4)
            event = self.peer.screen(sender, identified(claim(named, f"0x{sender}", f"{sender}-{number}")), self.now)
        if isinstance(event, Reason):
            self.seen[event] += 1
        else:
            self.tell(event)

    def answer(self, request: do.Request, fail: bool = False) -> None:
        id, at = request.request, self.now
        if fail or self.rng.random() < self.trouble:
            return self.tell(on.RequestFailed(at, id, self.rng.choice((*DOWN, *Reason))))
        match request:
            case do.FetchModel():
                self.tell(on.ModelFetched(at, id))
            case do.StoreModel():
                self.tell(on.ModelStored(at, id))
            case do.ScoreModel() | do.TrainSlice() | do.AverageModels():
                self.tell(on.ModelScored(at, id, self.weights(), self.score()))
            case ForgeModel():
                self.tell(ModelForged(at, id, self.weights()))
            case do.SignDeployment(nonce=nonce) | do.SignPayment(nonce=nonce) | SignPoolCall(nonce=nonce):
                self.made += 1
                tx = Signed(nonce, f"raw {self.made}", TxHash(f"tx {self.made}"), self.head().genesis)
                self.purpose_of[tx.hash] = () if isinstance(request, do.SignDeployment) else request.debts
                self.deployments |= {tx.hash} if isinstance(request, do.SignDeployment) else set()
                self.tell(on.TransactionSigned(at, id, tx))
            case do.SendTransaction():
                self.tell(on.TransactionSent(at, id))
            case do.ReadReceipts():
                self.height += self.rng.randrange(3)
                self.tell(on.ReceiptsRead(at, id, self.head(), tuple(map(self.receipt, request.hashes))))
            case ReadPayments(since=since, wallets=wallets):
                payers = [Address(f"0x{name}") for name in NAMES]
                payments = tuple(
                    ModelPayment(self.rng.choice(payers), wallet, (self.cid(f"me-{number % 9}"),), Wei(number))
                    for wallet, number in ((each, self.rng.randrange(900)) for each in wallets)
                )
                until = max(since, self.height)
                height = until + self.rng.randrange(2)
                self.tell(PaymentsRead(at, id, PaymentReport(self.head().genesis, until, height, payments)))
            case ReadPool():
                members = tuple(Address(f"0x{name}") for name in NAMES if self.rng.random() < 0.8)
                deadline = self.rng.choice((0, self.height + self.rng.randrange(-2, 20)))
                contracts = tuple(Address(f"0x{number}") for number in range(5) if self.rng.random() < 0.8)
                state = PoolState(max(0, deadline), self.rng.random() < 0.1, members, contracts)
                self.tell(PoolRead(at, id, self.head(), state))
            case do.SignClaim():
                self.tell(on.ClaimSigned(at, id, "proof"))
            case do.ReadClaim():
                poid, rank, holds = request.claim.poid, self.rng.randrange(5), self.rng.random() < 0.9
                wallet = poid.wallet if self.rng.random() < 0.9 else "0xeve"
                self.tell(on.ClaimRead(at, id, facts(poid.peer, wallet, rank, 1, 0, signature_valid=holds)))

    def answer_again(self, id: int) -> None:
        before = self.requests()
        assert self.peer.handle(on.ModelStored(self.now, id)) == []
        self.journal.append((on.ModelStored(self.now, id), digest([])))
        assert self.requests() == before

    def fail_all(self) -> int:
        """Answer everything with a failure at one moment until nothing is open; how many answers that took."""
        count = 0
        while self.open and count < 2000:
            self.answer(next(iter(self.open.values())), fail=True)
            count += 1
        return count

    def head(self) -> Head:
        return Head(f"genesis {self.chains}", self.height, f"block {self.height}", self.height)

    def receipt(self, hash: TxHash) -> Receipt | None:
        contract = Address(f"contract {hash}") if hash in self.deployments else None
        block = self.rng.randrange(self.height + 1)
        return Receipt(hash, block, self.rng.random() < 0.8, contract) if self.rng.random() < 0.4 else None

    def score(self) -> Score:
        """Mostly near the last score, so that improvements continue for a while."""
        last = self.peer.status().score
        near = max(0, min(1000, (last.correct if last else 500) + self.rng.randrange(-15, 20)))
        return Score(near if self.rng.random() < 0.95 else 0, 1000)

    def weights(self) -> Weights:
        self.made += 1
        return Weights(self.cid(f"made {self.made}"), f"made {self.made}")

    def parents(self) -> Parents | None:
        """Of an average that another peer announces."""
        if self.rng.random() >= 0.3:
            return None
        return Parents(
            (self.cid("own"), self.cid(f"remote {self.rng.randrange(9)}")), (self.cid("me"), self.cid("eve"))
        )

    @staticmethod
    def cid(name: str) -> Any:
        return name

    # what must hold

    def tell(self, event: on.Event) -> None:
        if isinstance(event, on.Answer):
            del self.open[event.request]
            self.closed.append(event.request)
        match event:
            case on.ReceiptsRead(head=head) | on.ChainRolledBack(head=head) | PoolRead(head=head):
                self.known = head.genesis
            case on.TransactionSigned(signed=Signed(genesis=chain)):
                self.known = chain
        self.over = self.over or isinstance(event, on.SessionClosed)
        actions = self.peer.handle(event)
        self.journal.append((event, digest(actions)))
        for action in actions:
            self.watch(action)
        self.drop(event)
        self.bounded()
        self.awake()
        if self.over:
            assert not [d for d in self.debts.values() if d.state in (OWED, DebtState.PAYABLE)]

    def watch(self, action: do.Action) -> None:
        self.seen[type(action).__name__] += 1
        match action:
            case do.RecordDecision(WorkChanged(work=work)):
                assert work in {after for (before, _), after in WORK.items() if before is self.work}
                self.work = work
            case do.RecordDecision(IdentityChanged(identity=identity)):
                assert identity in {after for (before, _), after in IDENTITY.items() if before is self.identity}
                self.identity = identity
            case do.RecordDecision(DebtChanged() as debt):
                self.owes(debt)
            case do.SetTimer(timer=timer, delay=delay):
                assert delay >= 0
                self.timers.add(timer)
            case do.SendTransaction(signed=signed):
                self.sends(signed)
                self.open[action.request] = action
            case do.RecordDecision() | do.Announce():
                pass
            case _:
                assert action.request not in self.open and action.request not in self.closed
                self.open[action.request] = action

    def owes(self, debt: DebtChanged) -> None:
        before = self.debts.get(debt.debt)
        legal = NEXT.get(before.state if before else None, SIGNED | {DebtState.DECLINED})
        assert debt.state in legal, f"{before} became {debt}"
        self.seen[debt.state] += 1
        self.debts[debt.debt] = debt

    def sends(self, signed: Signed) -> None:
        """A nonce has one purpose on one chain, a debt one nonce on one chain, and the cap holds on each chain."""
        purpose, place = self.purpose_of[signed.hash], (self.known, signed.nonce)
        assert signed.genesis == self.known
        assert self.purposes.setdefault(place, purpose) == purpose
        for debt in purpose:
            assert [each for each, other in self.purposes.items() if debt in other] == [place]
        here = [debt for (chain, _), other in self.purposes.items() if chain == self.known for debt in other]
        assert sum(self.debts[debt].wei for debt in here) <= self.config.reward.cap_wei

    def requests(self) -> list[do.Action]:
        return [each for each in self.peer.outstanding() if not isinstance(each, do.SetTimer)]

    def drop(self, event: on.Event) -> None:
        """A peer may give up waiting only where the chain went back, or a peer had to make room."""
        waiting = self.requests()
        given_up = [id for id, request in self.open.items() if request not in waiting]
        kinds = {type(self.open[id]) for id in given_up}
        if isinstance(event, on.ModelReceived | on.ClaimReceived):
            assert kinds <= {do.ReadClaim}
        elif not isinstance(event, on.ChainRolledBack | on.ReceiptsRead | PoolRead | on.TransactionSigned):
            assert not kinds
        for id in given_up:
            del self.open[id]
            self.closed.append(id)
        assert waiting == list(self.open.values())

    def bounded(self) -> None:
        kinds = Counter(type(request) for request in self.open.values())
        assert sum(kinds[kind] for kind in UNITS) <= 1
        fetching = [each.model and each.model.creator for each in self.open.values() if isinstance(each, do.FetchModel)]
        assert len(fetching) == len(set(fetching)) <= OPEN
        assert len(self.peer.status().fetched) <= OPEN + READY
        assert sum(kinds[kind] for kind in SIGNING) <= 1
        assert kinds[do.ReadReceipts] <= 1 and kinds[do.SignClaim] <= 1
        reading = [(each.sender, each.claim) for each in self.open.values() if isinstance(each, do.ReadClaim)]
        assert len(reading) == len(set(reading)) <= 4 * self.config.network.max_peers
        sending = [each.signed for each in self.open.values() if isinstance(each, do.SendTransaction)]
        assert len(sending) == len(set(sending))
        assert self.peer.status().peers_known <= self.config.network.max_peers

    def awake(self) -> None:
        """Whatever should continue has an open request or a timer."""
        kinds = {type(request) for request in self.open.values()}
        timers = {each.timer for each in self.peer.outstanding() if isinstance(each, do.SetTimer)}
        assert self.over or Timer.ANNOUNCE in timers
        works = (
            self.work is WorkState.IDLE
            and self.peer.status().work_began
            or self.work is WorkState.EMPTY
            and self.config.role is Role.TRAINER
        )
        if works and not self.over:
            assert Timer.WORK in timers or kinds & {*UNITS, do.FetchModel, ReadPayments}
        if not self.peer.status().settled:
            chain = {do.ReadReceipts, do.ReadClaim, *SIGNING}
            assert Timer.CHAIN in timers or kinds & chain
        if self.peer.quiet:
            assert self.work is WorkState.DONE and not kinds & {*UNITS, do.StoreModel}

    def replayed(self) -> None:
        again = replay(self.config, self.journal)
        assert again.outstanding() == self.peer.outstanding()
