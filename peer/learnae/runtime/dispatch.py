"""From actions to port calls, and from their results to events.  The simulator and live peers share this table."""

from collections.abc import MutableMapping
from concurrent.futures import Future
from dataclasses import dataclass, replace
from typing import Any, assert_never

from learnae.errors import PortError, Reason
from learnae.messages.wire import proof_text, rows_text
from learnae.plugins import PluginError
from learnae.ports import Chain, IdentityKey, ScoredDespite, Store, TooSimilar, Trainer
from learnae.protocol import actions as do
from learnae.protocol import events as on
from learnae.protocol.blockchain import Head, PaymentsRead, PoolRead, ReadPayments, ReadPool, SignPoolCall
from learnae.protocol.decisions import PluginFailed
from learnae.protocol.events import Announcement, ModelAnnouncement
from learnae.protocol.peer import Peer
from learnae.protocol.policies import ForgeModel, ModelForged
from learnae.protocol.row_types import PackRows, RowBlock, RowsPacked, RowsReceived, RowsSigned, SignRows, cid_of
from learnae.protocol.types import Cid, Claim, PeerId, TxHash
from learnae.sealing import SealingKey


@dataclass(frozen=True)
class Ports:
    """All ports of one peer.  ``blocks``: those it holds, its own and those it has fetched."""

    store: Store
    key: IdentityKey
    chain: Chain
    chain_id: int
    trainer: Trainer
    blocks: MutableMapping[Cid, bytes]
    sealing: SealingKey | None = None  # None: models are open


def screen(peer: Peer, key: IdentityKey, sender: PeerId, announcement: Announcement, at: float) -> on.Event | Reason:
    """``Peer.screen``, and the signature of a row block that is worth an event."""
    event = peer.screen(sender, announcement, at)
    if isinstance(event, RowsReceived):
        rows, signature = event.announcement.rows, event.announcement.signature
        if not key.verify(rows.creator, rows_text(announcement.session, rows), signature):
            return Reason.SIGNATURE
    return event


def announced(action: do.Announce, ports: Ports) -> Announcement:
    """The announcement; of a sealed model, with the keys of those who may read it."""
    announcement = action.announcement
    if action.recipients is None or not ports.sealing or not isinstance(announcement, ModelAnnouncement):
        return announcement
    cid = announcement.model.weights.cid
    return replace(announcement, sealing=ports.sealing.seal(cid, ports.blocks, action.recipients))


def submit(action: do.TrainerAction, trainer: Trainer) -> Future[Any]:
    """Give a job to the trainer.  Call this as soon as the action is performed, so that a pool can gather jobs."""
    match action:
        case do.ScoreModel():
            return trainer.score(action.cid, action.model, action.earlier)
        case do.TrainSlice():
            rows, earlier = cid_of(action.rows), action.earlier
            return trainer.train(action.base_cid, action.slice, action.slices_trained, action.step, rows, earlier)
        case PackRows():
            return trainer.pack(action.slice, action.flips)
        case do.AverageModels():
            return trainer.average(action.base_cid, action.remote, action.step, action.earlier)
        case ForgeModel():
            return trainer.forge(action.forgery, action.source, action.step, action.other)
        case _:
            assert_never(action)


def finish(action: do.TrainerAction, pending: Future[Any], at: float) -> on.Event:
    """Wait for a job, or do it now; return the event that answers the action."""
    try:
        result = pending.result()
    except TooSimilar as error:
        return on.RequestFailed(at, action.request, error.reason, similar=error.similar)
    except PortError as error:
        return on.RequestFailed(at, action.request, error.reason)
    except ScoredDespite as done:
        return on.ModelScored(at, action.request, done.weights, done.score, _failed(done.failure))
    except PluginError as error:
        return on.RequestFailed(at, action.request, Reason.PLUGIN, _failed(error))
    if isinstance(action, ForgeModel):
        return ModelForged(at, action.request, result)
    if isinstance(action, PackRows):
        return RowsPacked(at, action.request, result)
    return on.ModelScored(at, action.request, *result)


async def perform(action: do.StoreAction | do.ChainAction, ports: Ports, at: float) -> on.Event:
    """Call the store or the chain; return the event that answers the action."""
    try:
        return await _answer(action, ports, at)
    except PortError as error:
        return on.RequestFailed(at, action.request, error.reason)


async def _answer(action: do.StoreAction | do.ChainAction, ports: Ports, at: float) -> on.Event:
    chain, id = ports.chain, action.request
    match action:
        case do.FetchModel():
            block = await ports.store.get(action.stored_cid, action.hints)
            if action.key and ports.sealing:
                block = ports.sealing.decrypt(action.cid, block, action.key)
            ports.blocks[action.cid] = block
            return on.ModelFetched(at, id)
        case do.StoreModel():
            block = ports.blocks[action.cid]
            await ports.store.put(
                ports.sealing.encrypt(action.cid, block) if action.sealed and ports.sealing else block
            )
            return on.ModelStored(at, id)
        case SignRows():
            rows = RowBlock(ports.key.peer_id, action.number, action.cid)
            return RowsSigned(at, id, await ports.key.sign(rows_text(action.session, rows)))
        case do.SignDeployment():
            return on.TransactionSigned(at, id, await chain.sign_deploy(action.poid, action.nonce, action.attempt))
        case do.SignPayment():
            signed = await chain.sign_pay(action.to, action.wei, action.cids, action.nonce, action.attempt)
            return on.TransactionSigned(at, id, signed)
        case SignPoolCall():
            return on.TransactionSigned(at, id, await chain.sign_call(action.call, action.nonce, action.attempt))
        case ReadPool():
            state = await chain.pool()  # before the head, which it must not be newer than
            return PoolRead(at, id, await chain.head(), state)
        case do.SendTransaction():
            await chain.broadcast(action.signed)
            return on.TransactionSent(at, id)
        case do.ReadReceipts():
            receipts = tuple([await chain.receipt(hash) for hash in action.hashes])
            return on.ReceiptsRead(at, id, await chain.head(), receipts)
        case ReadPayments():
            return PaymentsRead(at, id, await chain.payments(action.since, action.wallets))
        case do.SignClaim():
            sealing_key = ports.sealing.public if ports.sealing else ""
            claim = Claim(action.poid, action.contract, TxHash(""), action.validation, "", sealing_key)
            proof = _proof(claim, action.session, ports, await chain.head())
            return on.ClaimSigned(at, id, await ports.key.sign(proof), sealing_key)
        case do.ReadClaim():
            facts = await chain.read_claim(action.claim)
            text = _proof(action.claim, action.session, ports, await chain.head())
            valid = ports.key.verify(action.claim.poid.peer, text, action.claim.signature)
            return on.ClaimRead(at, id, replace(facts, signature_valid=valid))
        case _:
            assert_never(action)


def _failed(error: PluginError) -> PluginFailed:
    return PluginFailed(error.plugin, error.line, error.error)


def _proof(claim: Claim, session: Cid, ports: Ports, head: Head) -> bytes:
    return proof_text(claim, session, ports.chain_id, head.genesis)
