"""The API's view of a live peer (``PeerApiPort``), from before the peer exists until after it has left.

    service = PeerService(member, clock, metrics)    # the API can be served from here on
    service.begin(live, predictor, index)            # observes the peer; then ``await live.run()``
    service.end()                                    # followers of its records end

Decisions are kept in a log.  The peer's state is read from ``Peer.status()`` for each request; its balance and the
payments to it are updated whenever the live peer has polled the chain.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Literal, TypeVar

from learnae.adapters.metrics import Metrics, Sample
from learnae.adapters.metrics.metric_list import target_answer
from learnae.errors import PortError
from learnae.plugins import PluginError
from learnae.ports import Performed, Predictor
from learnae.protocol.decisions import Adopted, AttemptFailed, Averaged, DebtState, IdentityState, Published, WorkState
from learnae.protocol.row_types import RowsPublished
from learnae.protocol.settings import Defence
from learnae.protocol.types import PeerId, Score, Wei, Weights
from learnae.records.history import Evaluated, Fact, Record
from learnae.runtime.feed import FeedGossip
from learnae.runtime.live import LivePeer
from learnae.runtime.received_payments import ReceivedPayments, ReportedPayments
from learnae.session.roster import Member
from learnae.web.api import views
from learnae.web.api.peer_api_port import BadRequest, NotReady
from learnae.web.api.prediction_views import Predictions
from learnae.web.event_log import EventLog

if TYPE_CHECKING:
    from learnae.adapters.evm.payment_index import PaymentIndex

T = TypeVar("T")
State = Literal["starting", "running", "over"]


class PeerService:
    """``clock``: session seconds.  ``members``: the other peers, to name payers.  ``reported``: payments that payers in
    this process have recorded."""

    def __init__(
        self,
        member: Member,
        clock: Callable[[], float],
        metrics: Metrics,
        members: Iterable[Member] = (),
        reported: ReportedPayments | None = None,
    ) -> None:
        self.member, self.log = member, EventLog()
        self.state: State = "starting"
        self.stopped = False
        self.abandon: Callable[[], object] = lambda: None  # cancels the start
        self.kubo: Callable[[], Awaitable[bytes]] | None = None  # metrics of its Kubo node, if it has one
        self.live: LivePeer | None = None
        self._clock, self._metrics = clock, metrics
        self._received = ReceivedPayments(member, members, reported or ReportedPayments())
        self._predictor: Predictor | None = None
        self._thread = ThreadPoolExecutor(1, "predictor")  # a single thread, because training needs the CPU, too
        self._paused = False
        self._attempt_counts: Counter[str] = Counter()  # attempts by outcome
        self._test: Score | None = None
        self._first_creator: PeerId | None = None  # creator of the first model
        self._up: dict[str, bool] = {}
        metrics.follow(self.name, member.role, self._sample)

    # called by the program that runs the peer

    def begin(self, live: LivePeer, predictor: Predictor, index: "PaymentIndex | None" = None) -> None:
        """Observe the peer from now on.  Payments to it are looked up in ``index``; without it none are known."""
        self.live, self._predictor, self.state = live, predictor, "running"
        self._received.follow(live, index)
        if live.config.defence.kind is Defence.PROFILES:
            self._metrics.pays_by_pool(self.name)
        live.observers += (self.observe,)
        live.stopwatches += (self._record_performed,)
        live.seen = self._received.update
        if self._paused:
            live.pause()

    def end(self) -> None:
        self.state = "over"
        self.log.close()

    def observe(self, now: float, peer: str, item: Fact) -> None:
        """Record a fact about this peer; after a restart also those from before."""
        self.log.add(Record(now, peer, item))
        self._metrics.observe(now, peer, item)
        match item:
            case Averaged(adopted=adopted):
                self._attempt_counts["adopted" if adopted else "dropped"] += 1
            case AttemptFailed():
                self._attempt_counts["failed"] += 1
            case Adopted(creator=creator):
                self._first_creator = creator
            case Published(cid=cid) | RowsPublished(cid=cid):
                self._received.published.add(cid)
            case Evaluated(test=test):
                self._test = test

    def add_scrape_seconds(self, seconds: float) -> None:
        """Add CPU time of requests for metrics."""
        self._metrics.add_scrape_seconds(seconds)

    # PeerApiPort

    @property
    def name(self) -> str:
        return self.member.name

    def status(self) -> views.Status:
        member, live = self.member, self.live
        snapshot = live.peer.status() if live else None
        claim = snapshot.claim if snapshot else None
        return views.Status(
            name=member.name,
            peer=member.peer,
            wallet=member.wallet,
            payout=member.payout,
            role=views.RoleView.of(member.group),
            state=self.state,
            paused=self._paused,
            session=live.config.session if live else None,
            seconds=self._seconds(),
            work=snapshot.work if snapshot else WorkState.EMPTY,
            identity=snapshot.identity if snapshot else IdentityState.NONE,
            contract=claim.contract if claim else None,
            validation=live.config.validation.digest if live else None,
            slices=views.Slices(
                done=snapshot.slices_trained if snapshot else 0, planned=snapshot.slices_planned if snapshot else 0
            ),
            attempts=self._attempts(),
            accuracy_validation=views.ScoreView.of(snapshot.score) if snapshot and snapshot.score else None,
            accuracy_test=views.ScoreView.of(self._test) if self._test else None,
            balance=None if self._received.balance is None else views.Money.of(self._received.balance),
            peers_known=snapshot.peers_known if snapshot else 0,
            debts=self._debts(),
            dropped=self._dropped(),
            queue=live.queue if live else 0,
        )

    def rest(self) -> views.RestView:
        return views.RestView.of(self.live.peer.rest() if self.live else None)

    def health(self) -> views.Health:
        return views.Health(
            name=self.name, ready=self.state == "running", kubo=self._up.get("kubo"), chain=self._up.get("chain")
        )

    async def model(self) -> views.ModelView:
        self._weights()  # raises if there is no model
        widths = await self._predict(lambda predictor: predictor.widths)
        live, weights = self._weights()
        status = live.peer.status()
        assert status.score
        return views.ModelView(
            cid=weights.cid,
            digest=weights.digest,
            step=status.step,
            creator=self.member.peer if status.step else self._first_creator,
            score=views.ScoreView.of(status.score),
            widths=list(widths),
            size=len(live.ports.blocks[weights.cid]),
        )

    def block(self) -> tuple[str, bytes, bool]:
        live, weights = self._weights()
        return weights.cid, live.ports.blocks[weights.cid], live.config.defence.sealed

    async def predict(self, rows: Sequence[Sequence[float]], standardised: bool) -> Predictions:
        _, weights = self._weights()

        def run(predictor: Predictor) -> list[list[float]]:
            width = predictor.widths[0]
            misfit = next((number for number, row in enumerate(rows) if len(row) != width), None)
            if misfit is not None:
                raise BadRequest(f"row {misfit} has {len(rows[misfit])} features, but this session uses {width}")
            return predictor.predict(weights.cid, rows, standardised)

        try:
            answers = await self._predict(run)
        except PortError:
            raise NotReady(f"{self.name} has just changed its model: try again") from None
        except PluginError as error:
            raise BadRequest(str(error)) from None
        return Predictions.of(weights.cid, answers)

    def directory(self) -> list[views.DirectoryEntryView]:
        entries = self.live.peer.status().directory if self.live else ()
        return [views.DirectoryEntryView.of(entry.decision()) for entry in entries]

    def payments_sent(self) -> list[views.ReceiptView]:
        debts = self.live.peer.status().debts if self.live else ()
        return [views.ReceiptView.of(debt, self.member.peer, self.member.wallet) for debt in debts]

    def payments_received(self) -> list[views.ReceiptView]:
        """Payments on the chain, as of the peer's last poll; with scores if the payer is in this process."""
        return self._received.receipts()

    def metrics(self) -> bytes:
        return self._metrics.render()

    async def kubo_metrics(self) -> bytes:
        if self.kubo is None:
            raise NotReady(f"{self.name} has no Kubo node")
        try:
            return await self.kubo()
        except PortError as error:
            raise NotReady(f"{self.name}'s Kubo node does not answer with its metrics ({error})") from None

    def pause(self) -> None:
        self._paused = True
        if self.live:
            self.live.pause()

    def resume(self) -> None:
        self._paused = False
        if self.live:
            self.live.resume()

    def stop(self) -> None:
        self.stopped = True
        if self.live:
            self.live.stop()
        else:
            self.abandon()

    def close(self) -> None:
        if self.live is None:
            raise NotReady(f"{self.name} has not begun yet: stop it instead")
        self.live.close()

    # private

    def _weights(self) -> tuple[LivePeer, Weights]:
        weights = self.live.peer.status().weights if self.live else None
        if self.live is None or weights is None:
            raise NotReady(f"{self.name} has no model yet")
        return self.live, weights

    async def _predict(self, run: Callable[[Predictor], T]) -> T:
        """In a thread of its own: a restarted peer imports torch for its first prediction."""
        assert self._predictor
        return await asyncio.get_running_loop().run_in_executor(self._thread, run, self._predictor)

    def _seconds(self) -> float:
        return round(self.live.now if self.live else max(0.0, self._clock()), 3)

    def _attempts(self) -> views.Attempts:
        adopted, failed = self._attempt_counts["adopted"], self._attempt_counts["failed"]
        scored = adopted + self._attempt_counts["dropped"]
        rate = round(adopted / scored, 4) if scored else None
        return views.Attempts(scored=scored, adopted=adopted, failed=failed, success_rate=rate)

    def _debts(self) -> dict[DebtState, int]:
        counted = Counter(debt.state for debt in self.live.peer.status().debts) if self.live else Counter()
        return {state: counted[state] for state in DebtState}

    def _dropped(self) -> dict[str, int]:
        if self.live is None:
            return {}
        heard = self.live.gossip.dropped
        return dict(Counter(self.live.dropped) + Counter({str(why): count for why, count in heard.items()}))

    def _record_performed(self, peer: str, performed: Performed) -> None:
        self._metrics.performed(peer, performed)
        if answer := target_answer(performed):
            self._up.update([answer])

    def _sample(self) -> Sample:
        payments, gossip = self._received.payments(), self.live.gossip if self.live else None
        follows = gossip if isinstance(gossip, FeedGossip) else None
        return Sample(
            seconds=self._seconds(),
            paused=self._paused,
            queue=self.live.queue if self.live else 0,
            peers_known=self.live.peer.status().peers_known if self.live else 0,
            balance=self._received.balance,
            payments_received=len(payments),
            received=Wei(sum(paid.wei for _, _, paid in payments)),
            gas=self._received.gas,
            dropped=self._dropped(),
            feed=follows.log.counts if follows else None,
            newest_reading=follows.age if follows else None,
            feed_nodes=follows.nodes_up if follows else None,
        )
