"""The settings of a session: frozen dataclasses whose fields hold default, unit, range and description.  Pure.

The blocks that peers need (work, start, pace, reward, payment, defence, chain, network) are in ``protocol.settings``,
faults are in ``session.faults``.  ``session_file`` reads all of them from session.toml.
"""

from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import PurePath
from typing import Annotated, Any, ClassVar, Literal, TypeVar

from learnae.plugins import Kind
from learnae.protocol.policies import Forgery, Policy, Role
from learnae.protocol.setting_fields import Between, about, address, period, seconds, setting
from learnae.protocol.settings import (
    MANY,
    ChainSettings,
    DefenceSettings,
    IdentityRule,
    MarketSettings,
    NetworkSettings,
    PaceSettings,
    PaymentSettings,
    RewardSettings,
    StartSettings,
    WorkSettings,
)
from learnae.session.faults import Fault

T = TypeVar("T")

ROWS = 100_000_000  # max of a number of rows
TABLES = 1_000  # max of groups and of faults
LARGE_SOURCES = ("hepmass-like", "hepmass", "flights")  # whose rows the defaults below fit


@dataclass(frozen=True)
class EncodeSettings:
    """How columns of the user's file that are no complete numbers become numbers (docs/how-to/data.md)."""

    one_hot: tuple[str, ...] = setting(
        (), "Columns of which each value becomes a column of 0 and 1; `*`: all text columns with at most 50 values."
    )
    ordinal: tuple[tuple[str, ...], ...] = setting(
        (), "Columns whose values have an order: each a list of the name and the values, in ascending order."
    )
    impute: tuple[str, ...] = setting(
        (), "Columns whose missing values are filled in, with a column of 0 and 1 that marks them; `*`: all such."
    )


@dataclass(frozen=True)
class DataSettings:
    """Which rows, and who gets which (docs/how-to/data.md)."""

    source: str = field(
        default="hepmass-like", metadata=about("Data set, or the path of an .npz file.", plugins=Kind.DATASETS)
    )
    path: str | None = setting(
        None, "CSV, Parquet, Arrow or .npz file, or folder of datasets, to use instead of source."
    )
    label: str | None = setting(None, "Column or array of that file that holds the classes, or numbers (task).")
    task: Literal["classification", "regression"] = setting("classification", "A label is a class, or a number.")
    features: tuple[str, ...] = setting(
        (), "Columns of that file that the network sees, or its array; default: all other numeric columns."
    )
    header: bool = setting(True, "The first line of a CSV file holds the names; without it they are c0, c1, ...")
    encoding: str | None = setting(
        None, "Encoding of a CSV file, such as cp1252; default: UTF-8, or cp1252 if the file is not UTF-8."
    )
    rows: int = setting(10_000, "Training rows per peer.", ge=1, le=ROWS)
    validation_rows: int = setting(1_000, "Private rows on which a peer validates averages.", ge=1, le=ROWS)
    judging_rows: int = setting(
        1_000, "Rows on which a peer without data validates, held by nobody else.", ge=1, le=ROWS
    )
    test_rows: int = setting(19_000, "Held-out rows that no peer has.", ge=1, le=ROWS)
    overlap: bool = setting(False, "Draw each peer's rows independently, so that peers may share some.")
    partition: Literal["iid", "by-mass", "by-column", "dirichlet", "unequal"] = setting(
        "iid", "How the rows are divided among the peers."
    )
    column: str | None = setting(None, "by-column: the column of which each peer sees one value.")
    alpha: float = setting(
        0.5, "dirichlet: the smaller, the more of a peer's rows are of one class.", gt=0, le=1_000_000
    )
    size_sigma: float = setting(1.0, "unequal: log-normal sigma of the rows per peer.", ge=0, le=10)
    own_test_rows: int = setting(
        1_000, "Held-out rows per peer of its own distribution, where distributions differ.", ge=1, le=ROWS
    )
    encode: EncodeSettings = field(
        default_factory=EncodeSettings, metadata={"description": "Text columns and missing values of that file."}
    )

    @property
    def name(self) -> str:
        """The source as other peers and readers see it."""
        return self.source if self.path is None else PurePath(self.path).name

    @property
    def own_distributions(self) -> bool:
        return self.partition in ("by-mass", "by-column", "dirichlet")


