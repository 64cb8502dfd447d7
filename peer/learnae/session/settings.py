"""session.toml and the environment become frozen dataclasses.  The only reader of os.environ.

Every default is here, with its unit in its comment; resources/sessions/paper.toml says which are the paper's.
"""

import os
import tomllib
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cache
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

import tomli_w
from pydantic import ConfigDict, TypeAdapter, ValidationError

from learnae.checkout import REPOSITORY, in_checkout
from learnae.errors import InputError
from learnae.protocol.reward import FUNCTIONS
from learnae.protocol.types import ETHER, Address, Forgery, PeerId, Policy, Wei
from learnae.session.fault_plan import plan
from learnae.session.faults import Fault
from learnae.session.roster import names, roster

STRICT = ConfigDict(extra="forbid", allow_inf_nan=False)
SUBNET = "LEARNAE_SUBNET"  # environment: of the containers, instead of a free one
DATA_FOLDER = "LEARNAE_DATA"  # environment: where downloaded and converted rows are, instead of the default
RPC = "LEARNAE_RPC"  # environment: URL of a node on a chain that is not ours, instead of Anvil
KEY = "LEARNAE_KEY"  # environment: a file of mode 0600 with the private key that pays there, or that key
CAP = "LEARNAE_CAP"  # environment: ETH that may leave the key for one session
MOST = "0.1"  # ETH, if that is not said


@dataclass(frozen=True)
class DataSettings:
    """Which rows, and who gets which (docs/how-to/data.md)."""

    __pydantic_config__ = STRICT
    source: str = "hepmass-like"  # or hepmass, flights, or the path of an .npz
    path: str | None = None  # a CSV or Parquet file of your own, instead of source
    label: str | None = None  # its column with the classes
    features: tuple[str, ...] = ()  # its columns that the network sees; none named: every other numeric one
    rows: int = 10_000  # training rows a peer (paper, section 4)
    validation_rows: int = 1_000  # private rows a peer judges averages on
    public_rows: int = 1_000  # validation block for peers without rows, named in the session
    test_rows: int = 19_000  # held out: no peer has them
    overlap: bool = False  # peers draw their rows independently and may share some
    partition: Literal["iid", "by-mass", "by-column", "dirichlet", "unequal"] = "iid"
    column: str | None = None  # by-column: a peer sees one value of this column
    alpha: float = 0.5  # dirichlet: the smaller, the more a peer's rows are of one class
    spread: float = 1.0  # unequal: log-normal sigma of the peers' numbers of rows
    own_test_rows: int = 1_000  # held out of each peer's own distribution, where that is not everybody's

    @property
    def name(self) -> str:
        """What the session tells others about where its rows are from."""
        return self.source if self.path is None else Path(self.path).name

    @property
    def own_distributions(self) -> bool:
        return self.partition in ("by-mass", "by-column", "dirichlet")


@dataclass(frozen=True)
class ModelSettings:
    __pydantic_config__ = STRICT
    hidden: tuple[int, ...] = (64, 64)
    optimizer: Literal["sgd", "adam"] = "sgd"
    learning_rate: float = 0.05
    momentum: float = 0.9  # sgd only
    batch: int = 100
    epochs: int = 2  # epochs per slice
    common_initial_weights: bool = True  # section "wire": independent ones average badly


@dataclass(frozen=True)
class WorkSettings:
    __pydantic_config__ = STRICT
    slices: int = 10  # the paper's 10 slices of 1,000
    passes: int = 1  # how often each slice is seen
    patience: int = 15  # scored attempts without adoption until DONE
    idle_after: float = 5.0  # s without an untried candidate until DONE
    budget: int = 100  # attempts on any one creator's models


@dataclass(frozen=True)
class StartSettings:
    __pydantic_config__ = STRICT
    peers: int | None = None  # identities heard before slices begin; None: all that will announce one
    timeout: float = 30.0  # s


@dataclass(frozen=True)
class PaceSettings:
    __pydantic_config__ = STRICT
    slice: float = 0.0  # s, least duration
    attempt: float = 0.0  # s, least duration


@dataclass(frozen=True)
class RewardSettings:
    __pydantic_config__ = STRICT
    function: str = "proportional"  # Eq. 1; see core/reward.py
    factor: Decimal = Decimal("0.052")  # ETH per unit of accuracy
    cap: Decimal = Decimal(1)  # ETH a peer pays for models at most; gas comes on top (adapters/evm/chain.py bounds it)


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
class NetworkSettings:
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
class CostSettings:
    """The simulator's clock: how long work takes in virtual seconds."""

    __pydantic_config__ = STRICT
    train: float = 0.2e-3  # s per row and epoch
    average: float = 0.4  # s per attempt, fetch excluded
    chain_call: float = 0.005  # s per RPC
    store: float = 0.0  # s to hand a block to one's node, beside the latency
    announce: float = 0.0  # s from a decision to announce to its message, beside the latency
    ebb: float = 1.0  # share of latency, store and announce that is left for a peer that has seen all its slices
    spread: float = 0.2  # log-normal sigma of the peers' speeds
    jitter: float = 0.1  # log-normal sigma of each duration but the latency's and an RPC's


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
class Expectations:
    """What a session with faults must show besides the checks of every session."""

    __pydantic_config__ = STRICT
    recovery: float = 10.0  # s from the end of a fault until what it held up goes on


