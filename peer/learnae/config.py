"""session.toml and the environment become frozen dataclasses.  The only reader of os.environ.

Every default is here, with its unit in its comment.  docs/reproduction.md says which are the paper's and which measured.
"""

import os
import tomllib
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

import tomli_w
from pydantic import ConfigDict, TypeAdapter, ValidationError

from learnae.core.types import Forgery, Policy
from learnae.errors import InputError

STRICT = ConfigDict(extra="forbid")
REPOSITORY = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Data:
    __pydantic_config__ = STRICT
    source: str = "hepmass-like"
    rows: int = 10_000  # training rows a peer (paper, section 4)
    validation_rows: int = 1_000  # private rows a peer judges averages on
    public_rows: int = 1_000  # validation block for peers without rows, named in the session
    test_rows: int = 19_000  # held out: no peer has them
    overlap: bool = False  # peers draw their rows independently and may share some


@dataclass(frozen=True)
class Model:
    __pydantic_config__ = STRICT
    hidden: tuple[int, ...] = (64, 64)
    optimizer: Literal["sgd", "adam"] = "sgd"
    learning_rate: float = 0.05
    momentum: float = 0.9  # sgd only
    batch: int = 100
    epochs: int = 2  # epochs per slice
    common_initial_weights: bool = True  # section "wire": independent ones average badly


@dataclass(frozen=True)
class Schedule:
    __pydantic_config__ = STRICT
    slices: int = 10  # the paper's 10 slices of 1,000
    passes: int = 1  # how often each slice is seen
    patience: int = 15  # scored attempts without adoption until DONE
    idle_after: float = 5.0  # s without an untried candidate until DONE
    budget: int = 100  # attempts on any one creator's models


@dataclass(frozen=True)
class Start:
    __pydantic_config__ = STRICT
    peers: int | None = None  # identities heard before slices begin; None: all that will announce one
    timeout: float = 30.0  # s


@dataclass(frozen=True)
class Pace:
    __pydantic_config__ = STRICT
    slice: float = 0.0  # s, least duration
    attempt: float = 0.0  # s, least duration


@dataclass(frozen=True)
class Reward:
    __pydantic_config__ = STRICT
    function: str = "proportional"  # Eq. 1; see core/reward.py
    factor: Decimal = Decimal("0.055")  # ETH per unit of accuracy
    cap: Decimal = Decimal(1)  # ETH a peer spends at most


@dataclass(frozen=True)
class ChainSettings:
    __pydantic_config__ = STRICT
    id: int = 31337
    block_time: float = 1.0  # s
    confirmations: int = 2  # blocks, the transaction's own included
    poll: float = 1.0  # s between looks at open transactions
    resend_after: float = 10.0  # s unmined until the same nonce is signed again with a higher fee
    balance: Decimal = Decimal(1)  # ETH a wallet starts with
    gas_price: Decimal = Decimal(2)  # gwei


@dataclass(frozen=True)
class Network:
    __pydantic_config__ = STRICT
    degree: int | None = None  # neighbours heard; None: all
    latency: float = 0.02  # s, one way, mean
    bandwidth: float = 10e6  # bytes/s
    loss: float = 0.0  # share of announcements lost
    announce_every: float = 10.0  # s between repetitions
    fetch_timeout: float = 10.0  # s
    max_peers: int = 200  # known peers, a seeded reservoir
    max_announcements: int = 500  # accepted per creator


@dataclass(frozen=True)
class Cost:
    """The simulator's clock: how long work takes in virtual seconds."""

    __pydantic_config__ = STRICT
    train: float = 0.2e-3  # s per row and epoch
    average: float = 0.4  # s per attempt, fetch excluded
    chain_call: float = 0.005  # s per RPC
    spread: float = 0.2  # log-normal sigma of the peers' speeds
    jitter: float = 0.1  # log-normal sigma of each duration


@dataclass(frozen=True)
class Group:
    """Some peers alike.  What they are is data, not a class."""

    __pydantic_config__ = STRICT
    count: int | None = None  # None: all that are left
    has_rows: bool = True
    trains: bool = True
    wants_payment: bool = True
    policy: Policy = Policy.HONEST
    victim: str | None = None  # hijacker: the name of the peer whose id is claimed
    forgery: Forgery = Forgery.COPY  # copycat: copy or perturbed
    joins_at: float = 0.0  # s after the session began


@dataclass(frozen=True)
class Session:
    """One session description: runs in the simulator, embedded and on Compose."""

    __pydantic_config__ = STRICT
    name: str = "paper"
    seed: int = 1
    peers: int = 20
    privacy: bool = True
    identity: Literal["proven", "paper"] = "proven"
    max_duration: float = 3600.0  # s of session time
    linger: float = 5.0  # s of quiet until the session ends
    evaluation_peers: int = (
        50  # how many peers' test accuracy is followed through the session; all are scored at its end
    )
    data: Data = field(default_factory=Data)
    model: Model = field(default_factory=Model)
    work: Schedule = field(default_factory=Schedule)
    start: Start = field(default_factory=Start)
    pace: Pace = field(default_factory=Pace)
    reward: Reward = field(default_factory=Reward)
    chain: ChainSettings = field(default_factory=ChainSettings)
    network: Network = field(default_factory=Network)
    cost: Cost = field(default_factory=Cost)
    groups: tuple[Group, ...] = (Group(),)