@dataclass(frozen=True)
class ModelSettings:
    kind: str = field(default="mlp", metadata=about("Network of all peers.", plugins=Kind.MODELS))
    hidden: tuple[Annotated[int, Between(1, 65_536)], ...] = setting(
        (64, 64), "Widths of the hidden layers; cnn: filters of each layer.", max_length=32
    )
    loss: str = field(default="cross-entropy", metadata=about("What training minimises.", plugins=Kind.LOSSES))
    optimizer: Literal["sgd", "adam"] = setting("sgd", "Optimizer of the training.")
    learning_rate: float = setting(0.05, "Learning rate.", gt=0, le=1_000)
    momentum: float = setting(0.9, "Momentum of sgd.", ge=0, lt=1)
    batch: int = setting(100, "Rows per training step.", ge=1, le=ROWS)
    epochs: int = setting(2, "Epochs per slice.", ge=1, le=MANY)
    common_initial_weights: bool = setting(
        True, "All peers begin with the same weights; models with independent ones average badly."
    )


@dataclass(frozen=True)
class AveragingSettings:
    """How a peer combines its own model with a remote one (docs/how-to/plugins.md)."""

    rule: str = field(
        default="mean",
        metadata=about("Rule by which a peer averages its model with a remote one.", plugins=Kind.AVERAGING),
    )

    @property
    def is_mean(self) -> bool:
        """Whether it is the paper's rule, whose averages need no further facts to be computed again."""
        return self.rule == "mean"


@dataclass(frozen=True)
class ScoreSettings:
    """What counts as a better model (docs/how-to/plugins.md)."""

    metric: str = field(
        default="accuracy",
        metadata=about("Metric by which models are scored, and rewards computed.", plugins=Kind.METRICS),
    )

    @property
    def name(self) -> str:
        """The metric in tables and figures."""
        return {"accuracy": "accuracy", "f1": "F1", "auc": "AUC", "r2": "R²"}.get(self.metric, "score")


@dataclass(frozen=True)
class ComputeSettings:
    """Where the peers of one process train.  Results have the same bits only on the same device."""

    device: Literal["auto", "cpu", "cuda", "mps"] = setting(
        "cpu", "Device of PyTorch; auto: the fastest one here. Containers use the processor."
    )
    dtype: Literal["float32", "bfloat16"] = setting(
        "float32", "Type of the numbers in matrix products; weights are float32 always."
    )


@dataclass(frozen=True)
class CostSettings:
    """How long work takes in the simulator, in virtual seconds."""

    train: float = seconds(0.2e-3, "Training time per row and epoch.")
    average: float = seconds(0.4, "Time per averaging attempt, without the fetch.")
    chain_call: float = seconds(0.005, "Time per RPC of the Ethereum node.")
    store: float = seconds(0.0, "Time to hand a block to the peer's IPFS node, in addition to the latency.")
    announce: float = seconds(0.0, "Time from the decision to announce to the message, in addition to the latency.")
    late_delay_factor: float = setting(
        1.0, "Factor on latency, store and announce of a peer that has trained all its slices.", ge=0, le=1_000
    )
    speed_sigma: float = setting(0.2, "Log-normal sigma of the peers' speeds.", ge=0, le=10)
    jitter: float = setting(0.1, "Log-normal sigma of each duration, except latency and RPCs.", ge=0, le=10)


@dataclass(frozen=True)
class Group:
    """Peers with one role."""

    count: int | None = setting(None, "Peers of this group; default: all that no other group counts.", ge=1)
    has_rows: bool = setting(True, "Each peer has training and validation data of its own.")
    computes: bool = setting(True, "Each peer trains and averages.")
    sensor: bool = setting(False, "Each is a sensor: a device that publishes its rows on the feed, and no peer.")
    bridge: bool = setting(False, "Each peer follows the feed and announces the rows of sensors as row blocks.")
    wants_payment: bool = setting(True, "Each peer registers a wallet, so that it can be paid.")
    stakes: bool = setting(True, "defence.stake: each peer locks the stake; false: it tries without.")
    payout: str | None = address("Address that others pay instead of the peer's own wallet; needs count = 1.")
    policy: Policy = setting(Policy.HONEST, "Behaviour; every policy but honest breaks the rules.")
    behaviour: str | None = field(
        default=None, metadata=about('A plug-in, or the name of a policy; needs policy = "own".', plugins=Kind.POLICIES)
    )
    victim: str | None = setting(None, "hijacker: name of the peer whose id is claimed.")
    forgery: Forgery = setting(Forgery.COPY, "copycat, sleeper: what is made of other peers' models.")
    leader: str | None = setting(None, "sybil: name of the peer whose models it publishes.")
    flips: float = setting(0.5, "row-poisoner: share of the labels that are wrong in its rows.", gt=0, le=1)
    joins_at: float = seconds(0.0, "Time at which the peers join.")
    unit_cost: Decimal = setting(
        Decimal(0),
        "What a slice or an averaging attempt costs a peer: it leaves while its income does not cover that; "
        "0: it works whatever it earns.",
        "ETH",
        ge=0,
        le=10**9,
    )

    @property
    def role(self) -> Role:
        return Role.SENSOR if self.sensor else Role.of(self.has_rows, self.computes)