@dataclass(frozen=True)
class Session:
    """One session description: runs in the simulator, embedded and on Compose."""

    __pydantic_config__ = STRICT
    name: str = "paper"
    about: str = ""  # a paragraph: what it shows
    seed: int = 1
    peers: int = 20
    privacy: bool = True
    identity: Literal["proven", "paper"] = "proven"
    max_duration: float = 3600.0  # s of session time
    linger: float = 5.0  # s of quiet until the session ends
    evaluation_peers: int = (
        50  # how many peers' test accuracy is followed through the session; all are scored at its end
    )
    data: DataSettings = field(default_factory=DataSettings)
    model: ModelSettings = field(default_factory=ModelSettings)
    work: WorkSettings = field(default_factory=WorkSettings)
    start: StartSettings = field(default_factory=StartSettings)
    pace: PaceSettings = field(default_factory=PaceSettings)
    reward: RewardSettings = field(default_factory=RewardSettings)
    chain: ChainSettings = field(default_factory=ChainSettings)
    network: NetworkSettings = field(default_factory=NetworkSettings)
    cost: CostSettings = field(default_factory=CostSettings)
    groups: tuple[Group, ...] = (Group(),)
    faults: tuple[Fault, ...] = ()
    expect: Expectations = field(default_factory=Expectations)


CHEATS = (Policy.POISONER, Policy.COPYCAT, Policy.SPAMMER)


@cache
def _adapter() -> TypeAdapter[Session]:
    """Building it takes longer than all it does for us."""
    return TypeAdapter(Session)


def data_folder() -> Path:
    """Where `learnae data` puts downloaded data: the checkout's data/, or a folder of the user's."""
    default = REPOSITORY / "data" if in_checkout() else Path.home() / ".local" / "share" / "learnae"
    return Path(os.environ.get(DATA_FOLDER) or default)


def subnet() -> IPv4Network | None:
    """Where a swarm of containers is to be, if that is said.  Raises InputError."""
    said = os.environ.get(SUBNET)
    try:
        return IPv4Network(said) if said else None
    except ValueError as error:
        raise InputError(f"{SUBNET} is no subnet ({error}): give one such as 10.213.7.0/24") from None


@dataclass(frozen=True)
class ExternalChainSettings:
    """A node on a chain that is not ours, and who pays there.  Both are secrets: URLs of nodes hold keys, too."""

    rpc: str = field(repr=False)
    key: str = field(repr=False)
    cap: Decimal  # ETH

    @property
    def host(self) -> str:
        """All of the URL that may be shown."""
        return urlsplit(self.rpc).hostname or ""


def foreign() -> ExternalChainSettings | None:
    """The chain a swarm is to run on, if not on one of its own.  Raises InputError."""
    rpc, key, cap = (os.environ.get(each, "").strip() for each in (RPC, KEY, CAP))
    if not rpc and not key:
        return None
    if not rpc or not key:
        raise InputError(f"{RPC} and {KEY} belong together: set both for a chain that is not ours, or neither")
    try:
        parts = urlsplit(rpc)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.port == 0:
            raise ValueError
    except ValueError:  # the port, too
        raise InputError(f"{RPC} must begin with http:// or https:// and name a host") from None
    try:
        found = ExternalChainSettings(rpc, key, Decimal(cap or MOST))
        if not 0 < found.cap < 10**9:
            raise ValueError
    except (ValueError, ArithmeticError):
        raise InputError(f"{CAP} must be a number of ETH above 0, such as {MOST}") from None
    return found


def outside() -> dict[str, str]:
    """The environment as Docker's command gets it: without what would overrule the plan's files, and our secrets."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("COMPOSE_", "LEARNAE_"))}


def tls_bundle() -> str | None:
    """The certificates that this machine trusts, where they are not the usual ones: images are built with them."""
    return os.environ.get("SSL_CERT_FILE") or None


def wei(ether: Decimal) -> Wei:
    return Wei(int(ether * ETHER))


def load(path: Path, overrides: dict[str, Any] | None = None) -> Session:
    """A session file with top-level overrides (None: not given).  Raises InputError: one sentence, cause and fix."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}; give the path of a session file") from None
    try:
        table = tomllib.loads(content.decode())
    except ValueError as error:  # of its form, or of its encoding
        raise InputError(f"{path} is not TOML: {error}") from None
    return parse(table | {key: value for key, value in (overrides or {}).items() if value is not None}, str(path))


