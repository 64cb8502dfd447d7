"""Building blocks of the protocol's tests: the settings of one peer, and short constructors of values."""

from dataclasses import fields, replace
from decimal import Decimal
from typing import Any

from learnae.plugins import Source, add
from learnae.protocol.blockchain import Head, Receipt, Signed
from learnae.protocol.events import IdentityAnnouncement, ModelAnnouncement
from learnae.protocol.policies import Forgery, Policy, Role
from learnae.protocol.reward import RewardView
from learnae.protocol.settings import (
    ChainSettings,
    DefenceSettings,
    IdentityRule,
    MarketSettings,
    NetworkSettings,
    PaceSettings,
    PaymentSettings,
    PeerConfig,
    RewardSettings,
    StartSettings,
    WorkSettings,
)
from learnae.protocol.types import (
    Address,
    Cid,
    Claim,
    ClaimFacts,
    Commitment,
    ModelRef,
    PeerId,
    Poid,
    Score,
    TxHash,
    Wei,
    Weights,
    wei,
)

SESSION = Cid("session")
ME, MY_WALLET = PeerId("me"), Address("0xme")

CONFIG = PeerConfig(
    peer=ME,
    wallet=MY_WALLET,
    payout=MY_WALLET,
    session=SESSION,
    salt="1 me",
    policy=Policy.HONEST,
    behaviour=None,
    forgery=Forgery.COPY,
    leader=None,
    privacy=True,
    flips=0.0,
    claimed_peer=ME,
    role=Role.TRAINER,
    sensors=(),
    validation=Commitment("rows of me", "salt"),
    wants_payment=True,
    stakes=True,
    identity=IdentityRule.PROVEN,
    initial_weights=Cid("initial"),
    slices_planned=2,
    expected_identities=1,
    work=WorkSettings(slices=2, patience=2, idle_after=5.0, max_attempts_per_creator=10),
    start=StartSettings(timeout=30.0),
    pace=PaceSettings(),
    network=NetworkSettings(announce_every=10.0, max_peers=8, max_announcements=20),
    reward=RewardSettings(factor=Decimal("0.1"), cap=Decimal(1)),
    payment=PaymentSettings(),
    defence=DefenceSettings(),
    cost=Wei(0),
    market=MarketSettings(),
    chain=ChainSettings(confirmations=2, poll=1.0, resend_after=10.0),
)
BLOCKS = ("work", "start", "pace", "network", "reward", "payment", "defence", "market", "chain")


def config(**changes: Any) -> PeerConfig:
    """``changes``: fields of ``PeerConfig``, or by their own names settings of its blocks."""
    for block in BLOCKS:
        settings = getattr(CONFIG, block)
        own = {field.name: changes.pop(field.name) for field in fields(settings) if field.name in changes}
        if own:
            changes[block] = replace(settings, **own)
    return replace(CONFIG, **changes)


def weights(name: str) -> Weights:
    return Weights(Cid(name), f"digest of {name}")


def model(creator: str, step: int = 1, digest: str = "") -> ModelRef:
    name = f"{creator}-{step}"
    return ModelRef(PeerId(creator), step, Weights(Cid(name), digest or f"digest of {name}"))


def announced(model: ModelRef) -> ModelAnnouncement:
    return ModelAnnouncement(SESSION, model, (f"/{model.creator}",))


def claim(peer: str, wallet: str = "", contract: str = "", tx: str = "", signature: str = "proof") -> Claim:
    poid = Poid(PeerId(peer), Address(wallet or f"0x{peer}"))
    where = Address(contract or f"contract of {peer}"), TxHash(tx or f"tx of {peer}")
    return Claim(poid, *where, f"rows of {peer}", signature)


def identified(claim: Claim) -> IdentityAnnouncement:
    return IdentityAnnouncement(SESSION, claim, (f"/{claim.poid.peer}",))


def facts(
    peer: str, wallet: str = "", timestamp: int = 100, block: int = 1, index: int = 0, **flaws: Any
) -> ClaimFacts:
    poid = Poid(PeerId(peer), Address(wallet or f"0x{peer}"))
    return replace(ClaimFacts(poid, timestamp, block, index, True, True, True, poid.wallet), **flaws)


def score(correct: int) -> Score:
    return Score(correct, 100)


def signed(nonce: int, version: int = 0, genesis: str = "genesis") -> Signed:
    return Signed(nonce, f"raw {nonce}.{version}", TxHash(f"{nonce}.{version}"), genesis)


def receipt(
    nonce: int, version: int = 0, block: int = 1, succeeded: bool = True, contract: str | None = None
) -> Receipt:
    return Receipt(TxHash(f"{nonce}.{version}"), block, succeeded, Address(contract) if contract else None)


def head(height: int, genesis: str = "genesis") -> Head:
    return Head(genesis, height, f"block {height}", 1000 + height)


def reward_view(before: Score, after: Score, factor: Wei) -> RewardView:
    """A first adoption, in second 0."""
    return RewardView(before, after, factor, 0, 0, 0, 0, Wei(0), wei(Decimal(1)))


def own_plugin(code: str, name: str, file: str = "mine.py") -> str:
    """The reference of a plug-in with this code, which may be executed."""
    source = Source(file, code.encode())
    add([source])
    return f"{file}:{name}@{source.digest}"
