"""The embedded swarm: the same peers live in one process, paid on a real EVM."""

import asyncio
import time
from functools import cache
from pathlib import Path
from threading import Event

import httpx
import pytest
from tests.helpers.live_peer_lives import QUICK, Live

from learnae.adapters.run_directory import RunDirectory
from learnae.backends.base import Run, RunOptions
from learnae.backends.embedded.backend import EmbeddedBackend
from learnae.protocol.decisions import Averaged, DebtState, Published, WorkBegan
from learnae.protocol.types import Address, wei
from learnae.records.chain_export import Balances, Block, ChainTransaction, Genesis
from learnae.records.history import SWARM, Evaluated
from learnae.records.outcome import BackendName
from learnae.runtime.learning import MemoryLearning
from learnae.runtime.test_accuracy import ModelScores, PendingModel
from learnae.runtime.wallets import wallets
from learnae.session.session_file import parse

CHEATS = ("refuses-to-pay", "poisoner", "copycat", "spammer")


@cache
def ended() -> Live:
    """A session that came to its end by itself."""
    live = Live({})
    assert live.run() == "quiet"
    return live


def payments(live: Live) -> list[ChainTransaction]:
    blocks = live.history.exports(Block)
    return [each for block in blocks for each in block.transactions if each.to is not None]


def test_a_session_ends_quiet_and_valid() -> None:
    assert ended().verdict["verdict"] == "valid", ended().verdict["checks"]
    assert ended().verdict["summary"]["payments_per_peer"]["mean"] >= 1
    assert ended().verdict["summary"]["accuracy_test_mean"] > 0.7
    began = ended().history.began
    assert began and began.backend == "embedded"


def test_every_model_that_was_published_is_evaluated_once() -> None:
    """Also those being scored when the session ended."""
    published = [(record.peer, fact.cid) for record, fact in ended().history.facts(Published)]
    assert sorted((record.peer, fact.cid) for record, fact in ended().history.facts(Evaluated)) == sorted(published)


def test_every_wei_of_the_chain_is_told_by_the_debts() -> None:
    """Transfers and final debts are the same set; balances are what follows from transfers and gas."""
    live = ended()
    debts = [changes[-1][1] for changes in live.history.debts.values()]
    assert {debt.state for debt in debts} == {DebtState.FINAL}
    assert sorted((debt.tx, debt.payee, debt.wei) for debt in debts) == sorted(
        (each.hash, each.to, each.wei) for each in payments(live)
    )
    (genesis,), (balances,) = live.history.exports(Genesis), live.history.exports(Balances)
    held = {wallet: int(had) for wallet, had in genesis.alloc.items()}
    for block in live.history.exports(Block):
        for each in block.transactions:
            held[each.sender] -= each.wei + each.gas_used * each.gas_price
            if each.to:
                held[each.to] += each.wei
    assert {wallet: balances.balances[wallet] for wallet in held} == held


def test_batched_payments_are_valid_to_the_wei_on_a_real_evm() -> None:
    live = Live({"payment": {"settle": "batched", "threshold": "0.01"}})
    assert live.run() == "quiet"
    assert live.verdict["verdict"] == "valid", live.verdict["checks"]
    debts = [changes[-1][1] for changes in live.history.debts.values()]
    assert {debt.state for debt in debts} == {DebtState.FINAL}
    assert sum(each.wei for each in payments(live)) == sum(debt.wei for debt in debts)
    assert len(payments(live)) < len(debts)


def test_whoever_has_ended_holds_no_average_that_was_dropped() -> None:
    live = ended()
    dropped = {fact.cid for _, fact in live.history.facts(Averaged) if not fact.adopted}
    assert dropped and not dropped & set(live.setup.swarm.blocks)


def test_wallets_follow_from_the_seed_and_hold_what_the_session_says() -> None:
    first, again, other = wallets(parse({"seed": 1})), wallets(parse({"seed": 1})), wallets(parse({"seed": 2}))
    assert first == again
    assert not {each.address for each in first.values()} & {each.address for each in other.values()}
    (genesis,) = ended().history.exports(Genesis)
    assert set(genesis.alloc.values()) == {wei(ended().session.chain.balance)}


def test_a_late_joiner_hears_of_the_others_works_and_is_paid() -> None:
    live = Live({"groups": [{"count": 1, "joins_at": 1.2}, {}], "start": {"peers": 3, "timeout": 5.0}})
    assert live.run() == "quiet"
    assert live.verdict["verdict"] == "valid", live.verdict["checks"]
    times = {name: [record.t for record in live.history.records if record.peer == name] for name in ("p00", "p01")}
    assert min(times["p00"]) >= 1.2 and min(times["p00"]) > min(times["p01"])
    assert any(record.peer == "p00" for record, _ in live.history.facts(Averaged))


def test_a_session_is_not_over_before_everybody_has_joined() -> None:
    live = Live({"peers": 2, "groups": [{"count": 1, "joins_at": 3.0}, {}], "start": {"peers": 1, "timeout": 0.2}})
    assert live.run() == "quiet"
    assert {record.peer for record, _ in live.history.facts(WorkBegan)} == {"p00", "p01"}


@pytest.mark.parametrize("policy", CHEATS)
def test_a_cheat_breaks_nothing(policy: str) -> None:
    work = {"slices": 3, "patience": 6, "max_attempts_per_creator": 10, "idle_after": 0.4}
    live = Live({"groups": [{"count": 1, "policy": policy}, {}], "work": work, "pace": {}})
    assert live.run() == "quiet"
    assert live.verdict["verdict"] == "valid", live.verdict["checks"]


