"""Settings that a peer's state machine uses.  One definition serves session files, ``PeerConfig``, checks and docs.

These blocks are in ``protocol`` because ``PeerConfig`` holds them and ``protocol`` is the lowest layer;
``session.settings`` adds the settings that no peer needs.
"""

from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import Annotated

from learnae.plugins import Kind
from learnae.protocol.policies import Forgery, Policy, Role
from learnae.protocol.setting_fields import DAY, Networks, about, period, seconds, setting
from learnae.protocol.types import Address, Cid, Commitment, PeerId, Wei, wei

GWEI = 10**9  # wei
MANY = 1_000_000  # max of what is counted in attempts, rows or announcements


class IdentityRule(StrEnum):
    """Which claim to an IPFS id wins."""

    PROVEN = "proven"  # the earliest that the key of the id has signed
    PAPER = "paper"  # the earliest (section 3.2)


@dataclass(frozen=True, slots=True)
class WorkSettings:
    slices: int = setting(10, "Slices that a peer's training data is cut into.", ge=1, le=MANY)
    passes: int = setting(1, "Number of times that each slice is trained.", ge=1, le=MANY)
    patience: int = setting(15, "Scored attempts without an adoption after which a peer is done.", ge=1, le=MANY)
    idle_after: float = seconds(
        5.0, "Time without a fetched and untried model after which a peer is done, if the session is not over before."
    )
    max_attempts_per_creator: int = setting(
        100, "Max averaging attempts with the models of one creator.", ge=1, le=MANY
    )


@dataclass(frozen=True, slots=True)
class StartSettings:
    peers: int | None = setting(
        None, "Identities that a peer must know before it begins to train; default: all that will announce one.", ge=1
    )
    timeout: float = seconds(30.0, "Time after which a peer begins anyway.")


@dataclass(frozen=True, slots=True)
class PaceSettings:
    slice: float = seconds(0.0, "Min duration of training one slice.")
    attempt: float = seconds(0.0, "Min duration of one averaging attempt.")


@dataclass(frozen=True, slots=True)
class RewardSettings:
    function: str = field(
        default="proportional",
        metadata=about("Reward for an adopted average (proportional: Eq. 1 of the paper).", plugins=Kind.REWARDS),
    )
    factor: Decimal = setting(
        Decimal("0.052"), "Reward per unit of score (flat: per adopted average).", "ETH", ge=0, le=10**9
    )
    cap: Decimal = setting(
        Decimal(1),
        "Max that one peer pays for models and rows in a session; gas is not included.",
        "ETH",
        ge=0,
        le=10**9,
    )
    data: Decimal = setting(
        Decimal(0),
        "Open sessions: price of rows per unit of score that a peer gains with rows of others; 0: rows are free.",
        "ETH",
        ge=0,
        le=10**9,
    )
    lineage: Decimal = setting(
        Decimal(0), "Share of the reward for an average that goes to the creators of its parents.", ge=0, le=0.9
    )
    adapt: Decimal = setting(
        Decimal(0), "Speed at which a payer's factor falls after adoptions, and else rises; 0: constant.", ge=0, le=1
    )
    target: Decimal = setting(
        Decimal("0.15"), "adapt: the share of attempts that succeed at which the factor stays.", ge=0, le=1
    )
    lowest: Decimal = setting(Decimal("0.25"), "adapt: min of the factor, as a multiple of factor.", ge=0, le=1)
    highest: Decimal = setting(Decimal(4), "adapt: max of the factor, as a multiple of factor.", ge=1, le=1000)

    @property
    def factor_wei(self) -> Wei:
        return wei(self.factor)

    @property
    def cap_wei(self) -> Wei:
        return wei(self.cap)

    @property
    def data_wei(self) -> Wei:
        return wei(self.data)


class Settle(StrEnum):
    """How many debts a payment covers."""

    EACH = "each"  # one
    BATCHED = "batched"  # those to one payee that have added up


@dataclass(frozen=True, slots=True)
class PaymentSettings:
    settle: Settle = setting(
        Settle.EACH,
        "each: one payment per adopted average; batched: a peer adds up what it owes to one payee, and pays once it "
        "is the threshold, fills a transaction, or has finished its work.",
    )
    threshold: Decimal = setting(
        Decimal("0.01"), "batched: what a peer owes to one payee before it pays.", "ETH", ge=0, le=10**9
    )

    @property
    def threshold_wei(self) -> Wei:
        return wei(self.threshold)


class Defence(StrEnum):
    """What a peer does about peers that do not pay."""

    NONE = "none"
    RECIPROCITY = "reciprocity"
    PROFILES = "profiles"


class Scope(StrEnum):
    """Whose models count when a peer judges whether another pays."""

    OWN = "own"
    ALL = "all"


class Access(StrEnum):
    """Who can read a published model."""

    OPEN = "open"
    SEALED = "sealed"