@dataclass(frozen=True)
class FeedSettings:
    """Where sensors publish their rows (docs/how-to/feed.md).  The simulator always uses a feed in memory."""

    kind: Literal["memory", "mqtt", "tangle"] = setting(
        "memory",
        "memory: inside the process of the peers, on containers as mqtt; mqtt: an MQTT broker; tangle: HORNET nodes of "
        "a private IOTA Tangle.",
    )
    nodes: int = setting(2, "tangle: number of nodes.", ge=2, le=4)
    url: str | None = setting(
        None,
        "Broker to use, such as mqtt://127.0.0.1:1883; default: the backend starts one.",
        pattern=r"^mqtt://[^/:@\s]+(:[0-9]+)?$",
        form="mqtt://HOST or mqtt://HOST:PORT",
    )
    rows: int = setting(100, "Rows per reading.", ge=1, le=30_000)
    every: float = period(1.0, "Time between two readings of a sensor.")


@dataclass(frozen=True)
class Expectations:
    """What the checks require of a session with faults, in addition to the checks of every session."""

    recovery: float = period(10.0, "Max time from the end of a fault until the work it stopped continues.")


def _block(kind: type[T], description: str) -> T:
    return field(default_factory=kind, metadata={"description": description})


@dataclass(frozen=True)
class Session:
    """One session, for every backend."""

    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid", "allow_inf_nan": False}
    name: str = setting(
        "paper",
        "Name of the session.",
        pattern=r"^[A-Za-z0-9_-][A-Za-z0-9._-]{0,99}$",
        form="letters, digits, '.', '-' and '_', max 100",
    )
    about: str = setting("", "What the session shows, in a paragraph.")
    seed: int = setting(1, "Seed of every random decision.", ge=0, le=2**63 - 1)
    peers: int = setting(20, "Number of peers.", ge=2, le=100_000)
    privacy: bool = setting(
        True, "Peers keep their data private; false: they publish rows and train on those of others."
    )
    identity: IdentityRule = setting(
        IdentityRule.PROVEN, "proven: a claim needs a signature of the id's key; paper: the first claim counts."
    )
    max_duration: float = period(3600.0, "Session time after which the session is stopped.")
    linger: float = seconds(
        5.0, "Time without activity after which the session ends, if it cannot tell earlier that nothing is left to do."
    )
    evaluation_peers: int = setting(
        50, "Peers whose models are scored on test rows during the session; at its end all are.", ge=0, le=MANY
    )
    data: DataSettings = _block(DataSettings, "Data, and how it is divided among the peers.")
    model: ModelSettings = _block(ModelSettings, "Network and training.")
    score: ScoreSettings = _block(ScoreSettings, "What counts as a better model.")
    averaging: AveragingSettings = _block(AveragingSettings, "How two models become one.")
    compute: ComputeSettings = _block(ComputeSettings, "Where peers train.")
    work: WorkSettings = _block(WorkSettings, "When a peer trains, averages and is done.")
    start: StartSettings = _block(StartSettings, "When peers begin to train.")
    pace: PaceSettings = _block(PaceSettings, "Min durations, to slow a session down.")
    reward: RewardSettings = _block(RewardSettings, "What an adopted average is worth.")
    payment: PaymentSettings = _block(PaymentSettings, "How debts become payments.")
    defence: DefenceSettings = _block(DefenceSettings, "What peers do about those that do not pay.")
    market: MarketSettings = _block(MarketSettings, "When peers with a cost work (groups.unit_cost).")
    chain: ChainSettings = _block(ChainSettings, "The Ethereum chain.")
    network: NetworkSettings = _block(NetworkSettings, "Gossip and model transfer.")
    feed: FeedSettings = _block(FeedSettings, "How sensors publish their rows.")
    cost: CostSettings = _block(CostSettings, "How long work takes in the simulator.")
    groups: tuple[Group, ...] = setting(
        (Group(),), "Groups of peers with one role each.", min_length=1, max_length=TABLES
    )
    faults: tuple[Fault, ...] = setting((), "Faults to inject.", max_length=TABLES)
    expect: Expectations = _block(Expectations, "What the checks require after faults.")

    @property
    def of_the_paper(self) -> bool:
        """Whether this is the paper's session, whose settings are the defaults; names, seed and peers may differ."""
        return replace(self, name="paper", about="", seed=1, peers=20) == Session()
