"""FeePool.sol and its model in the simulator do the same, on eth-tester and on Anvil; what calls cost."""

import hashlib
import json
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from eth_hash.auto import keccak
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.contracts.pools import ARTEFACT, Evm, EvmPool, anvil, eth_tester
from web3 import Web3

from learnae.adapters.evm import dpoid, fee_pool
from learnae.adapters.memory_chain.fee_pool import MemoryFeePool, Reverted, call_gas
from learnae.messages import pool_calls
from learnae.messages.ids import peer_id
from learnae.messages.pool_calls import encode_call
from learnae.protocol.blockchain import SHARES, Deposit, PoolCall, PoolTerms, Report, Withdrawal
from learnae.protocol.types import Address, Poid, Wei

ROOT = Path(__file__).parents[2]
PEERS = 5
TERMS = PoolTerms(Wei(10**16 + 1), PEERS - 1, 40, Wei(3 * 10**15))  # one place is missing
STRANGER = Address("0x" + "77" * 20)

Step = tuple[int, PoolCall, int | None, int]  # who calls, wei or what is due, s before

STAKE_WITHDRAWAL_GAS = 43_000  # of a pool without a fee, with any number of members
MAX_GAS = {  # of a deposit, a report and a withdrawal in a swarm of so many members
    4: (115_000, 95_000, 90_000),
    20: (115_000, 190_000, 560_000),
    32: (115_000, 235_000, 1_900_000),
}


@pytest.fixture(scope="module", params=["eth-tester", pytest.param("anvil", marks=pytest.mark.real)])
def evm(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Evm]:
    if request.param == "eth-tester":
        yield eth_tester(PEERS)
    else:
        machine, node = anvil(tmp_path_factory.mktemp("anvil"), PEERS)
        yield machine
        node.kill()


def modelled(evm: Evm, pool: MemoryFeePool, step: Step, now: int) -> Wei | None:
    index, call, wei, _ = step
    wei = (pool.terms.deposit if isinstance(call, Deposit) else 0) if wei is None else wei
    owners = dict(zip(evm.dpoids, (wallet.address for wallet in evm.wallets), strict=True))
    owner = owners.get(call.contract) if isinstance(call, Deposit) else None
    try:
        return pool.call(evm.wallets[index].address, call, Wei(wei), owner, now)
    except Reverted:
        return None


def compared(evm: Evm, steps: Sequence[Step], terms: PoolTerms = TERMS) -> EvmPool:
    """Every step does the same in the contract and in its model."""
    real, model = evm.pool(terms), MemoryFeePool(terms)
    for number, step in enumerate(steps):
        paid = real.call(*step)
        assert paid == modelled(evm, model, step, evm.now), f"step {number}: {step}"
    assert real.state() == model.state()
    return real


@st.composite
def sessions(draw: st.DrawFn, evm: Evm) -> list[Step]:
    """Members deposit, some report, all withdraw; and in between anybody does anything."""
    wallets = [wallet.address for wallet in evm.wallets]
    amounts = st.sampled_from([0, 1, 2, 700, SHARES // 3, SHARES])
    members = draw(st.permutations(range(PEERS)))[: draw(st.integers(1, PEERS))]

    def report(index: int, own: bool = False) -> Report:
        left, shares = SHARES, []
        for wallet in draw(st.lists(st.sampled_from([*wallets, STRANGER]), max_size=4)):
            share = draw(amounts) if own else min(left, draw(amounts))
            if own or wallet != wallets[index]:
                left -= share
                shares.append((wallet, share))
        return Report(tuple(shares))

    steps: list[Step] = [(index, Deposit(evm.dpoids[index], TERMS.deposit), None, 1) for index in members]
    steps += [(index, report(index), None, 1) for index in members if draw(st.booleans())]
    late = draw(st.sampled_from([1, 1, 40]))
    steps += [(index, Withdrawal(), None, late) for index in draw(st.permutations(members))]
    for _ in range(draw(st.integers(0, 4))):
        index = draw(st.integers(0, PEERS - 1))
        deposit = Deposit(draw(st.sampled_from([*evm.dpoids, STRANGER])), TERMS.deposit)
        any_call: list[PoolCall] = [deposit, report(index, own=True), Withdrawal()]
        call = draw(st.sampled_from(any_call))
        wei = draw(st.sampled_from([None, None, 0, 1]))
        steps.insert(draw(st.integers(0, len(steps))), (index, call, wei, draw(st.sampled_from([1, 1, 20, 41]))))
    return steps


@pytest.mark.slow
@settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck), database=None)
@given(data=st.data())
def test_the_contract_and_its_model_do_the_same(evm: Evm, data: st.DataObject) -> None:
    compared(evm, data.draw(sessions(evm)))


