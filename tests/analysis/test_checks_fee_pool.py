"""The fee pool as the checks see it: computed again from the chain, and what each check catches."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.helpers.histories import GOOD

from learnae.adapters.memory import now
from learnae.adapters.memory_chain import MemoryChain, MemoryChainPort
from learnae.adapters.memory_chain.fee_pool import MemoryFeePool
from learnae.analysis.checks import CHECKS
from learnae.analysis.checks.summary import summary
from learnae.analysis.fee_pool import Replayed, pool_calls
from learnae.analysis.figures import figures
from learnae.analysis.money import accounts, earned_with_rows, flows, left_in_pool
from learnae.analysis.tables import transactions
from learnae.messages.pool_calls import encode_call
from learnae.protocol.blockchain import POOL, SHARES, Deposit, PoolCall, PoolTerms, Report, Signed, Withdrawal
from learnae.protocol.decisions import DebtChanged, DebtState, WorkChanged, WorkState
from learnae.protocol.fee_pool import AFTER_REPORT, NO_DEPOSIT, shares
from learnae.protocol.policies import Policy
from learnae.protocol.settings import Defence, DefenceSettings
from learnae.protocol.types import ETHER, Address, Cid, PeerId, Poid, Score, TxHash, Wei, wei
from learnae.records.chain_export import Balances, Block, ChainRecord, ChainTransaction
from learnae.records.history import Fact, History, PeerCrashed, Record, SessionBegan, SessionEnded
from learnae.records.outcome import BackendName, EndedBy
from learnae.records.roster_entry import RosterEntry
from learnae.session.settings import Group, Session

HONEST, REFUSES = Policy.HONEST, Policy.REFUSES_TO_PAY
POOL_CHECKS = ("pool_follows_its_rules", "reports_follow_debts", "reports_omit_no_debt", "fees_are_split")
FEE = Wei(ETHER // 100)
PEERS = 5
GROUPS = (Group(count=PEERS - 1), Group(policy=Policy.REFUSES_TO_PAY))
SETTINGS = Session(
    name="pool",
    peers=PEERS,
    groups=GROUPS,
    defence=DefenceSettings(Defence.PROFILES, window=150),
)
NAMES = tuple(f"p{number:02}" for number in range(PEERS))
WALLETS = dict(zip(NAMES, (Address("0x" + f"{number:02x}" * 20) for number in range(0xA1, 0xA1 + PEERS)), strict=True))
ROSTER = tuple(
    RosterEntry(
        name, PeerId(f"12D3{name}"), WALLETS[name], True, True, True, Policy.HONEST if name != "p04" else REFUSES
    )
    for name in NAMES
)
OWED = {"p00": {"p01": 7, "p02": 1}, "p01": {"p00": 2}, "p02": {"p01": 30}, "p03": {"p04": 1, "p00": 5}, "p04": {}}


class Trading:
    """A session on a chain in memory: all deposit, report what they owe (mETH), and withdraw."""

    def __init__(self, stake: Decimal = Decimal(0)) -> None:
        self.now = 0.0
        session = replace(SETTINGS, defence=replace(SETTINGS.defence, stake=stake))
        alloc = dict.fromkeys(WALLETS.values(), ETHER)
        self.chain = MemoryChain(lambda: self.now, alloc, pool_terms=PoolTerms(FEE, PEERS, 150, wei(stake)))
        self.ports = {name: MemoryChainPort(self.chain, wallet) for name, wallet in WALLETS.items()}
        self.nonces = dict.fromkeys(NAMES, 0)
        self.contracts: dict[str, Address] = {}
        self.records = [Record(0.0, "swarm", SessionBegan(1, BackendName.SIM, session, ROSTER, Cid("bmanifest")))]
        contracts = {
            name: self.sent(name, now(port.sign_deploy(Poid(entry.peer, entry.wallet), 0, 0)))
            for (name, port), entry in zip(self.ports.items(), ROSTER, strict=True)
        }
        for name, deployed in contracts.items():
            receipt = self.chain.receipts[deployed.hash]
            assert receipt.contract
            self.contracts[name] = receipt.contract
            self.calls(name, Deposit(receipt.contract, Wei(FEE + wei(stake))))
        for name, row in OWED.items():
            debts = [self.debt(number, payee, wei) for number, (payee, wei) in enumerate(row.items())]
            self.record(name, *debts)
            signed = self.calls(name, Report(shares(debts, FEE)))
            self.record(name, *(replace(each, state=DebtState.FINAL, tx=signed.hash, nonce=2) for each in debts))
        for name in NAMES:
            self.calls(name, Withdrawal())
            self.record(name, WorkChanged(WorkState.DONE))
        self.record("swarm", SessionEnded(EndedBy.QUIET))
        self.history = History(tuple(self.records), tuple(self.chain.export()))

    def calls(self, name: str, call: PoolCall) -> Signed:
        return self.sent(name, now(self.ports[name].sign_call(call, self.nonces[name], 0)))

    def sent(self, name: str, signed: Signed) -> Signed:
        now(self.ports[name].broadcast(signed))
        self.nonces[name] += 1
        self.now += 1.0
        self.chain.mine_due()
        return signed

    def debt(self, number: int, payee: str, wei: int) -> DebtChanged:
        scores = Score(500, 1000), Score(501, 1000)
        amount, peer = Wei(wei * 10**15), PeerId(f"12D3{payee}")
        return DebtChanged(number, peer, Cid(f"b{number}"), *scores, amount, DebtState.PAYABLE, WALLETS[payee])

    def record(self, name: str, *facts: Fact) -> None:
        self.records += [Record(self.now, name, fact) for fact in facts]


@pytest.fixture(scope="module")
def session() -> Trading:
    return Trading()


def caught(history: History) -> dict[str, str]:
    """What the checks of the money in the pool find."""
    names = ("wei_conserved", "debts_paid_once", "payments_match_debts", *POOL_CHECKS)
    found = {name: CHECKS[name](history) for name in names}
    return {name: f"{each.result}: {each.reason}" for name, each in found.items() if each.result != "valid"}


def changed(history: History, change: Callable[[ChainTransaction], ChainTransaction | None]) -> History:
    """With other transactions to the pool; None: without one."""

    def of_block(block: Block) -> Block:
        kept = [change(each) if each.to == POOL else each for each in block.transactions]
        return replace(block, transactions=tuple(each for each in kept if each))

    chain: list[ChainRecord] = [of_block(each) if isinstance(each, Block) else each for each in history.chain]
    return History(history.records, tuple(chain))


def test_a_session_with_a_pool_is_valid_and_its_money_adds_up(session: Trading) -> None:
    assert caught(session.history) == {}
    kinds = [(call.kind, call.succeeds) for call in pool_calls(session.history)]
    assert kinds == [(kind, True) for kind in ("deposit", "report", "withdrawal") for _ in range(PEERS)]
    peers = accounts(session.history)
    assert sum(peer.received_ether for peer in peers) == pytest.approx(sum(peer.sent_ether for peer in peers))
    assert all(peer.sent_ether <= FEE / ETHER for peer in peers)
    assert not [flow for flow in flows(session.history) if flow.payer == flow.payee], "nobody pays itself"


def test_the_fee_of_a_refuser_goes_to_the_others_all_the_same(session: Trading) -> None:
    refuser = session.history.roster["p04"]
    reports = [call for call in pool_calls(session.history) if call.kind == "report"]
    assert not next(call.shares for call in reports if call.transaction.sender == refuser.wallet)
    assert sum(flow.wei for flow in flows(session.history) if flow.payer == "p04") > FEE - PEERS


def test_a_session_without_profiles_has_no_pool() -> None:
    assert not pool_calls(GOOD) and not pool_calls(History((), ()))


def test_a_call_that_the_pool_should_have_refused_is_noticed(session: Trading) -> None:
    def taken(transaction: ChainTransaction) -> ChainTransaction:
        return replace(transaction, wei=Wei(transaction.wei and transaction.wei - 1))

    found = caught(changed(session.history, taken))
    assert "accepted the deposit" in found["pool_follows_its_rules"]
    refused = changed(session.history, lambda each: replace(each, succeeded=False) if each.wei else each)
    assert "refused the deposit" in caught(refused)["pool_follows_its_rules"]


MEMBERS = [Address(f"0x{number:040x}") for number in range(1, 8)]
WORD = "{:064x}".format
ENTRIES = "0x9f3bfb9a" + WORD(32)


@pytest.mark.parametrize(
    "data", ["0x", "0xffffffff", "0xf340fa01", "0xf340fa01" + "f" * 64, "0x9f3bfb9a", ENTRIES, ENTRIES + WORD(1)]
)
def test_other_calls_of_the_pool_must_fail(session: Trading, data: str) -> None:
    def other(transaction: ChainTransaction) -> ChainTransaction:
        return replace(transaction, data=data) if encode_call(Withdrawal()).hex() in transaction.data else transaction

    assert "accepted the call" in caught(changed(session.history, other))["pool_follows_its_rules"]


@pytest.mark.parametrize(
    "data",
    [
        ENTRIES + WORD(1) + WORD(7 << 160 | 1) + WORD(9 << 160 | 2),
        "0x9f3bfb9a" + WORD(64) * 2 + WORD(1) + WORD(7 << 160 | 1),
    ],
)
def test_the_array_of_a_report_begins_and_ends_where_the_abi_says(data: str) -> None:
    sent = ChainTransaction(TxHash("0x"), MEMBERS[1], POOL, 0, Wei(0), 1, Wei(1), data, None, True)
    pool = Replayed(Wei(7), 2, 9, members=MEMBERS[:2])
    call = pool.call(Block(1, "", "", 5, (sent,)), sent)
    assert (call.kind, call.succeeds, call.shares) == ("report", True, {MEMBERS[0]: 7})


def test_a_report_that_does_not_follow_from_the_debts_is_noticed(session: Trading) -> None:
    honest = next(call for call in pool_calls(session.history) if len(call.shares) > 1)
    first = Report(tuple(list(honest.shares.items())[:1]))

    def less(transaction: ChainTransaction) -> ChainTransaction:
        mine = transaction.hash == honest.transaction.hash
        return replace(transaction, data="0x" + encode_call(first).hex()) if mine else transaction

    found = caught(changed(session.history, less))
    assert "but its debts come to" in found["reports_follow_debts"] and "wei_conserved" in found
    emptied = changed(
        session.history,
        lambda each: replace(each, data="0x" + encode_call(Report(())).hex()) if "9f3bfb9a" in each.data else each,
    )
    assert "reports nothing" in caught(emptied)["reports_follow_debts"]


def omitting(session: Trading, payer: str, number: int, reason: str, payable_at: float) -> str:
    """What is found if the payer declines a debt that has been payable for a while, and reports the others."""
    debt = replace(session.debt(number, "p00", 1), state=DebtState.PAYABLE)
    declined = replace(debt, state=DebtState.DECLINED, reason=reason)
    more = [Record(payable_at, payer, debt), Record(session.history.seconds, payer, declined)]
    history = History((*session.history.records[:-1], *more, session.history.records[-1]), session.history.chain)
    return caught(history).get("reports_omit_no_debt", "")


def test_a_debt_to_a_member_is_not_declined_for_want_of_a_deposit(session: Trading) -> None:
    assert "debt 9 of p03 was declined, although its creator" in omitting(session, "p03", 9, NO_DEPOSIT, 5.0)
    absent = changed(session.history, lambda each: None if each.sender == WALLETS["p00"] else each)
    debt = replace(session.debt(9, "p00", 1), state=DebtState.DECLINED, reason=NO_DEPOSIT)
    history = History((*absent.records, Record(absent.seconds, "p03", debt)), absent.chain)
    assert "reports_omit_no_debt" not in caught(history)


def test_who_deposited_after_the_payer_may_have_been_no_member_when_it_reported(session: Trading) -> None:
    debt = replace(session.debt(9, "p03", 1), state=DebtState.DECLINED, reason=NO_DEPOSIT)
    history = History((*session.records, Record(session.history.seconds, "p00", debt)), session.history.chain)
    assert "reports_omit_no_debt" not in caught(history)


def test_a_debt_that_was_payable_before_others_is_reported_with_them(session: Trading) -> None:
    assert "debt 9 of p03 was payable before others" in omitting(session, "p03", 9, AFTER_REPORT, 0.0)
    assert omitting(session, "p03", 9, AFTER_REPORT, session.history.seconds) == ""
    assert omitting(session, "p03", 9, "cap", 0.0) == ""


@pytest.mark.parametrize("kind", ["deposit", "report", "withdrawal"])
def test_who_made_no_call_is_named_unless_it_crashed_or_the_session_was_cut_short(session: Trading, kind: str) -> None:
    own = session.history.roster["p01"].wallet
    calls = {call.transaction.hash: call.kind for call in pool_calls(session.history)}

    def dropped(transaction: ChainTransaction) -> ChainTransaction | None:
        return None if transaction.sender == own and calls[transaction.hash] == kind else transaction

    history = changed(session.history, dropped)
    assert f"p01 made no {kind}" in caught(history)["fees_are_split"]
    crashed = History(
        (*history.records[:-1], Record(history.seconds, "p01", PeerCrashed()), history.records[-1]), history.chain
    )
    assert "p01 made no" not in caught(crashed).get("fees_are_split", "")
    stopped = replace(history.records[-1], fact=SessionEnded(EndedBy.MAX_DURATION))
    assert "fees_are_split" not in caught(History((*history.records[:-1], stopped), history.chain))


def test_without_the_export_it_is_unknown_whether_the_fees_were_split(session: Trading) -> None:
    assert "export is missing" in caught(History(session.history.records, ()))["fees_are_split"]
    short = tuple(each for each in session.history.chain if not isinstance(each, Balances))
    assert "export is missing" in caught(History(session.history.records, short))["fees_are_split"]


def test_a_debt_that_was_paid_by_itself_is_noticed(session: Trading) -> None:
    records = [
        replace(record, fact=replace(record.fact, tx=TxHash("0x1")))
        if isinstance(record.fact, DebtChanged) and record.fact.tx
        else record
        for record in session.history.records
    ]
    assert "which is no report" in caught(History(tuple(records), session.history.chain))["fees_are_split"]


tables = st.integers(1, 7).flatmap(
    lambda count: st.lists(
        st.lists(st.sampled_from([0, 0, 1, 300, 9_000]), min_size=count, max_size=count), min_size=count, max_size=count
    )
)


def reported(table: Sequence[Sequence[int]]) -> dict[Address, dict[Address, int]]:
    members = MEMBERS[: len(table)]
    return {
        member: {other: share for other, share in zip(members, row, strict=True) if other != member}
        for member, row in zip(members, table, strict=True)
    }


@given(table=tables, fee=st.integers(1, 10**18))
def test_the_split_is_the_same_as_in_the_model_of_the_contract(table: list[list[int]], fee: int) -> None:
    rows, members = reported(table), MEMBERS[: len(table)]
    model = MemoryFeePool(PoolTerms(Wei(fee), len(table), 9), members=members, reports=rows)
    replayed = Replayed(Wei(fee), len(table), 9, members=members, rows=rows)
    assert [replayed.income(member) for member in members] == [model.income(member) for member in members]
    sources = [replayed.sources(member) for member in members]
    assert sum(sum(source.values()) for source in sources) == Fraction(fee * len(members))
    if len(members) > 1:
        assert not any(source[member] for member, source in zip(members, sources, strict=True))


def test_a_report_names_no_author_and_no_more_than_a_fee() -> None:
    def call(pool: Replayed, sender: Address, what: Report | Deposit | Withdrawal, at: int = 5) -> bool:
        wei = what.wei if isinstance(what, Deposit) else Wei(0)
        data = "0x" + encode_call(what).hex()
        sent = ChainTransaction(TxHash("0x"), sender, POOL, 0, wei, 1, Wei(1), data, None, True)
        return pool.call(Block(1, "", "", at, (sent,)), sent).succeeds

    ann, bob, cat = MEMBERS[:3]
    pool = Replayed(Wei(7), 2, 9, dpoids={ann: ann, bob: bob, cat: cat})
    assert not call(pool, ann, Deposit(bob, Wei(7))) and call(pool, ann, Deposit(ann, Wei(7)))
    assert not call(pool, ann, Deposit(ann, Wei(7))) and call(pool, bob, Deposit(bob, Wei(7)))
    assert not call(pool, cat, Deposit(cat, Wei(7))), "no place is left"
    assert not call(pool, ann, Report(((ann, 1),))) and not call(pool, ann, Report(((bob, SHARES), (bob, 1))))
    assert call(pool, ann, Report(((bob, SHARES), (cat, 0)))) and not call(pool, ann, Report(()))
    assert not call(pool, ann, Withdrawal()) and call(pool, ann, Withdrawal(), at=14)
    assert not call(pool, ann, Withdrawal(), at=14) and not call(pool, cat, Withdrawal(), at=14)
    assert not call(pool, bob, Report(()), at=14)


def test_money_is_what_the_pool_paid_and_not_what_was_reported(session: Trading) -> None:
    history = session.history
    summarised = summary(history)["eth_sent_per_peer"]
    sent = [peer.sent_ether for peer in accounts(history)[:4]]
    assert (summarised["min"], summarised["max"]) == (pytest.approx(min(sent)), pytest.approx(max(sent)))
    drawn = {figure.name: figure for figure in figures(history)}["fig8-eth"]
    assert drawn.series[0].y[-1] == pytest.approx(sum(sent) / 4)
    row_debt = replace(session.debt(9, "p00", 1), state=DebtState.FINAL, shares=3)
    assert not earned_with_rows(History((*history.records, Record(90.0, "p03", row_debt)), history.chain))


def test_what_nobody_withdraws_of_a_fee_is_left_in_the_pool(session: Trading) -> None:
    calls = {call.transaction.hash: call for call in pool_calls(session.history)}
    assert max(left_in_pool(session.history).values()) <= PEERS, "roundings"
    own = session.history.roster["p01"].wallet
    unpaid = next(call for call in calls.values() if call.kind == "withdrawal" and call.transaction.sender == own)
    history = changed(session.history, lambda each: None if each == unpaid.transaction else each)
    more = left_in_pool(history).total() - left_in_pool(session.history).total()
    assert more == unpaid.paid > 0
    assert not left_in_pool(GOOD)


def test_calls_of_the_pool_are_kinds_of_transactions_of_their_own(session: Trading) -> None:
    kinds = Counter(row.kind for row in transactions(session.history))
    assert kinds == {"contract": PEERS, "deposit": PEERS, "report": PEERS, "withdrawal": PEERS}
