"""A small session in which everything happens once, told by hand, and the means to tell it otherwise.

ann and bob are honest and pay each other; bob's payment is replaced with a higher fee, then a rollback makes it final
twice.  cat has no rows and refuses to pay.  dan claims bob's id, too late, and has no claim to his own; eve arrives,
crashes and comes back.
"""

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

from learnae.analysis.checks import CHECKS
from learnae.errors import Reason
from learnae.messages.wire import cid_of
from learnae.protocol.decisions import (
    Adopted,
    Averaged,
    ClaimJudged,
    DebtChanged,
    DebtState,
    Published,
    Trained,
    Verdict,
    WorkChanged,
    WorkState,
)
from learnae.protocol.policies import Policy
from learnae.protocol.settings import RewardSettings
from learnae.protocol.types import Address, Cid, Parents, PeerId, Poid, Score, TxHash, Wei
from learnae.records.chain_export import Balances, Block, ChainRecord, ChainTransaction, Genesis
from learnae.records.history import (
    Evaluated,
    Fact,
    History,
    PeerCrashed,
    PeerRestarted,
    Record,
    SessionBegan,
    SessionEnded,
)
from learnae.records.outcome import BackendName, EndedBy
from learnae.records.roster_entry import RosterEntry
from learnae.session.settings import Group, Session

NAMES = ("ann", "bob", "cat", "dan", "eve")
POLICIES = {"cat": Policy.REFUSES_TO_PAY, "dan": Policy.HIJACKER}
PEER = {name: PeerId(f"12D3{name}") for name in NAMES}
WALLET = {name: Address("0x" + f"{number:02x}" * 20) for number, name in enumerate(NAMES, 0xA1)}
CONTRACT = {name: Address("0x" + f"{number:02x}" * 20) for number, name in enumerate(NAMES, 0xC1)}
MODEL = {name: cid_of(name.encode()) for name in ("ann 1", "ann 2", "ann 3", "bob 1", "bob 2", "dan 1", "cat 1")}
PARENTS = Parents((MODEL["ann 1"], MODEL["bob 1"]), (PEER["ann"], PEER["bob"]))  # of ann's average
GROUPS = (
    Group(count=2),
    Group(count=1, has_rows=False, policy=Policy.REFUSES_TO_PAY),
    Group(count=1, policy=Policy.HIJACKER),
    Group(),
)
SETTINGS = Session(name="five", peers=5, groups=GROUPS, reward=RewardSettings(factor=Decimal("0.055"), cap=Decimal(1)))

ROSTER = tuple(
    RosterEntry(name, PEER[name], WALLET[name], name != "cat", True, True, POLICIES.get(name, Policy.HONEST))
    for name in NAMES
)


def score(correct: int) -> Score:
    return Score(correct, 1000)


def judged(sender: str, peer: str, wallet: str, verdict: Verdict, rank: tuple[int, int, int]) -> ClaimJudged:
    poid = Poid(PEER[peer], WALLET[wallet])
    reason = Reason.SIGNATURE if verdict is Verdict.REJECTED else None
    return ClaimJudged(PEER[sender], poid, CONTRACT[sender], verdict, reason, *rank)


ANN_OWES = DebtChanged(
    0, PEER["bob"], MODEL["bob 1"], score(700), score(750), Wei(2_750_000_000_000_000), DebtState.OWED
)
ANN_PAYS = replace(ANN_OWES, payee=WALLET["bob"], nonce=1, tx=TxHash("0xann1"))
BOB_OWES = DebtChanged(
    0, PEER["ann"], MODEL["ann 2"], score(690), score(720), Wei(1_650_000_000_000_000), DebtState.OWED
)
BOB_TRIES = replace(BOB_OWES, payee=WALLET["ann"], nonce=1, tx=TxHash("0xbob1"))
BOB_PAYS = replace(BOB_TRIES, tx=TxHash("0xbob2"))
DAN_IS_OWED = DebtChanged(
    1, PEER["dan"], MODEL["dan 1"], score(750), score(760), Wei(550_000_000_000_000), DebtState.OWED
)
CAT_OWES = DebtChanged(0, PEER["bob"], MODEL["bob 1"], score(700), score(701), Wei(55_000_000_000_000), DebtState.OWED)