@dataclass(frozen=True, slots=True)
class DefenceSettings:
    kind: Defence = setting(
        Defence.NONE,
        "none; reciprocity: a peer does not average with models of a peer that adopts models and does not pay; "
        "profiles: a contract holds a fee of each peer, and splits it by what the peers report.",
    )
    stake: Decimal = setting(
        Decimal(0),
        "Deposit that each peer locks until all have finished; peers do not average with models of identities "
        "without one. 0: none.",
        "ETH",
        ge=0,
        le=10**9,
    )
    scope: Scope = setting(
        Scope.OWN, "reciprocity: the models that count: own, those of the peer that judges; all, those of every peer."
    )
    limit: int = setting(0, "reciprocity: adopted and unpaid models that are tolerated.", ge=0, le=MANY)
    grace: float = seconds(15.0, "reciprocity: time to pay; it begins again when the chain does not answer.")
    forgive: float | None = setting(
        None, "reciprocity: time after the grace at which an unpaid model is forgotten; default: never.", "s", ge=0
    )
    access: Access = setting(
        Access.OPEN, "reciprocity: sealed: models are encrypted, and peers to which income is denied get no key."
    )
    similar: Decimal | None = setting(
        None, "Share of equal predictions at which a model is refused as a copy; default: never.", gt=0, le=1
    )
    fee: Decimal = setting(Decimal("0.01"), "profiles: what each peer deposits.", "ETH", gt=0, le=10**9)
    window: int = setting(
        600,
        "profiles, stake: seconds from the first deposit until fees are split and stakes come back, if not all peers "
        "have finished before.",
        "s",
        ge=1,
        le=DAY,
    )

    @property
    def sealed(self) -> bool:
        return self.access is Access.SEALED

    @property
    def fee_wei(self) -> Wei:
        """What is split; 0 if nothing is."""
        return wei(self.fee) if self.kind is Defence.PROFILES else Wei(0)

    @property
    def stake_wei(self) -> Wei:
        return wei(self.stake)

    @property
    def deposit_wei(self) -> Wei:
        """What a peer sends to the fee pool; 0: the session has none."""
        return Wei(self.fee_wei + self.stake_wei)


@dataclass(frozen=True, slots=True)
class MarketSettings:
    window: int = setting(
        20,
        "Units of work (slices, attempts) after which a peer compares income with cost; once it has left: models sold.",
        ge=1,
        le=MANY,
    )
    margin: Decimal = setting(
        Decimal(1), "A peer that has left comes back once the price covers this multiple of its cost.", ge=1, le=1000
    )


@dataclass(frozen=True, slots=True)
class ChainSettings:
    id: int = setting(31337, "Chain id.", ge=1, le=2**53)
    block_time: float = period(1.0, "Time between blocks.")
    confirmations: int = setting(
        2, "Blocks until a transaction is final, its own block included.", "blocks", ge=1, le=10_000
    )
    poll: float = period(1.0, "Time between checks of open transactions.")
    resend_after: float = period(10.0, "Time after which an unmined transaction is sent again with a higher fee.")
    balance: Decimal = setting(Decimal(1), "Starting balance of each wallet.", "ETH", ge=0, le=10**9)
    gas_price: Decimal = setting(Decimal(2), "Gas price of the simulator's chain.", "gwei", ge=0, le=10**6)
    max_fee: Decimal = setting(
        Decimal(100), "Max fee that a peer pays per gas; while gas costs more, it waits.", "gwei", ge=0.001, le=10**6
    )
    gas_cap: Decimal = setting(
        Decimal("0.1"), "Max that one peer spends on gas; then it declines its debts.", "ETH", ge=0, le=10**9
    )

    @property
    def max_fee_wei(self) -> Wei:
        return Wei(int(self.max_fee * GWEI))

    @property
    def gas_cap_wei(self) -> Wei:
        return wei(self.gas_cap)


@dataclass(frozen=True, slots=True)
class NetworkSettings:
    degree: int | None = setting(
        None, "Neighbours per peer, about, in the simulator and the embedded backend; default: all peers.", ge=2
    )
    latency: float = seconds(0.02, "Mean one-way delay of a message (simulator).")
    bandwidth: float = setting(10e6, "Transfer rate of models (simulator).", "bytes/s", ge=1, le=1e12)
    loss: float = setting(0.0, "Share of announcements that are lost (simulator, embedded backend).", ge=0, lt=1)
    announce_every: float = period(10.0, "Time between repetitions of a peer's announcements.")
    fetch_timeout: float = period(10.0, "Time after which a fetch of a model fails.")
    dial: tuple[Annotated[str, Networks()], ...] = setting(
        (), "IPv4 networks in which announced addresses are dialled, besides those that the roster declares."
    )
    max_peers: int = setting(200, "Max peers that a peer keeps in its peer book.", ge=1, le=MANY)
    max_row_blocks: int = setting(200, "Max row blocks that a peer accepts in a session.", ge=0, le=MANY)
    max_row_blocks_per_creator: int = setting(20, "Max row blocks that a peer accepts per creator.", ge=0, le=MANY)
    max_announcements: int = setting(500, "Max announcements that a peer accepts per creator.", ge=1, le=MANY)


@dataclass(frozen=True, slots=True)
class PeerConfig:
    """Everything that a peer is given before its first event.  A journal is replayed against the same values."""

    peer: PeerId
    wallet: Address
    payout: Address  # to which others pay: its wallet, unless it has another
    session: Cid
    salt: str = field(repr=False)  # its random choices follow from it; known to this peer alone
    policy: Policy
    behaviour: str | None  # the plug-in of a policy of the user's own
    forgery: Forgery
    leader: PeerId | None  # of a sybil
    privacy: bool  # no rows are published
    flips: float  # share of the labels in its row blocks that are wrong: 0, unless it is a row poisoner
    claimed_peer: PeerId  # the id that its contract names: its own, unless it is a hijacker
    role: Role
    sensors: tuple[PeerId, ...]  # whose readings it announces as row blocks; none, unless it follows the feed
    validation: Commitment  # to the rows that it scores models on
    wants_payment: bool
    stakes: bool  # whether it makes the deposit of ``defence``, if there is one
    identity: IdentityRule
    initial_weights: Cid
    slices_planned: int  # slices x passes; 0 for peers that do not train
    expected_identities: int  # identities, its own included, that the chain must have before it begins to train
    work: WorkSettings
    start: StartSettings
    pace: PaceSettings
    network: NetworkSettings
    reward: RewardSettings
    payment: PaymentSettings
    defence: DefenceSettings
    cost: Wei  # of a unit of its work; 0: it works whatever it earns
    market: MarketSettings
    chain: ChainSettings
