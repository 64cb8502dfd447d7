"""Runs as tables, on the session told by hand."""

import pytest
from tests.helpers.histories import GOOD, MODEL, PEER, WALLET

from learnae.analysis.tables import (
    TABLES,
    accuracy,
    averagings,
    faults,
    payments,
    peers,
    settings,
    transactions,
)
from learnae.errors import Reason
from learnae.protocol.decisions import Averaged, DebtState, Trained, TrainingFailed
from learnae.protocol.row_types import RowsFetched, RowsPublished
from learnae.protocol.types import Cid, Score
from learnae.records.chain_export import Block
from learnae.records.history import Effect, Fact, FaultBegan, FaultEnded, History, Record
from learnae.session.faults import FaultKind


@pytest.mark.parametrize("name", TABLES)
def test_an_empty_history_has_empty_tables_with_columns(name: str) -> None:
    assert list(TABLES[name].rows(History(()))) == []
    assert TABLES[name].columns
    assert TABLES[name].description.endswith(".")


@pytest.mark.parametrize("name", TABLES)
def test_rows_have_the_columns_of_their_table(name: str) -> None:
    for row in TABLES[name].rows(GOOD):
        assert [field for field in row.__slots__] == list(TABLES[name].columns)


def test_a_debt_is_one_row_in_its_last_state_with_names_and_exact_scores() -> None:
    row = next(row for row in payments(GOOD) if row.payer == "ann")
    assert (row.creator, row.payee, row.cid, row.state) == ("bob", "bob", MODEL["bob 1"], DebtState.FINAL)
    assert row.wei == 2_750_000_000_000_000
    assert (row.correct_before, row.correct_after, row.rows, row.before, row.after) == (700, 750, 1000, 0.7, 0.75)
    assert row.owed_at < row.changed_at


def test_what_peers_sent_is_what_peers_received() -> None:
    rows = peers(GOOD)
    assert sum(row.sent_wei for row in rows) == sum(row.received_wei for row in rows) > 0
    assert sum(row.payments_sent for row in rows) == sum(row.state == "final" for row in payments(GOOD))


def test_row_blocks_are_counted_by_what_became_of_them() -> None:
    facts: tuple[Fact, ...] = (
        RowsPublished(1, Cid("own")),
        *(RowsFetched(PEER["bob"], Cid(rows)) for rows in ("good", "bad")),
        Trained(1, 1, Cid("model"), Score(1, 2), Cid("good")),
        TrainingFailed(2, Reason.LABELS, Cid("bad")),
        TrainingFailed(1, Reason.NOT_FINITE),
    )
    row = peers(History((GOOD.records[0], *(Record(1.0, "ann", fact) for fact in facts))))[0]
    assert (row.row_blocks_published, row.row_blocks_fetched) == (1, 2)
    assert (row.row_blocks_trained, row.row_blocks_refused, row.slices_trained) == (1, 1, 1)


def test_gas_of_the_peers_is_gas_of_the_chain() -> None:
    spent = sum(tx.gas_used * tx.gas_price for block in GOOD.exports(Block) for tx in block.transactions)
    assert sum(row.gas_wei for row in peers(GOOD)) == sum(row.gas_wei for row in transactions(GOOD)) == spent


def test_an_averaging_has_its_exact_gain() -> None:
    facts = [fact for _, fact in GOOD.facts(Averaged)]
    for row, fact in zip(averagings(GOOD), facts, strict=True):
        assert round(row.gain * row.rows) == fact.after.correct - fact.before.correct
        assert row.creator in GOOD.roster


def test_models_are_counted_in_work_units_and_only_adopted_ones_are_rows() -> None:
    rows = accuracy(GOOD)
    assert len(rows) == len(GOOD.kept)
    assert {row.source for row in rows} == {"initial", "trained", "averaged"}
    assert all(row.unit == 0 for row in rows if row.source == "initial")
    for name in GOOD.roster:
        units = [row.unit for row in rows if row.peer == name]
        assert units == sorted(units)
    tested = [row for row in rows if row.test is not None]
    assert tested and all(0 <= row.test <= 1 for row in tested if row.test is not None)


def test_wallets_of_peers_have_their_names_and_contracts_their_kind() -> None:
    rows = transactions(GOOD)
    assert {row.sender for row in rows} <= set(WALLET)
    assert {row.kind for row in rows} == {"payment", "contract"}
    assert all((row.to is None) == (row.kind == "contract") for row in rows)


def test_faults_have_their_times() -> None:
    records = (
        *GOOD.records,
        Record(50.0, "swarm", FaultBegan(0, FaultKind.CUT, ("ann", "bob"), (("ann",), ("bob",)))),
        Record(60.0, "swarm", FaultEnded(0, Effect.APPLIED)),
        Record(70.0, "swarm", FaultBegan(1, FaultKind.CUT, (), ())),
    )
    healed, lasting = faults(History(records))
    assert (healed.targets, healed.began_at, healed.ended_at, healed.effect) == ("ann bob", 50.0, 60.0, "applied")
    assert (lasting.targets, lasting.ended_at, lasting.effect) == ("", None, None)


def test_settings_include_defaults() -> None:
    values = {row.setting: row.value for row in settings(GOOD)}
    assert (values["peers"], values["reward.factor"], values["work.slices"]) == (5, "0.055", 10)
    assert "kind" not in values