def ordinary(evm: Evm, reports: Sequence[Sequence[int]]) -> list[Step]:
    """All deposit; each reports these shares for the members by place; all withdraw."""
    wallets = [wallet.address for wallet in evm.wallets]
    steps: list[Step] = [(index, Deposit(evm.dpoids[index], TERMS.deposit), None, 1) for index in range(len(reports))]
    for index, row in enumerate(reports):
        shares = tuple((wallets[payee], share) for payee, share in enumerate(row) if share)
        steps.append((index, Report(shares), None, 1))
    return steps + [(index, Withdrawal(), None, 1) for index in range(len(reports))]


REPORTS = ((0, 20_000, 10_000, 5), (60_000, 0, 0, 5_535), (0, 1, 0, 0), (0, 0, 0, 0))


def test_what_is_not_reported_goes_to_the_other_half_by_its_profile(evm: Evm) -> None:
    """Of 4 members, 0 and 2 are paid what 1 and 3 leave over, in proportion to what 1 reports about them."""
    pool = compared(evm, ordinary(evm, REPORTS))
    assert pool.refused == [] and pool.balance() < 4


def test_nobody_acts_out_of_turn(evm: Evm) -> None:
    early, twice = (0, Withdrawal(), None, 1), (0, Deposit(evm.dpoids[0], TERMS.deposit), None, 1)
    stranger = (4, Report(()), None, 1)
    others = (1, Deposit(evm.dpoids[0], TERMS.deposit), None, 1)
    own = (0, Report(((evm.wallets[0].address, 1),)), None, 1)
    much = (0, Report(((evm.wallets[1].address, SHARES), (evm.wallets[2].address, 1))), None, 1)
    steps = ordinary(evm, REPORTS)
    wrong: list[Step] = [early, twice, stranger, others, own, much, (4, Deposit(evm.dpoids[4], TERMS.deposit), None, 1)]
    pool = compared(evm, [*steps[:4], *wrong, *steps[4:], (0, Withdrawal(), None, 1), (0, Report(()), None, 1)])
    assert pool.refused == [4, 5, 6, 7, 8, 9, 10, 19, 20] and pool.balance() < 4


def test_who_is_absent_pays_and_is_not_waited_for_after_the_deadline(evm: Evm) -> None:
    steps = [step for step in ordinary(evm, REPORTS) if step[0] or isinstance(step[1], Deposit)]
    index = next(number for number, step in enumerate(steps) if isinstance(step[1], Withdrawal))
    early, late = steps[index], (*steps[index][:3], TERMS.window)
    pool = compared(evm, [*steps[:index], early, late, *steps[index + 1 :], (0, Report(()), None, 1)])
    assert pool.balance() > 0, "the income of the absent one is kept for it"
    assert pool.call(0, Withdrawal()) and pool.balance() < 4


def test_a_single_member_gets_its_fee_back(evm: Evm) -> None:
    pool = compared(evm, [(0, Deposit(evm.dpoids[0], TERMS.deposit), None, 1), (0, Withdrawal(), None, TERMS.window)])
    assert pool.balance() == 0


STAKES = PoolTerms(Wei(0), PEERS - 1, 40, Wei(3 * 10**15))


def test_without_a_fee_each_stake_comes_back_whole_once_all_have_finished(evm: Evm) -> None:
    members = range(STAKES.places)
    steps: list[Step] = [(index, Deposit(evm.dpoids[index], STAKES.stake), None, 1) for index in members]
    steps += [(0, Withdrawal(), None, 1), *((index, Report(()), None, 1) for index in members)]
    steps += [(index, Withdrawal(), None, 1) for index in (*members, 0)]
    pool = compared(evm, steps, STAKES)
    assert pool.refused == [4, 13] and pool.balance() == 0
    assert pool.state().contracts == tuple(evm.dpoids[index] for index in members)
    assert max(pool.gas[9:13]) < STAKE_WITHDRAWAL_GAS
    print(
        f"stakes alone: deposit {max(pool.gas[:4])}, report {max(pool.gas[5:9])}, withdrawal {max(pool.gas[9:13])} gas"
    )


