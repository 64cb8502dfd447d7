"""The rows of the tables that ``analysis.tables`` makes of a run: one type per table, one field per column.

Money is in wei, an exact integer.  Times ending in ``_at`` are in session seconds.  Peers are called by their names in
the roster; what no peer of the roster owns keeps its id or address.
"""

from dataclasses import dataclass

from learnae.protocol.types import Address, Cid, PeerId, TxHash, Wei


@dataclass(frozen=True, slots=True)
class PeerRow:
    """A peer at the end of the session.

    ``test`` and ``validation`` are the accuracies of its last model, from 0 to 1.  ``sent_wei`` and ``received_wei``
    count final payments, without gas; ``gas_wei`` is what all its transactions cost.  Row blocks are those of an open
    session: its own that the peer published, and those of others that it fetched, trained on or refused.
    """

    peer: str
    role: str
    policy: str
    has_rows: bool
    computes: bool
    wants_payment: bool
    peer_id: PeerId
    wallet: Address
    payout: Address | None
    slices_trained: int
    row_blocks_published: int
    row_blocks_fetched: int
    row_blocks_trained: int
    row_blocks_refused: int
    averagings: int
    adopted: int
    payments_sent: int
    sent_wei: Wei
    payments_received: int
    received_wei: Wei
    gas_wei: Wei
    validation: float | None
    test: float | None


@dataclass(frozen=True, slots=True)
class PaymentRow:
    """A debt in its last state.  Only those in state ``final`` are paid for good.

    ``before`` and ``after`` are scores by the session's metric, by default accuracies; ``correct_before``,
    ``correct_after`` and ``rows`` are the exact scores on the payer's validation rows.  ``shares``: the number
    of row blocks that share the gain; 0: it is for a model.  ``part_of``: of a payment for a parent, the adopted model.
    """

    payer: str
    number: int
    creator: str
    cid: Cid
    owed_at: float
    changed_at: float
    state: str
    wei: Wei
    before: float
    after: float
    correct_before: int
    correct_after: int
    rows: int
    payee: str | None
    tx: TxHash | None
    nonce: int | None
    block: int | None
    reason: str | None
    shares: int
    part_of: Cid | None


@dataclass(frozen=True, slots=True)
class AveragingRow:
    """A scored averaging of ``peer`` with a model of ``creator``.

    ``before``, ``after`` and ``gain``, their difference, are such scores; ``correct_before``, ``correct_after`` and
    ``rows`` are exact.
    """

    at: float
    peer: str
    creator: str
    remote_cid: Cid
    cid: Cid
    step: int
    before: float
    after: float
    gain: float
    correct_before: int
    correct_after: int
    rows: int
    adopted: bool


@dataclass(frozen=True, slots=True)
class AccuracyRow:
    """A model that a peer adopted.

    ``source`` is initial, trained or averaged; ``unit`` counts the peer's slices and averagings so far.  ``validation``
    is on the peer's own validation rows (``correct`` of ``rows``).  ``test`` is None if the model was not tested;
    ``own_test``, on rows of the peer's own distribution, is None unless distributions differ.
    """

    at: float
    peer: str
    unit: int
    source: str
    cid: Cid
    validation: float
    correct: int
    rows: int
    test: float | None
    own_test: float | None


@dataclass(frozen=True, slots=True)
class TransactionRow:
    """A transaction on the chain.

    ``kind`` is payment, contract, deposit, report or withdrawal (of a fee pool), or other; ``timestamp`` is in Unix
    seconds of chain time.  ``gas_wei`` is spent also if the transaction did not succeed.
    """

    block: int
    timestamp: int
    hash: TxHash
    kind: str
    sender: str
    to: str | None
    nonce: int
    wei: Wei
    gas_used: int
    gas_price: Wei
    gas_wei: Wei
    succeeded: bool
    contract: Address | None


@dataclass(frozen=True, slots=True)
class FaultRow:
    """An injected fault.

    ``targets`` are names of peers, separated by spaces.  ``ended_at`` is None if the fault was not healed.
    """

    window: int
    kind: str
    targets: str
    began_at: float
    ended_at: float | None
    effect: str | None


@dataclass(frozen=True, slots=True)
class SettingValue:
    """A setting by its name in the session file, such as ``work.slices``.

    ``value`` may be a list, such as that of ``groups``.
    """

    setting: str
    value: object
