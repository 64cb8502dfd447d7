"""Bytes that peers exchange: CIDs, announcements as canonical JSON, and the text that a claim's proof signs.

Decoding is strict: an unknown version or field, a wrong type or an overlong message raises ``BadMessage``.
"""

import json
import re
from typing import Any, assert_never

from learnae.errors import BadMessage, Reason
from learnae.messages.chunk_list import CHUNK, ChunkList, list_cid, raw_cid
from learnae.messages.foreign_json import from_json
from learnae.messages.multiaddr import PEER, Multiaddr
from learnae.protocol.defence_types import Sealing
from learnae.protocol.events import Announcement, IdentityAnnouncement, ModelAnnouncement
from learnae.protocol.row_types import RowBlock, RowsAnnouncement
from learnae.protocol.settings import DefenceSettings
from learnae.protocol.types import Address, Cid, Claim, ModelRef, Parents, PeerId, Poid, TxHash, Weights

VERSION = 1
MAX_BLOCK = CHUNK  # bytes of one IPFS block; larger content is a list of chunks
MAX_MODEL = 64 << 20  # bytes
MAX_MESSAGE = 2048  # bytes
MAX_READERS = 200  # peers for which a model is sealed
MAX_READER = 112  # bytes of the key for one of them
MAX_READING = 32_000  # bytes of a sensor's message: fits into one block of the Tangle
MAX_ADDRESSES = 6
MAX_STEP = 1 << 31

SIGNING_PREFIX = b"libp2p-key signed message:"  # IPFS nodes sign it together with a message

CID = r"b[a-z2-7]{58}"
ADDRESS = r"0x[0-9a-fA-F]{40}"
HASH = r"0x[0-9a-f]{64}"
COMMITMENT = r"[0-9a-f]{64}"
DIGEST = r"[0-9a-f]{32,64}"
X25519_KEY = r"u[A-Za-z0-9_-]{43}"
WRAPPED_KEY = r"u[A-Za-z0-9_-]{32}"
TEXT = r"[!-~]{0,200}"


def cid_of(content: bytes) -> Cid:
    """The CID of a model or of other content: of one raw block up to 1 MiB, and of a list of chunks above.

    ``ipfs add --cid-version=1 --raw-leaves --chunker=size-1048576`` names it in the same way.
    """
    return raw_cid(content) if len(content) <= MAX_BLOCK else list_cid(ChunkList.of(content).block)


def proof_text(claim: Claim, session: Cid, chain_id: int, genesis: str) -> bytes:
    """What the IPFS key signs: valid for one wallet, contract, commitment, sealing key, session and chain only."""
    poid = claim.poid
    domain = ("learnae claim 1", str(chain_id), genesis, session)
    return "\n".join((*domain, claim.contract, poid.peer, poid.wallet, claim.validation, claim.sealing_key)).encode()


def rows_text(session: Cid, rows: RowBlock) -> bytes:
    """What the creator of a row block signs with its IPFS key."""
    return "\n".join(("learnae rows 1", session, rows.creator, str(rows.number), rows.cid)).encode()


def topics(session: Cid) -> tuple[str, ...]:
    return tuple(f"learnae/1/{session}/{kind}" for kind in ("identity", "model", "rows"))


def topic_of(announcement: Announcement) -> str:
    identity, model, rows = topics(announcement.session)
    match announcement:
        case IdentityAnnouncement():
            return identity
        case ModelAnnouncement():
            return model
    return rows


def encode(announcement: Announcement) -> bytes:
    match announcement:
        case IdentityAnnouncement(session, claim, addresses):
            body: dict[str, object] = {
                "contract": claim.contract,
                "peer": claim.poid.peer,
                "sealing_key": claim.sealing_key,
                "signature": claim.signature,
                "tx": claim.deploy_tx,
                "type": "identity",
                "validation": claim.validation,
                "wallet": claim.poid.wallet,
            }
        case ModelAnnouncement(session, model, addresses, sealing):
            body = {
                "cid": model.weights.cid,
                "creator": model.creator,
                "digest": model.weights.digest,
                "parent_creators": list(model.parents.creators if model.parents else ()),
                "parents": list(model.parents.cids if model.parents else ()),
                "step": model.step,
                "type": "model",
            }
            if sealing:
                body["sealing"] = {
                    "cid": sealing.cid,
                    "creator_key": sealing.creator_key,
                    "keys": dict(sealing.keys),
                }
        case RowsAnnouncement(session, rows, signature, addresses):
            body = {
                "cid": rows.cid,
                "creator": rows.creator,
                "number": rows.number,
                "signature": signature,
                "type": "rows",
            }
        case _:
            assert_never(announcement)
    body |= {"addresses": list(addresses), "session": session, "v": VERSION}
    return json.dumps(body, sort_keys=True, separators=(",", ":")).encode()