def test_a_stake_comes_back_after_the_deadline_and_a_second_identity_needs_a_second_one(evm: Evm) -> None:
    """Wallet 0 cannot lock one stake for the contracts of both."""
    second = (0, Deposit(evm.dpoids[1], STAKES.stake), None, 1)
    again = (0, Deposit(evm.dpoids[0], STAKES.stake), None, 1)
    first, late = (0, Deposit(evm.dpoids[0], STAKES.stake), None, 1), (0, Withdrawal(), None, 40)
    pool = compared(evm, [second, first, again, (1, Deposit(evm.dpoids[1], STAKES.stake), None, 1), late], STAKES)
    assert pool.refused == [0, 2] and pool.balance() == STAKES.stake
    assert pool.call(1, Withdrawal()) == STAKES.stake


def test_it_has_no_other_function_and_takes_no_other_money(evm: Evm) -> None:
    pool = evm.pool(TERMS)
    for data, wei in ((b"", 1), (b"", 0), (b"\xff" * 4, 1), (encode_call(Withdrawal()), 1), (pool_calls.GET_STATE, 1)):
        assert evm.send(evm.wallets[0], data, pool.address, wei)["status"] == 0
    assert pool.balance() == 0


@pytest.mark.parametrize(
    "peers", [4, pytest.param(20, marks=pytest.mark.slow), pytest.param(32, marks=pytest.mark.slow)]
)
def test_no_call_costs_more_than_is_promised(peers: int) -> None:
    """The most that it can cost: all report something about all others."""
    measured(eth_tester(peers), peers)


@pytest.mark.real
@pytest.mark.parametrize("peers", MAX_GAS)
def test_no_call_costs_more_than_is_promised_on_anvil(peers: int, tmp_path: Path) -> None:
    machine, node = anvil(tmp_path, peers)
    try:
        measured(machine, peers)
    finally:
        node.kill()


def measured(evm: Evm, peers: int) -> None:
    pool = evm.pool(PoolTerms(Wei(10**16), peers, 10_000))
    wallets = [wallet.address for wallet in evm.wallets]
    for index in range(peers):
        assert pool.call(index, Deposit(evm.dpoids[index], pool.terms.deposit)) == 0
    for index in range(peers):
        others = [wallet for wallet in wallets if wallet != wallets[index]]
        shares = tuple((wallet, 1 + 20 * (index + number)) for number, wallet in enumerate(others))
        assert pool.call(index, Report(shares)) == 0
    assert pool.state().complete
    for index in range(peers):
        assert pool.call(index, Withdrawal())
    most = tuple(max(pool.gas[kind * peers : (kind + 1) * peers]) for kind in range(3))
    print(f"{peers} members: {most} gas")
    assert all(used <= promised for used, promised in zip(most, MAX_GAS[peers], strict=True)), most
    calls: list[PoolCall] = [Deposit(wallets[0], Wei(1)), Report(((wallets[0], 1),)), Withdrawal()]
    assert all(used < fee_pool.gas_limit(call) for used, call in zip(most, calls, strict=True))
    assert all(used * 0.5 < call_gas(call, peers) for used, call in zip(most, calls, strict=True))