def test_a_hijacker_is_paid_nothing() -> None:
    live = Live({"groups": [{"count": 1, "policy": "hijacker", "victim": "p01"}, {}]})
    assert live.run() == "quiet"
    assert live.verdict["verdict"] == "valid", live.verdict["checks"]
    paid = {each.to for each in payments(live)}
    assert paid and live.wallets["p00"].address not in paid


def test_peers_hear_their_neighbours_alone() -> None:
    live = Live({"peers": 6, "network": {"degree": 2, "announce_every": 0.3}})
    assert live.run() == "quiet"
    ids = [member.peer for member in live.setup.members]
    for record, fact in live.history.facts(Averaged):
        index = [member.name for member in live.setup.members].index(record.peer)
        assert ids.index(fact.creator) in live.setup.neighbours[index]


def test_an_interrupted_session_stops_at_once_and_is_readable() -> None:
    live = Live({"linger": 600.0, "max_duration": 1200.0})
    live.when(lambda: any(isinstance(each.fact, Averaged) for each in live.recording.records), live.swarm.stop)
    began = time.monotonic()
    assert live.run() == "interrupted"
    assert time.monotonic() - began < 300.0, "it did not wait for the end of a session that lingers for 600 s"
    assert live.verdict["ended_by"] == "interrupted"
    assert live.verdict["verdict"] == "invalid"
    assert live.history.exports(Balances)


def test_who_interrupts_the_last_scoring_is_heard(request: pytest.FixtureRequest) -> None:
    live, released = Live({}), Event()
    request.addfinalizer(released.set)
    score, loops = live.swarm.evaluation.score, list[asyncio.AbstractEventLoop]()

    def interrupted(models: list[PendingModel]) -> ModelScores:
        if any(peer.peer.status().closed for peer in live.swarm.peers):
            loops[0].call_soon_threadsafe(live.swarm.stop)
            released.wait()
        return score(models)

    async def story() -> str:
        loops.append(asyncio.get_running_loop())
        return await live.swarm.run()

    live.swarm.evaluation.score = interrupted  # type: ignore[method-assign]
    live.recording.observe(0.0, SWARM, live.setup.began(BackendName.EMBEDDED))
    assert asyncio.run(story()) == "interrupted"
    assert live.verdict["ended_by"] == "interrupted"
    assert live.history.exports(Balances)


def test_a_session_that_lasts_too_long_is_closed() -> None:
    live = Live({"pace": {"slice": 60.0}, "max_duration": 1.5})
    assert live.run() == "max_duration"
    assert live.verdict["ended_by"] == "max_duration"


def test_who_was_told_to_stop_is_not_waited_for() -> None:
    live = Live({})
    stopped = live.swarm.peers[0]
    live.when(lambda: stopped.peer.status().slices_trained >= 1, stopped.stop)
    assert live.run() == "quiet"
    assert live.verdict["summary"]["peers_finished"] == 3


# all that is shown of it


def test_page_apis_and_metrics_are_there_before_the_session_and_after_it(tmp_path: Path) -> None:
    cold = [Address(f"0x{number:040x}") for number in range(0xC0000, 0xC0004)]  # where each peer is paid
    settings = QUICK | {"groups": [{"count": 1, "payout": wallet} for wallet in cold]}
    session, run = parse(settings), Run(RunDirectory.create(tmp_path, "live", tmp_path / "out"))
    backend = EmbeddedBackend(session, RunOptions(), print, lambda session, threads, salt: MemoryLearning(session))
    app = backend.page(run)
    names = list(backend.services)

    async def story() -> None:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            assert (await client.get("/")).status_code == 200
            assert (await client.get("/peers/p03/v1/status")).json()["state"] == "starting"
            await backend.prepare(run)
            await backend.run(run)
            for name in names:
                status = (await client.get(f"/peers/{name}/v1/status")).json()
                assert (status["state"], status["work"]) == ("over", "done")
                assert status["accuracy_test"] and status["balance"]
            received = [(await client.get(f"/peers/{name}/v1/payments/received")).json() for name in names]
            sent = [(await client.get(f"/peers/{name}/v1/payments/sent")).json() for name in names]
            assert sum(map(len, received)) == sum(map(len, sent)) > 0
            assert (await client.get("/peers/p03/v1/status")).json()["payout"] == cold[3]
            assert 'peer="p03"' in (await client.get("/metrics")).text
            history = run.directory.read()
            assert history.ended_by == "quiet"
            assert (await client.get("/v1/session")).json()["verdict"] is None
            run.verdict = run.directory.judge(history, None)
            run.show_the_rest(history)
            assert (await client.get("/v1/session")).json()["verdict"]["verdict"] == "valid"
            held = history.exports(Balances)[-1].balances
            for wallet, receipts in zip(cold, received, strict=True):
                assert {receipt["payee_wallet"] for receipt in receipts} <= {wallet}
                assert held.get(wallet, 0) == sum(int(receipt["wei"]) for receipt in receipts)
            shown = (await client.get("/v1/events")).text
            assert shown.count("SessionEnded") == 1

    try:
        asyncio.run(story())
    finally:
        backend.clean_up()
    assert {path.name for path in (tmp_path / "out" / "journals").iterdir()} == {f"{name}.jsonl" for name in names}