def max_message(defence: DefenceSettings) -> int:
    """Bytes of the longest announcement of a session."""
    return MAX_MESSAGE + (MAX_READERS * MAX_READER if defence.sealed else 0)


def decode(message: bytes, longest: int = MAX_MESSAGE) -> Announcement:
    """Raises BadMessage for anything that ``encode`` could not have written, and for more than ``longest`` bytes."""
    if len(message) > longest:
        raise BadMessage(Reason.OVERSIZE)
    try:
        body = from_json(message)
    except (ValueError, RecursionError):
        raise BadMessage(Reason.MALFORMED) from None
    if not isinstance(body, dict):
        raise BadMessage(Reason.MALFORMED)
    if body.get("v") != VERSION or isinstance(body["v"], bool):
        raise BadMessage(Reason.VERSION)
    kind = body.get("type")
    announcement = _identity(body) if kind == "identity" else _rows(body) if kind == "rows" else _model(body)
    if encode(announcement) != message:  # unknown fields, or another encoding of the same values
        raise BadMessage(Reason.MALFORMED)
    return announcement


def _identity(body: dict[str, Any]) -> IdentityAnnouncement:
    poid = Poid(PeerId(_text(body, "peer", PEER)), Address(_text(body, "wallet", ADDRESS)))
    contract, tx = Address(_text(body, "contract", ADDRESS)), TxHash(_text(body, "tx", HASH))
    validation, signature = _text(body, "validation", COMMITMENT), _text(body, "signature", TEXT)
    claim = Claim(poid, contract, tx, validation, signature, _text(body, "sealing_key", f"({X25519_KEY})?"))
    addresses = tuple(map(str, _addresses(body)))
    return IdentityAnnouncement(Cid(_text(body, "session", CID)), claim, addresses)


def _rows(body: dict[str, Any]) -> RowsAnnouncement:
    cid, number = Cid(_text(body, "cid", CID)), _count(body, "number")
    rows = RowBlock(PeerId(_text(body, "creator", PEER)), number, cid)
    addresses = tuple(map(str, _addresses(body)))
    return RowsAnnouncement(Cid(_text(body, "session", CID)), rows, _text(body, "signature", TEXT), addresses)


def _model(body: dict[str, Any]) -> ModelAnnouncement:
    step = _count(body, "step")
    weights = Weights(Cid(_text(body, "cid", CID)), _text(body, "digest", DIGEST))
    model = ModelRef(PeerId(_text(body, "creator", PEER)), step, weights, _parents(body))
    addresses = _addresses(body)
    if any(address.peer != model.creator for address in addresses):
        raise BadMessage(Reason.MALFORMED, "an address of another peer")
    return ModelAnnouncement(Cid(_text(body, "session", CID)), model, tuple(map(str, addresses)), _sealing(body))


def _parents(body: dict[str, Any]) -> Parents | None:
    match body.get("parents"), body.get("parent_creators"):
        case [], []:
            return None
        case [base, remote], [mine, other]:
            cids = (_text({"parent": cid}, "parent", CID) for cid in (base, remote))
            creators = (_text({"parent": peer}, "parent", PEER) for peer in (mine, other))
            return Parents((Cid(next(cids)), Cid(next(cids))), (PeerId(next(creators)), PeerId(next(creators))))
        case _:
            raise BadMessage(Reason.MALFORMED, "parents")


def _sealing(body: dict[str, Any]) -> Sealing | None:
    if "sealing" not in body:
        return None
    match body["sealing"]:
        case {"keys": dict(keys)} as sealing if len(keys) <= MAX_READERS:
            cid, creator_key = Cid(_text(sealing, "cid", CID)), _text(sealing, "creator_key", X25519_KEY)
            readers = (PeerId(_text({"peer": peer}, "peer", PEER)) for peer in keys)
            return Sealing(cid, creator_key, tuple((peer, _text(keys, peer, WRAPPED_KEY)) for peer in readers))
        case _:
            raise BadMessage(Reason.MALFORMED, "sealing")


def _count(body: dict[str, Any], field: str) -> int:
    value = body.get(field)
    if type(value) is not int or not 0 < value < MAX_STEP:
        raise BadMessage(Reason.MALFORMED, field)
    return value


def _text(body: dict[str, Any], field: str, pattern: str) -> str:
    value = body.get(field)
    if not isinstance(value, str) or not re.fullmatch(pattern, value):
        raise BadMessage(Reason.MALFORMED, field)
    return value


def _addresses(body: dict[str, Any]) -> tuple[Multiaddr, ...]:
    addresses = body.get("addresses")
    if not isinstance(addresses, list) or len(addresses) > MAX_ADDRESSES:
        raise BadMessage(Reason.MALFORMED, "addresses")
    try:
        return tuple(Multiaddr.parse(_text({"address": each}, "address", TEXT)) for each in addresses)
    except ValueError as error:
        raise BadMessage(Reason.MALFORMED, str(error)) from None
