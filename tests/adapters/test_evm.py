"""The EVM adapter keeps the promises of ports.Chain on eth-tester and on Anvil, whatever happens to them."""

import asyncio
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from eth_account.typed_transactions.typed_transaction import TypedTransaction
from hexbytes import HexBytes
from tests.adapters.chains import CALLDATA, CID, FINNEY, ChainSuite, balance, deployed, pay, reason, receipt, sent
from tests.adapters.evms import ALLOC, CHAIN_ID, WALLETS, AnvilWorld, LocalWorld, evm_chain

from learnae.adapters.evm import Node, dpoid, export, http_node
from learnae.adapters.evm.chain import PAY_GAS, pay_gas
from learnae.adapters.evm.local import LocalEvm
from learnae.adapters.evm.rpc import parse_bytes, parse_hex
from learnae.analysis.checks.chain import blocks_and_nonces_consecutive, wei_conserved
from learnae.errors import Reason
from learnae.messages.ids import cids_from_bytes
from learnae.messages.wire import cid_of
from learnae.protocol.blockchain import Head, Signed
from learnae.protocol.settings import ChainSettings
from learnae.protocol.settlement import MAX_BATCH
from learnae.protocol.types import ETHER, Address, Claim, Poid, TxHash, Wei
from learnae.records.chain_export import Balances, Block, Genesis
from learnae.records.history import History

World = LocalWorld | AnvilWorld
GWEI = 10**9
SURVIVES = 1_000_000  # gas for whatever a stranger deploys


@pytest.fixture
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as runner:
        yield runner


@pytest.fixture
def local(runner: asyncio.Runner) -> Iterator[LocalWorld]:
    world = LocalWorld(runner)
    yield world
    world.end()


@pytest.fixture
def anvil(runner: asyncio.Runner, tmp_path: Path) -> Iterator[AnvilWorld]:
    world = AnvilWorld(runner, tmp_path)
    yield world
    world.end()


class TestLocalEvm(ChainSuite):
    @pytest.fixture
    def world(self, local: LocalWorld) -> LocalWorld:
        return local


@pytest.mark.real
class TestAnvil(ChainSuite):
    @pytest.fixture
    def world(self, anvil: AnvilWorld) -> AnvilWorld:
        return anvil


def created(world: World, code: bytes, nonce: int = 0) -> tuple[Address, TxHash]:
    """A contract with this very code, which the payee deployed."""
    copies_itself = bytes.fromhex(f"61{len(code):04x}80600a5f395ff3")
    transaction = {"type": 2, "chainId": CHAIN_ID, "nonce": nonce, "to": b"", "value": 0, "gas": SURVIVES}
    fees = {"maxFeePerGas": 10 * GWEI, "maxPriorityFeePerGas": GWEI}
    raw = WALLETS[1].sign(transaction | fees | {"data": copies_itself + code})
    signed = Signed(nonce, "0x" + raw.hex(), TxHash(""), world.wait(world.payer.head()).genesis)
    sent(world, signed)
    world.mine()
    found = world.wait(world.node.block(world.wait(world.node.newest_block()).number, full=True)).transactions[0]
    mined = world.wait(world.node.receipt(TxHash(parse_hex(found["hash"], 32))))
    assert mined and mined.contract
    return mined.contract, mined.hash


def fees(signed: Signed) -> tuple[int, int]:
    """Tip and limit, in wei per gas."""
    fields: dict[str, Any] = TypedTransaction.from_bytes(HexBytes(signed.raw)).as_dict()
    return fields["maxPriorityFeePerGas"], fields["maxFeePerGas"]


@pytest.fixture(params=["eth-tester", pytest.param("anvil", marks=pytest.mark.real)])
def world(request: pytest.FixtureRequest) -> World:
    found: World = request.getfixturevalue("local" if request.param == "eth-tester" else "anvil")
    return found