class TestSplit:
    """Of the model, which the contract follows: what no report can do."""

    TABLES = st.integers(2, 9).flatmap(
        lambda count: st.lists(
            st.lists(st.sampled_from([0, 0, 1, 300, 6_000]), min_size=count, max_size=count),
            min_size=count,
            max_size=count,
        )
    )

    @staticmethod
    def incomes(table: Sequence[Sequence[int]], silent: int | None = None) -> list[int]:
        members = [Address(f"0x{number:040x}") for number in range(len(table))]
        pool = MemoryFeePool(PoolTerms(Wei(10**16 + 1), len(table), 40), members=members)
        for index, row in enumerate(table):
            if index != silent:
                others = [each for each in members if each != members[index]]
                pool.reports[members[index]] = dict(zip(others, row, strict=False))
        return [pool.income(member) for member in members]

    @given(table=TABLES)
    def test_incomes_add_up_to_the_fees_but_for_a_wei_each(self, table: list[list[int]]) -> None:
        fees = (10**16 + 1) * len(table)
        assert 0 <= fees - sum(self.incomes(table)) < len(table)

    @given(table=TABLES, other=st.lists(st.sampled_from([0, 5, 7_000]), min_size=9, max_size=9), data=st.data())
    def test_no_report_changes_the_income_of_its_author(
        self, table: list[list[int]], other: list[int], data: st.DataObject
    ) -> None:
        index = data.draw(st.integers(0, len(table) - 1))
        changed = [other if number == index else row for number, row in enumerate(table)]
        income = self.incomes(table)[index]
        assert income == self.incomes(changed)[index] == self.incomes(table, silent=index)[index]

    def test_one_wild_report_counts_no_more_than_the_median_of_its_half(self) -> None:
        """Members 1, 3 and 5 report about 0, 2 and 4; the report of 5 names only 4, with all that it has."""
        row = [100, 100, 100, 100, 100]
        honest = self.incomes([row] * 6)
        wild = self.incomes([row] * 5 + [[0, 0, 0, 0, SHARES]])
        assert wild[4] - (10**16 * SHARES // SHARES) < honest[4], "beyond its own fee it moves nothing to its friend"


class TestArtefact:
    def test_it_is_the_source_that_was_compiled(self) -> None:
        source = (ROOT / "contracts" / "FeePool.sol").read_bytes()
        assert ARTEFACT["source_sha256"] == hashlib.sha256(source).hexdigest()

    def test_selectors_are_those_of_its_functions(self) -> None:
        functions = [each for each in ARTEFACT["abi"] if each["type"] == "function"]
        texts = [f"{each['name']}({','.join(field['type'] for field in each['inputs'])})" for each in functions]
        selectors = {keccak(text.encode())[:4] for text in texts}
        assert selectors == {pool_calls.DEPOSIT, pool_calls.REPORT, pool_calls.WITHDRAW, pool_calls.GET_STATE}

    def test_it_cannot_destroy_itself_or_run_code_of_others(self) -> None:
        code, at, found = bytes.fromhex(ARTEFACT["runtime"][2:]), 0, set()
        while at < len(code):
            found.add(code[at])
            at += code[at] - 0x5E if 0x60 <= code[at] <= 0x7F else 1
        assert not found & {0xF0, 0xF2, 0xF4, 0xF5, 0xFF}


@pytest.mark.real
def test_who_calls_again_while_it_is_paid_gets_nothing_more(tmp_path: Path) -> None:
    """A member that is a contract, and withdraws again whenever it receives money."""
    machine, node = anvil(tmp_path, 1)
    try:
        pool = machine.pool(PoolTerms(Wei(10**16), 2, 10, Wei(7)))
        thief = machine.deploy(machine.wallets[0], compiled() + int(pool.address, 16).to_bytes(32))
        poid = machine.deploy(machine.wallets[0], dpoid.deployment_data(Poid(peer_id(b"\x09" * 32), thief)))
        assert pool.call(0, Deposit(machine.dpoids[0], pool.terms.deposit)) == 0
        act = keccak(b"act(bytes)")[:4]

        def acts(data: bytes, wei: int = 0, seconds: int = 1) -> int:
            padded = (32).to_bytes(32) + len(data).to_bytes(32) + data + bytes(-len(data) % 32)
            return int(machine.send(machine.wallets[0], act + padded, thief, wei, seconds)["status"])

        assert acts(encode_call(Deposit(poid, pool.terms.deposit)), pool.terms.deposit)
        assert pool.balance() == 2 * pool.terms.deposit
        assert acts(encode_call(Withdrawal()), seconds=10)
        assert (
            pool.balance() == pool.terms.deposit
            and machine.web3.eth.get_balance(Web3.to_checksum_address(thief)) == 10**16 + 7
        )
        assert pool.call(0, Withdrawal()) == 10**16 + 7
    finally:
        node.kill()


def compiled() -> bytes:
    """The creation code of Thief.sol."""
    source = (Path(__file__).parent / "Thief.sol").read_text(encoding="utf-8")
    outputs = {"*": {"*": ["evm.bytecode.object"]}}
    request = {"language": "Solidity", "sources": {"Thief.sol": {"content": source}}}
    request["settings"] = {"evmVersion": "shanghai", "outputSelection": outputs}
    done = subprocess.run(
        [ROOT / ".tools" / "bin" / "solc", "--standard-json"],
        input=json.dumps(request),
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    output = json.loads(done.stdout[done.stdout.index("{") :])
    return bytes.fromhex(output["contracts"]["Thief.sol"]["Thief"]["evm"]["bytecode"]["object"])