TOLD: list[tuple[str, Fact]] = [
    ("swarm", SessionBegan(1, BackendName.SIM, SETTINGS, ROSTER, Cid("bmanifest"))),
    *((name, WorkChanged(WorkState.IDLE)) for name in NAMES if name != "cat"),
    *((name, Adopted(Cid("binitial"), None, score(500))) for name in NAMES if name != "cat"),
    ("ann", Trained(0, 1, MODEL["ann 1"], score(700))),
    ("bob", Trained(0, 1, MODEL["bob 1"], score(690))),
    ("ann", Published(1, MODEL["ann 1"])),
    ("bob", Published(1, MODEL["bob 1"])),
    ("dan", Published(1, MODEL["dan 1"])),
    ("cat", Adopted(MODEL["ann 1"], PEER["ann"], score(700))),
    ("eve", PeerCrashed()),
    # who is who: dan's claim to bob's id reaches ann first and loses all the same
    ("ann", judged("dan", "bob", "dan", Verdict.WINNER, (1001, 1, 2))),
    ("ann", judged("bob", "bob", "bob", Verdict.WINNER, (1001, 1, 1))),
    ("ann", judged("dan", "bob", "dan", Verdict.LATER, (1001, 1, 2))),
    ("ann", judged("eve", "bob", "eve", Verdict.REJECTED, (900, 0, 0))),
    ("bob", judged("ann", "ann", "ann", Verdict.WINNER, (1001, 1, 0))),
    # averaging
    ("bob", Averaged(PEER["ann"], MODEL["ann 1"], score(690), score(680), False, Cid("bdropped"), 2)),
    ("ann", Averaged(PEER["bob"], MODEL["bob 1"], score(700), score(750), True, MODEL["ann 2"], 2)),
    ("ann", ANN_OWES),
    ("ann", replace(ANN_OWES, state=DebtState.PAYABLE, payee=WALLET["bob"])),
    ("ann", Published(2, MODEL["ann 2"], PARENTS)),
    ("cat", Averaged(PEER["bob"], MODEL["bob 1"], score(700), score(701), True, MODEL["cat 1"], 1)),
    ("cat", CAT_OWES),
    ("cat", replace(CAT_OWES, state=DebtState.DECLINED, reason="policy")),
    ("bob", Averaged(PEER["ann"], MODEL["ann 2"], score(690), score(720), True, MODEL["bob 2"], 2)),
    ("bob", BOB_OWES),
    ("ann", Averaged(PEER["dan"], MODEL["dan 1"], score(750), score(760), True, MODEL["ann 3"], 3)),
    ("ann", DAN_IS_OWED),
    # money
    ("ann", replace(ANN_PAYS, state=DebtState.SIGNED)),
    ("ann", replace(ANN_PAYS, state=DebtState.SENT)),
    ("bob", replace(BOB_TRIES, state=DebtState.SIGNED)),
    ("bob", replace(BOB_TRIES, state=DebtState.SENT)),
    ("bob", replace(BOB_PAYS, state=DebtState.SIGNED)),
    ("bob", replace(BOB_PAYS, state=DebtState.SENT)),
    ("ann", replace(ANN_PAYS, state=DebtState.MINED, block=2)),
    ("bob", replace(BOB_PAYS, state=DebtState.FINAL, block=2)),
    ("bob", replace(BOB_PAYS, state=DebtState.SENT)),
    ("ann", replace(ANN_PAYS, state=DebtState.FINAL, block=2)),
    ("bob", replace(BOB_PAYS, state=DebtState.FINAL, block=4)),
    ("eve", PeerRestarted()),
    # the end
    *((name, WorkChanged(WorkState.DONE)) for name in NAMES),
    ("ann", replace(DAN_IS_OWED, state=DebtState.UNCLAIMED, reason="the creator proved no identity")),
    ("ann", Evaluated(MODEL["ann 3"], 3, score(740))),
    ("bob", Evaluated(MODEL["bob 1"], 1, score(680))),
    ("bob", Evaluated(MODEL["bob 2"], 2, score(710))),
    ("swarm", SessionEnded(EndedBy.QUIET)),
]

GAS = Wei(2_000_000_000)


def deployed(name: str) -> ChainTransaction:
    return ChainTransaction(
        TxHash(f"0x{name}0"), WALLET[name], None, 0, Wei(0), 102_000, GAS, "0x60", CONTRACT[name], True
    )


def paid(payer: str, debt: DebtChanged, data: bytes) -> ChainTransaction:
    assert debt.tx and debt.payee and debt.nonce
    calldata = "0x" + data.hex()
    return ChainTransaction(
        debt.tx, WALLET[payer], debt.payee, debt.nonce, debt.wei, 22_440, GAS, calldata, contract=None, succeeded=True
    )