class TestFees:
    def test_each_attempt_raises_both_fees_by_an_eighth(self, world: World) -> None:
        forms = [fees(pay(world, 0, attempt)) for attempt in range(8)]
        for (tip, most), (next_tip, next_most) in zip(forms, forms[1:], strict=False):
            assert 8 * next_tip >= 9 * tip and 8 * next_most >= 9 * most

    def test_a_replacement_after_a_restart_is_above_what_was_signed_before(self, world: World) -> None:
        old = pay(world, 0)
        sent(world, old)
        again = evm_chain(world.node, WALLETS[0])
        world.wait(again.restore([old]))
        new = world.wait(again.sign_pay(world.payee_wallet, FINNEY, (CID,), 0, 1))
        sent(world, new)
        world.mine()
        assert receipt(world, new) and not receipt(world, old)

    def test_a_payment_may_burn_so_much_gas_and_no_more(self, world: World) -> None:
        endless, _ = created(world, bytes.fromhex("5b5f56"))
        signed = world.wait(world.payer.sign_pay(endless, FINNEY, (CID,), 0, 0))
        sent(world, signed)
        world.mine()
        mined = world.wait(world.node.receipt(signed.hash))
        assert mined and not mined.succeeded and mined.gas_used == PAY_GAS

    def test_a_payee_that_reverts_holds_up_nobody(self, world: World) -> None:
        reverts, _ = created(world, bytes.fromhex("5f5ffd"))
        first = world.wait(world.payer.sign_pay(reverts, FINNEY, (CID,), 0, 0))
        second = world.wait(world.payer.sign_pay(world.payee_wallet, FINNEY, (CID,), 1, 0))
        before = balance(world, world.payee_wallet)
        sent(world, first, second)
        world.mine()
        refused, paid = receipt(world, first), receipt(world, second)
        assert refused and not refused.succeeded and paid and paid.succeeded
        assert balance(world, reverts) == 0 and balance(world, world.payee_wallet) == before + FINNEY

    def test_a_payee_that_is_a_contract_can_be_paid(self, world: World) -> None:
        logs, _ = created(world, bytes.fromhex("36365f5f37365fa000"))  # copies the calldata and logs it
        signed = world.wait(world.payer.sign_pay(logs, FINNEY, (CID,), 0, 0))
        sent(world, signed)
        world.mine()
        assert balance(world, logs) == FINNEY

    def test_the_calldata_is_the_model(self, world: World) -> None:
        sent(world, pay(world, 0))
        world.mine()
        height = world.wait(world.node.newest_block()).number
        (found,) = world.wait(world.node.block(height, full=True)).transactions
        assert parse_bytes(found["input"]) == CALLDATA

    def test_a_full_batch_names_all_its_models_within_its_gas_limit(self, world: World) -> None:
        cids = tuple(cid_of(str(number).encode()) for number in range(MAX_BATCH))
        signed = world.wait(world.payer.sign_pay(world.payee_wallet, FINNEY, cids, 0, 0))
        sent(world, signed)
        world.mine()
        mined = world.wait(world.node.receipt(signed.hash))
        assert mined and mined.succeeded and mined.gas_used <= pay_gas(MAX_BATCH) < MAX_BATCH * 22_440 / 8
        height = world.wait(world.node.newest_block()).number
        (found,) = world.wait(world.node.block(height, full=True)).transactions
        assert cids_from_bytes(parse_bytes(found["input"])) == cids


