"""What all peers agree on before second 0: the roster, the manifest, the initial weights and each peer's settings.

Simulator, embedded backend, live peers and remote peers all build a ``SessionSetup``, so they all agree.

    setup = SessionSetup(session, members, features=28, data_sha256="...", initial_block=learning.initial_block)
    setup.session_id, setup.config(3, learning.commitment(3))
"""

import json
import random
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property

from learnae.errors import InputError
from learnae.messages.codec import encode
from learnae.messages.readings import max_rows
from learnae.messages.wire import MAX_BLOCK, cid_of
from learnae.protocol.policies import Policy
from learnae.protocol.settings import IdentityRule, PeerConfig
from learnae.protocol.types import Cid, Commitment, PeerId, wei
from learnae.session.roster import Member, neighbourhood
from learnae.session.settings import Session

MAX_ROWS_HEADER = 1024  # bytes of a row block that are no rows
MAX_MODEL_HEADER = 1 << 16  # bytes of a model that are no weights

ADAPTATION = ("adapt", "target", "lowest", "highest")  # settings of a factor that changes


class SessionSetup:
    """``features``: width of the network's input.  ``data_sha256``: of the file that identifies the rows.

    ``initial_block``: the initial weights of a peer, by its name.

    ``statistics``: of the training rows: how columns are encoded; mean and std of a label that is a number; and
    classes, mean and std, by which all standardise rows that they publish.

    ``degree``: neighbours per peer whose announcements it receives; None: all peers, as on Kubo.
    """

    def __init__(
        self,
        session: Session,
        members: Sequence[Member],
        features: int,
        data_sha256: str,
        initial_block: Callable[[str], bytes],
        degree: int | None = None,
        statistics: Mapping[str, object] | None = None,
    ) -> None:
        self.session, self.members = session, tuple(members)
        self.features, self._data_sha256 = features, data_sha256
        self._initial_block = initial_block
        private = {"encoding", "label"} if session.privacy else {"encoding", "classes", "mean", "std"}
        self._statistics = {name: value for name, value in (statistics or {}).items() if name in private}
        size = session.data.rows // session.work.slices * 4 * (features + 1)
        if not session.privacy and size > MAX_BLOCK - MAX_ROWS_HEADER:
            raise InputError(f"a slice of {size:,} bytes is no row block of 1 MiB: raise work.slices")
        if self.sensors and session.feed.rows > (most := max_rows(features or 1)):
            raise InputError(
                f"a reading holds {most} rows of {features} columns: lower feed.rows = {session.feed.rows}"
            )
        self._peers = {member.name: member.peer for member in self.members}
        self._initial_cids: dict[str, Cid] = {}
        self.blocks: dict[Cid, bytes] = {}  # initial weights, as far as they were asked for
        self.neighbours = neighbourhood(len(self.members), degree, random.Random(f"{session.seed} links"))

    @cached_property
    def manifest(self) -> bytes:
        """The block whose CID is the session's id: canonical JSON of what all peers must agree on."""
        session = self.session
        agreed = {
            **({} if session.averaging.is_mean else {"averaging": {"rule": session.averaging.rule}}),
            **({} if session.score.metric == "accuracy" else {"score": {"metric": session.score.metric}}),
            "chain_id": session.chain.id,
            "data": {
                "features": self.features,
                "judging_rows": session.data.judging_rows,
                "sha256": self._data_sha256,
                "source": session.data.name,
                **self._statistics,
            },
            "identity": session.identity,
            "initial_weights": self.initial_cid(self.members[0]),
            "model": encode(session.model),
            "name": session.name,
            "privacy": session.privacy,
            **({"access": session.defence.access} if session.defence.sealed else {}),
            "reward": {
                "factor_wei": str(session.reward.factor_wei),
                "function": session.reward.function,
                **({"data_wei": str(session.reward.data_wei)} if session.reward.data else {}),
                **({"lineage": str(session.reward.lineage)} if session.reward.lineage else {}),
                **{name: str(getattr(session.reward, name)) for name in ADAPTATION if session.reward.adapt},
            },
            "seed": session.seed,
            "validation": {"rule": "strictly better on own rows", "rows": session.data.validation_rows},
            "version": 1,
        }
        return json.dumps(agreed, sort_keys=True, separators=(",", ":")).encode()

    @property
    def sensors(self) -> tuple[PeerId, ...]:
        return tuple(member.peer for member in self.members if member.group.sensor)

    @cached_property
    def session_id(self) -> Cid:
        return cid_of(self.manifest)

    def initial_cid(self, member: Member) -> Cid:
        """Of the weights that a peer begins with.  All peers have the same, unless the session says otherwise."""
        if member.name not in self._initial_cids:
            block = self._initial_block(member.name)
            cid = self._initial_cids[member.name] = cid_of(block)
            self.blocks[cid] = block
        return self._initial_cids[member.name]

    @property
    def largest_block(self) -> int:
        """Bytes of the largest model, or block of rows, that a peer of this session can publish."""
        return max(MAX_BLOCK, len(self.blocks[self.initial_cid(self.members[0])]) + MAX_MODEL_HEADER)

    def config(self, index: int, validation: Commitment, salt: str | None = None) -> PeerConfig:
        """The settings of one peer.

        ``salt``: a secret of the peer.  By default it follows from the seed, for peers that share one process.
        """
        session, member = self.session, self.members[index]
        senders = [index, *self.neighbours[index]]
        registering = (self.members[sender] for sender in senders if self.members[sender].group.wants_payment)
        paid = [other for other in registering if other.group.stakes or not session.defence.stake]
        believed = session.identity is IdentityRule.PAPER  # so that a hijacker's claim is admitted
        identities = len({other.claimed_peer for other in paid if believed or other.claimed_peer == other.peer})
        wanted = session.start.peers
        return PeerConfig(
            peer=member.peer,
            wallet=member.wallet,
            payout=member.payee,
            session=self.session_id,
            salt=f"{session.seed} {member.name}" if salt is None else salt,
            policy=member.group.policy,
            behaviour=member.group.behaviour,
            forgery=member.group.forgery,
            leader=self._peers.get(member.group.leader or ""),
            privacy=session.privacy,
            flips=member.group.flips if member.group.policy is Policy.ROW_POISONER else 0.0,
            claimed_peer=member.claimed_peer,
            role=member.group.role,
            sensors=self.sensors if member.group.bridge else (),
            validation=validation,
            wants_payment=member.group.wants_payment,
            stakes=member.group.stakes,
            identity=session.identity,
            initial_weights=self.initial_cid(member),
            slices_planned=session.work.slices * session.work.passes if member.trains else 0,
            expected_identities=identities if wanted is None else min(wanted, identities),
            work=session.work,
            start=session.start,
            pace=session.pace,
            network=session.network,
            reward=session.reward,
            payment=session.payment,
            defence=session.defence,
            cost=wei(member.group.unit_cost),
            market=session.market,
            chain=session.chain,
        )