def parse(table: dict[str, Any], name: str = "session") -> Session:
    try:
        session = _adapter().validate_python(table)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        told = "no such setting" if first["type"] == "unexpected_keyword_argument" else first["msg"].lower()
        raise InputError(f"{name}: {place}: {told}") from None
    for wrong, sentence in _contradictions(session):
        if wrong:
            raise InputError(f"{name}: {sentence}")
    roster(session.groups, session.peers, lambda member: (PeerId(member), Address(member)))  # do the groups add up?
    plan(session.faults, names(session.peers), session.seed)  # do the faults make sense?
    return session


def _contradictions(session: Session) -> list[tuple[bool, str]]:
    """What types cannot say."""
    work, data, net, chain = session.work, session.data, session.network, session.chain
    return [
        (
            not session.privacy,
            "privacy = false does not exist yet: peers that share rows are future work; leave it out",
        ),
        (session.peers < 2, f"peers = {session.peers}: a swarm has at least 2"),
        (
            min(work.slices, work.passes, work.patience, work.budget) < 1,
            "work: slices, passes, patience, budget: 1 or more",
        ),
        (
            data.rows < work.slices,
            f"data.rows = {data.rows} cannot be cut into {work.slices} slices: lower work.slices",
        ),
        *_data_contradictions(data),
        (
            min(session.model.batch, session.model.epochs, *session.model.hidden, 1) < 1,
            "model: sizes must be 1 or more",
        ),
        (session.reward.function not in FUNCTIONS, f"reward.function: one of {', '.join(FUNCTIONS)}"),
        (min(session.reward.factor, session.reward.cap, chain.balance) < 0, "reward and chain.balance: 0 ETH or more"),
        (
            min(chain.block_time, chain.poll, session.max_duration) <= 0,
            "chain.block_time, chain.poll, max_duration: above 0",
        ),
        (session.expect.recovery <= 0, "expect.recovery: above 0"),
        (chain.confirmations < 1, "chain.confirmations: 1 or more"),
        (not 0 <= net.loss < 1, "network.loss: from 0 to below 1"),
        (net.degree is not None and net.degree < 2, "network.degree: 2 or more, or left out for all"),
        (min(net.bandwidth, net.announce_every) <= 0, "network.bandwidth, network.announce_every: above 0"),
        (min(net.latency, *vars(session.cost).values()) < 0, "network.latency and cost: 0 or more"),
        (net.fetch_timeout <= 0, "network.fetch_timeout: above 0 s"),
        (
            min(*vars(session.pace).values(), session.linger, session.start.timeout, work.idle_after) < 0,
            "pace, linger, start.timeout, work.idle_after: 0 s or more",
        ),
        (min(group.joins_at for group in session.groups) < 0, "groups: joins_at: 0 s or more"),
        (
            session.start.peers is not None and not 1 <= session.start.peers <= session.peers,
            f"start.peers = {session.start.peers}: from 1 to the number of peers, {session.peers}",
        ),
        (
            any(group.policy in CHEATS and not (group.has_rows and group.trains) for group in session.groups),
            "groups: a poisoner, copycat or spammer poses as a trainer: leave has_rows and trains true",
        ),
        (
            any((group.policy is Policy.HIJACKER) != (group.victim is not None) for group in session.groups),
            'groups: a hijacker, and only a hijacker, names its victim, such as victim = "p00"',
        ),
    ]


def _data_contradictions(data: DataSettings) -> list[tuple[bool, str]]:
    counts = (data.rows, data.validation_rows, data.public_rows, data.test_rows, data.own_test_rows)
    return [
        (min(counts) < 1, "data: every kind of rows needs at least 1"),
        (
            data.path is not None and data.label is None,
            f'data.path = "{data.path}": name the column with the classes, such as label = "class"',
        ),
        (
            data.path is None and (data.label is not None or bool(data.features)),
            "data.label and data.features belong to a file of your own: name it with data.path",
        ),
        (data.label is not None and data.label in data.features, "data.label is among data.features: take it out"),
        (len(set(data.features)) < len(data.features), "data.features names a column twice: take one out"),
        (
            (data.partition == "by-column") != (data.column is not None),
            'data.partition = "by-column", and only that, names its column, such as column = "country"',
        ),
        (data.alpha <= 0, "data.alpha: above 0 (0.1 is strong label skew, 100 is hardly any)"),
        (data.spread < 0, "data.spread: 0 or more (0: everybody gets the same number of rows)"),
    ]


def resolved(session: Session) -> dict[str, Any]:
    """The session with every default, as plain JSON and TOML values; what is None is left out."""
    table: dict[str, Any] = _adapter().dump_python(session, mode="json", exclude_none=True)
    return table


def to_toml(session: Session) -> str:
    return tomli_w.dumps(resolved(session))