class TestFunds:
    def test_money_that_went_elsewhere_is_missed_when_it_is_sent(self, world: World) -> None:
        two = Wei(2 * FINNEY)
        late = world.wait(world.poor.sign_pay(world.payee_wallet, two, (CID,), 1, 0))
        other = evm_chain(world.node, WALLETS[2])  # knows nothing of it
        sent(world, world.wait(other.sign_pay(world.payee_wallet, two, (CID,), 0, 0)))
        world.mine()
        assert reason(world, world.poor.broadcast(late)) is Reason.FUNDS

    def test_what_was_signed_before_a_restart_is_still_promised(self, world: World) -> None:
        two = Wei(2 * FINNEY)
        old = world.wait(world.poor.sign_pay(world.payee_wallet, two, (CID,), 0, 0))
        again = evm_chain(world.node, WALLETS[2])
        world.wait(again.restore([old]))
        assert reason(world, again.sign_pay(world.payee_wallet, two, (CID,), 1, 0)) is Reason.FUNDS

    def test_what_is_mined_is_no_longer_promised(self, world: World) -> None:
        one = Wei(FINNEY)
        for nonce in range(2):
            sent(world, world.wait(world.poor.sign_pay(world.payee_wallet, one, (CID,), nonce, 0)))
            world.mine()
        left = Wei(balance(world, world.poor_wallet) - 2 * PAY_GAS * 3 * GWEI)
        assert left > FINNEY // 2
        world.wait(world.poor.sign_pay(world.payee_wallet, left, (CID,), 2, 0))

    def test_a_deployment_needs_money_too(self, world: World) -> None:
        poid = Poid(world.peer, world.poor_wallet)
        world.wait(world.poor.sign_pay(world.payee_wallet, Wei(FINNEY * 27 // 10), (CID,), 0, 0))
        assert reason(world, world.poor.sign_deploy(poid, 1, 0)) is Reason.FUNDS


class TestClaims:
    def test_the_right_code_with_an_earlier_time_in_it_is_other_code(self, world: World) -> None:
        """Or whoever stole an IPFS key could be earlier than its owner."""
        poid = Poid(world.peer, world.payee_wallet)
        contract, tx = created(world, dpoid.runtime_code(poid, 1_000_000_000))
        facts = world.wait(world.payer.read_claim(Claim(poid, contract, tx, "", "")))
        assert facts.poid == poid and facts.timestamp == 1_000_000_000 and facts.receipt_matches
        assert not facts.code_matches

    def test_other_code_with_the_same_answers_is_other_code(self, world: World) -> None:
        poid, time = Poid(world.peer, world.payee_wallet), 1_000_000_000
        contract, tx = created(world, dpoid.runtime_code(poid, time) + b"\0")
        facts = world.wait(world.payer.read_claim(Claim(poid, contract, tx, "", "")))
        assert (facts.poid, facts.timestamp) == (poid, time) and not facts.code_matches

    @pytest.mark.parametrize("code", ["5f5ffd", "5b5f56", "fe", "00", "60205ff3", "60405fa060805ff3"])
    def test_a_contract_that_is_none_of_ours_answers_nonsense(self, world: World, code: str) -> None:
        contract, tx = created(world, bytes.fromhex(code))
        claim = Claim(Poid(world.peer, world.payee_wallet), contract, tx, "", "")
        assert reason(world, world.payer.read_claim(claim)) is Reason.INVALID_RESPONSE

    def test_a_contract_cannot_send_us_to_another_server(self, world: World) -> None:
        """EIP-3668: web3 would fetch the URL of an OffchainLookup error."""
        contract, tx = created(world, bytes.fromhex("63556f18305f526004601cfd"))
        claim = Claim(Poid(world.peer, world.payee_wallet), contract, tx, "", "")
        assert reason(world, world.payer.read_claim(claim)) is Reason.INVALID_RESPONSE

    def test_another_contract_of_ours_is_not_the_one_that_was_claimed(self, world: World) -> None:
        claim = deployed(world)
        later = world.wait(world.payer.sign_deploy(claim.poid, 1, 0))
        sent(world, later)
        world.mine()
        facts = world.wait(world.payee.read_claim(replace(claim, deploy_tx=later.hash)))
        assert not facts.receipt_matches

    def test_the_spelling_of_an_address_does_not_matter(self, world: World) -> None:
        claim = deployed(world)
        shouted = replace(claim, contract=Address("0x" + claim.contract[2:].upper()))
        facts = world.wait(world.payee.read_claim(shouted))
        assert facts.receipt_matches and facts.code_matches


def test_while_the_chain_only_grows_a_poll_is_one_request() -> None:
    asked = list[str]()

    class Counting(LocalEvm):
        async def make_request(self, method: str, params: Any) -> Any:
            asked.append(method)
            return await super().make_request(method, params)

    async def poll() -> None:
        chain, before = evm_chain(Node(evm, CHAIN_ID), WALLETS[0]), list[Head]()
        for _ in range(5):
            before.append(await chain.head())
            assert await chain.contains(before[-2:][0])
            await evm.mine()
        assert {head.genesis for head in before} == {(await chain.node.block(0)).hash}

    with closing(Counting(ALLOC, CHAIN_ID)) as evm:
        asyncio.run(poll())
    assert asked == ["eth_chainId", *["eth_getBlockByNumber"] * (5 + 1 + 1)]


class TestGoingBack:
    def test_a_chain_that_went_back_and_grew_past_is_noticed(self, world: World) -> None:
        world.mine(3)
        head = world.wait(world.payer.head())
        assert world.wait(world.chains[0].contains(head))
        world.roll_back(1)
        world.wait(world.payer.head())
        assert not world.wait(world.chains[0].contains(head))
        sent(world, pay(world, 0))
        world.mine(2)
        assert world.wait(world.payer.head()).height > head.height
        assert not world.wait(world.chains[0].contains(head))

    def test_money_that_came_back_can_be_spent_again(self, world: World) -> None:
        two = Wei(2 * FINNEY)
        world.mine(3)
        signed = world.wait(world.poor.sign_pay(world.payee_wallet, two, (CID,), 0, 0))
        sent(world, signed)
        world.mine()
        world.roll_back(1)
        assert reason(world, world.poor.sign_pay(world.payee_wallet, two, (CID,), 1, 0)) is Reason.FUNDS
        sent(world, signed)
        world.mine()
        assert receipt(world, signed)

    @pytest.mark.real
    def test_a_node_that_was_away_is_found_again(self, anvil: AnvilWorld) -> None:
        before = anvil.wait(anvil.payer.head())
        anvil.stop()
        assert reason(anvil, anvil.payer.head()) is Reason.UNREACHABLE
        anvil.anvil.start()
        assert anvil.wait(anvil.payer.head()).genesis == before.genesis


@pytest.mark.real
class TestKilledAnvil:
    @pytest.fixture
    def world(self, runner: asyncio.Runner, tmp_path: Path) -> Iterator[AnvilWorld]:
        world = AnvilWorld(runner, tmp_path, saves=True)
        yield world
        world.end()

    def test_what_was_not_saved_is_paid_once_all_the_same(self, world: AnvilWorld) -> None:
        payee = balance(world, world.payee_wallet)
        saved = pay(world, 0)
        sent(world, saved)
        world.mine(2)
        world.anvil.terminate()
        world.anvil.start()
        lost = pay(world, 1)
        sent(world, lost)
        world.mine(2)
        seen = world.wait(world.payer.head())
        world.anvil.kill()
        world.anvil.start()
        head = world.wait(world.payer.head())
        assert (head.genesis, head.height) == (seen.genesis, seen.height - 2)
        assert receipt(world, saved) and receipt(world, lost) is None
        sent(world, saved, lost)
        world.mine()
        assert receipt(world, lost) and balance(world, world.payee_wallet) == payee + 2 * FINNEY


@pytest.mark.real
class TestBaseFee:
    """Anvil's can be set."""

    def base(self, world: AnvilWorld, gwei: int) -> None:
        world.anvil.ask("anvil_setNextBlockBaseFeePerGas", hex(gwei * GWEI))

    def test_what_became_too_cheap_is_mined_at_a_higher_fee(self, anvil: AnvilWorld) -> None:
        first = pay(anvil, 0)
        anvil.mine(40)  # enough for the base fee to rise that far
        sent(anvil, first)
        self.base(anvil, 20)
        anvil.mine()
        assert receipt(anvil, first) is None
        second = pay(anvil, 0, 1)
        sent(anvil, second)
        anvil.mine()
        assert receipt(anvil, second) and not receipt(anvil, first)

    def test_fees_do_not_fall_below_an_earlier_attempt(self, anvil: AnvilWorld) -> None:
        self.base(anvil, 40)
        anvil.mine()
        dear = fees(pay(anvil, 0))
        self.base(anvil, 1)
        anvil.mine()
        tip, most = fees(pay(anvil, 0, 1))
        assert 8 * tip >= 9 * dear[0] and 8 * most >= 9 * dear[1]

    def test_above_a_limit_it_waits_and_nothing_is_spent(self, anvil: AnvilWorld) -> None:
        anvil.mine(50)  # enough for the base fee to rise that far
        self.base(anvil, int(ChainSettings().max_fee))
        anvil.mine()
        assert reason(anvil, anvil.payer.sign_pay(anvil.payee_wallet, FINNEY, (CID,), 0, 0)) is Reason.INVALID_RESPONSE
        self.base(anvil, 1)
        anvil.mine()
        sent(anvil, pay(anvil, 0))
        anvil.mine()
        assert anvil.wait(anvil.node.nonce(anvil.payer_wallet, anvil.wait(anvil.node.newest_block()).number)) == 1


class TestExport:
    def test_it_adds_up_to_the_wei(self, world: World) -> None:
        deployed(world)
        sent(world, pay(world, 1), world.wait(world.payee.sign_pay(world.poor_wallet, FINNEY, (CID,), 0, 0)))
        world.mine(3)
        reverts, _ = created(world, bytes.fromhex("5f5ffd"), nonce=1)
        sent(world, world.wait(world.payer.sign_pay(reverts, FINNEY, (CID,), 2, 0)))
        world.mine()
        records = world.wait(export(world.node, ALLOC))
        genesis, balances = records[0], records[-1]
        assert isinstance(genesis, Genesis) and isinstance(balances, Balances)
        assert {wallet: wei for wallet, wei in genesis.alloc.items() if wei} == ALLOC
        assert balances.height == world.wait(world.payer.head()).height
        assert genesis.hash == world.wait(world.payer.head()).genesis
        history = History((), tuple(records))
        for check in (blocks_and_nonces_consecutive, wei_conserved):
            assert check(history).result == "valid"
        blocks = [record for record in records if isinstance(record, Block)]
        assert [len(block.transactions) for block in blocks] == [1, 2, 1, 1]
        assert [each.succeeded for block in blocks for each in block.transactions] == [True, True, True, True, False]

    def test_an_allocation_that_is_known_is_not_asked_for(self, world: World) -> None:
        stranger = Address("0x" + "55" * 20)
        (genesis, balances) = world.wait(export(world.node, [], {stranger: Wei(ETHER)}))
        assert genesis == Genesis(world.wait(world.payer.head()).genesis, CHAIN_ID, {stranger: ETHER})
        assert balances == Balances(0, {stranger: Wei(0)})


@pytest.mark.real
def test_two_clients_of_one_node_agree(anvil: AnvilWorld) -> None:
    async def heads() -> bool:
        other = http_node(anvil.anvil.url, CHAIN_ID)
        try:
            return await evm_chain(other, WALLETS[1]).head() == await anvil.payer.head()
        finally:
            await other.close()

    assert anvil.wait(heads())