def binary(cid: Cid) -> bytes:
    """The 36 bytes of a CID."""
    digits = "abcdefghijklmnopqrstuvwxyz234567"
    bits = "".join(f"{digits.index(letter):05b}" for letter in cid[1:])
    return bytes(int(bits[at : at + 8], 2) for at in range(0, 36 * 8, 8))


DEPLOY_GAS, PAY_GAS = 102_000 * GAS, 22_440 * GAS
LEDGER: list[ChainRecord] = [
    Genesis("0xg", 31337, {WALLET[name]: Wei(10**18) for name in NAMES}),
    Block(1, "0xb1", "0xg", 1001, (deployed("ann"), deployed("bob"), deployed("dan"))),
    Block(2, "0xb2", "0xb1", 1002, (paid("ann", ANN_PAYS, binary(MODEL["bob 1"])),)),
    Block(4, "0xb4", "0xb3", 1004, (paid("bob", BOB_PAYS, MODEL["ann 2"].encode()),)),
    Balances(
        5,
        {
            WALLET["ann"]: Wei(10**18 - DEPLOY_GAS - PAY_GAS - ANN_PAYS.wei + BOB_PAYS.wei),
            WALLET["bob"]: Wei(10**18 - DEPLOY_GAS - PAY_GAS - BOB_PAYS.wei + ANN_PAYS.wei),
            WALLET["cat"]: Wei(10**18),
            WALLET["dan"]: Wei(10**18 - DEPLOY_GAS),
            WALLET["eve"]: Wei(10**18),
        },
    ),
]


def priced() -> list[tuple[str, Fact]]:
    """What is told, where each debt knows the second of its first record."""
    seconds = dict[tuple[str, int], int]()
    told = list[tuple[str, Fact]]()
    for at, (peer, fact) in enumerate(TOLD):
        if isinstance(fact, DebtChanged):
            fact = replace(fact, second=seconds.setdefault((peer, fact.debt), at))
        told.append((peer, fact))
    return told


GOOD = History(tuple(Record(float(at), peer, fact) for at, (peer, fact) in enumerate(priced())), tuple(LEDGER))

Choice = Callable[[Record], bool]


def fact_is(peer: str, kind: type, **fields: Any) -> Choice:
    """Records of a peer whose fact is of that kind and has these fields."""

    def chosen(record: Record) -> bool:
        same = record.peer == peer and isinstance(record.fact, kind)
        return same and all(getattr(record.fact, name) == value for name, value in fields.items())

    return chosen


def amended(choice: Choice, history: History = GOOD, **changes: Any) -> History:
    """The history with other values in the chosen facts."""
    assert any(map(choice, history.records)), "nothing to amend"
    return replace(
        history,
        records=tuple(
            replace(each, fact=replace(each.fact, **changes)) if choice(each) else each for each in history.records
        ),
    )


OF_THE_PAPER = amended(fact_is("swarm", SessionBegan), session=Session(peers=5))  # the same under the paper's settings


def without(choice: Choice, history: History = GOOD) -> History:
    assert any(map(choice, history.records)), "nothing to leave out"
    return replace(history, records=tuple(each for each in history.records if not choice(each)))


def followed_by(choice: Choice, fact: Fact, history: History = GOOD) -> History:
    """The history with one more fact, of the same peer and time, right after the chosen record."""
    (at,) = (index for index, each in enumerate(history.records) if choice(each))
    more = replace(history.records[at], fact=fact)
    return replace(history, records=(*history.records[: at + 1], more, *history.records[at + 1 :]))


def on_chain(change: Callable[[ChainRecord], ChainRecord], history: History = GOOD) -> History:
    return replace(history, chain=tuple(map(change, history.chain)))


def transaction(hash: str, history: History = GOOD, **changes: Any) -> History:
    """The history with another transaction in the place of this one."""

    def change(record: ChainRecord) -> ChainRecord:
        if not isinstance(record, Block):
            return record
        changed = (replace(each, **changes) if each.hash == hash else each for each in record.transactions)
        return replace(record, transactions=tuple(changed))

    return on_chain(change, history)


def mined_too(block: int, *more: ChainTransaction, history: History = GOOD) -> History:
    """The history with further transactions in a block, paid for in the balances by nobody."""

    def change(record: ChainRecord) -> ChainRecord:
        if isinstance(record, Block) and record.number == block:
            return replace(record, transactions=(*record.transactions, *more))
        return record

    return on_chain(change, history)


def caught(history: History) -> dict[str, str]:
    """What the checks that are not valid say, by name."""
    results = {name: check(history) for name, check in CHECKS.items()}
    return {name: f"{each.result}: {each.reason}" for name, each in results.items() if each.result != "valid"}
