"""The history: what observers write is what is read, and what a crash left of it is still of use."""

import json
from dataclasses import replace

import pytest
from tests.helpers.histories import GOOD, MODEL, NAMES, PEER, fact_is, score, without

from learnae.errors import InputError
from learnae.protocol.decisions import Adopted, Averaged, DebtState, Trained, WorkChanged, WorkState
from learnae.protocol.policies import Policy
from learnae.protocol.types import Address, Cid, PeerId
from learnae.records.chain_export import Balances, Block, Genesis, chain_line, gas_by_wallet
from learnae.records.fold import Fold, once
from learnae.records.history import (
    History,
    PeerCrashed,
    Record,
    SessionEnded,
    kept_score,
    session_began,
)
from learnae.records.roster_entry import RosterEntry
from learnae.session.roster import Member
from learnae.session.settings import Group

LINES = [record.line() for record in GOOD.records]
CHAIN_LINES = [chain_line(record) for record in GOOD.chain]


def test_a_whole_history_comes_back_equal_from_its_lines() -> None:
    assert History.parse(LINES, CHAIN_LINES) == GOOD


def test_files_are_read_with_their_line_ends_and_blank_lines() -> None:
    assert History.parse([f"{line}\n" for line in LINES] + ["\n", ""], CHAIN_LINES) == GOOD


def test_the_same_history_gives_the_same_bytes() -> None:
    assert [record.line() for record in History.parse(LINES).records] == LINES


def test_a_record_is_one_line_with_time_peer_and_kind_first() -> None:
    record = Record(1.25, "p07", Trained(3, 4, Cid("bm"), score(700)))
    fields = '"slice":3,"step":4,"cid":"bm","score":[700,1000],"rows":null'
    assert record.line() == '{"t":1.25,"peer":"p07","kind":"Trained",' + fields + "}"


def test_times_are_written_to_the_microsecond() -> None:
    assert json.loads(Record(0.1 + 0.2, "p07", PeerCrashed()).line())["t"] == 0.3


def test_a_chain_line_keeps_every_wei() -> None:
    assert '"0xa1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1":"1000000000000000000"' in CHAIN_LINES[0]


def test_gas_is_added_up_by_wallet() -> None:
    sent = [each for block in GOOD.chain if isinstance(block, Block) for each in block.transactions]
    gas = gas_by_wallet(GOOD.chain)
    assert gas.total() == sum(each.gas_used for each in sent)
    prices = {each.hash: each.gas_used * each.gas_price for each in sent}
    assert gas_by_wallet(GOOD.chain, priced=True).total() == sum(prices.values())
    assert gas[sent[0].sender] == sum(each.gas_used for each in sent if each.sender == sent[0].sender)


@pytest.mark.parametrize("length", [1, 20, len(LINES[-1]) - 1])
def test_a_last_line_that_broke_off_is_left_out_and_flagged(length: int) -> None:
    history = History.parse([*LINES[:-1], LINES[-1][:length]])
    assert history.truncated
    assert history.records == GOOD.records[:-1]


def test_a_chain_export_that_broke_off_is_flagged_too() -> None:
    history = History.parse(LINES, [*CHAIN_LINES[:-1], CHAIN_LINES[-1][:30]])
    assert history.truncated
    assert history.chain == GOOD.chain[:-1]


def test_a_whole_history_is_not_flagged() -> None:
    assert not History.parse(LINES, CHAIN_LINES).truncated


def test_a_broken_line_with_another_after_it_is_bad_input_and_named() -> None:
    with pytest.raises(InputError, match=r"history.jsonl, line 3 is not JSON"):
        History.parse([*LINES[:2], LINES[2][:20], *LINES[3:]])


@pytest.mark.parametrize(
    "line",
    [
        '{"t":1.0,"peer":"ann","kind":"Gossiped"}',
        '{"peer":"ann","kind":"PeerCrashed"}',
        '{"t":"1","peer":"ann","kind":"PeerCrashed"}',
        '{"t":true,"peer":"ann","kind":"PeerCrashed"}',
        '{"t":1.0,"peer":7,"kind":"PeerCrashed"}',
        '{"t":1.0,"peer":"ann","kind":"PeerCrashed","why":"?"}',
        "[]",
        "1",
    ],
)
def test_json_that_is_no_record_is_bad_input_even_on_the_last_line(line: str) -> None:
    with pytest.raises(InputError, match=rf"history.jsonl, line {len(LINES) + 1} is no record of version 4"):
        History.parse([*LINES, line])


def test_a_fact_is_no_chain_record() -> None:
    with pytest.raises(InputError, match=r"chain.jsonl, line 1 is no record"):
        History.parse(LINES, LINES)


def test_whole_seconds_may_be_integers() -> None:
    assert History.parse(['{"t":3,"peer":"ann","kind":"PeerCrashed"}']).seconds == 3.0


def test_facts_of_a_kind_keep_their_order_and_their_records() -> None:
    found = [(record.peer, fact.adopted) for record, fact in GOOD.facts(Averaged)]
    assert found == [("bob", False), ("ann", True), ("cat", True), ("bob", True), ("ann", True)]


def test_exports_are_the_chain_records_of_a_kind() -> None:
    assert [block.number for block in GOOD.exports(Block)] == [1, 2, 4]
    assert len(GOOD.exports(Genesis)) == len(GOOD.exports(Balances)) == 1


def test_the_roster_is_known_by_name_and_the_honest_by_their_policy() -> None:
    assert GOOD.roster["bob"].peer == PEER["bob"]
    assert list(GOOD.roster) == list(NAMES)
    assert GOOD.honest == ["ann", "bob", "eve"]


def test_the_changes_of_a_debt_are_together_with_their_times() -> None:
    changes = GOOD.debts["ann", 0]
    assert [change.state for _, change in changes] == [
        DebtState.OWED,
        DebtState.PAYABLE,
        DebtState.SIGNED,
        DebtState.SENT,
        DebtState.MINED,
        DebtState.FINAL,
    ]
    assert [at for at, _ in changes] == sorted(at for at, _ in changes)


def test_a_session_says_how_it_ended_unless_it_died() -> None:
    assert GOOD.ended_by == "quiet"
    assert without(fact_is("swarm", SessionEnded)).ended_by is None


def test_an_empty_history_has_nothing_and_breaks_nothing() -> None:
    empty = History.parse([])
    assert (empty.began, empty.roster, empty.honest, empty.debts, empty.seconds) == (None, {}, [], {}, 0.0)


@pytest.mark.parametrize(
    ("fact", "kept"),
    [
        (Adopted(MODEL["ann 1"], None, score(500)), score(500)),
        (Trained(0, 1, MODEL["ann 1"], score(600)), score(600)),
        (WorkChanged(WorkState.DONE), None),
    ],
)
def test_a_peer_goes_on_with_what_it_trained_or_began_with(fact: Trained, kept: object) -> None:
    assert kept_score(fact) == kept


def test_a_peer_goes_on_with_an_average_only_if_it_was_adopted() -> None:
    average = Averaged(PeerId("p"), MODEL["ann 1"], score(500), score(600), True, MODEL["ann 2"], 2)
    assert kept_score(average) == score(600)
    assert kept_score(replace(average, adopted=False)) is None


def test_the_first_record_of_a_session_names_its_peers_with_their_roles() -> None:
    assert GOOD.began
    group = Group(policy=Policy.COPYCAT, has_rows=False)
    member = Member("p00", PEER["ann"], Address("0xa"), PEER["ann"], group)
    began = session_began(GOOD.began.backend, GOOD.began.session, [member], Cid("manifest"))
    assert began.roster == (RosterEntry("p00", PEER["ann"], Address("0xa"), False, True, True, Policy.COPYCAT),)
    assert (began.session, began.manifest) == (GOOD.began.session, Cid("manifest"))


def test_what_is_computed_once_is_computed_again_for_another_history() -> None:
    asked = list[int]()

    @once
    def size(history: History) -> int:
        asked.append(len(history.records))
        return asked[-1]

    less = replace(GOOD, records=GOOD.records[:3])
    assert (size(GOOD), size(less), size(GOOD), size(less)) == (len(GOOD.records), 3) * 2
    assert asked == [len(GOOD.records), 3] and less == replace(less)


class Trainings(Fold):
    kinds = (Trained, Adopted)

    def __init__(self, history: History) -> None:
        self.names = list(history.roster)
        self.records = list[Record]()

    def add(self, record: Record) -> None:
        self.records.append(record)


def part(length: int) -> tuple[Record, ...]:
    return GOOD.records[:length]


def test_a_fold_of_a_history_that_grows_sees_each_record_of_its_kinds_once_and_in_order() -> None:
    history = History(())
    for length in range(len(GOOD.records) + 1):
        history = history.grown(part(length))
        assert history.folded(Trainings).records == History(part(length)).of(Trained, Adopted)
    assert history.folded(Trainings) is history.folded(Trainings) and history.folded(Trainings).records


def test_a_fold_that_began_without_a_roster_begins_again_when_there_is_one() -> None:
    assert History(()).folded(Trainings).names == []
    before = History(())
    before.folded(Trainings)
    assert before.grown(GOOD.records).folded(Trainings).names == list(NAMES)


def test_a_history_that_has_grown_or_that_shrinks_reads_its_records_again() -> None:
    history = History(part(20))
    expected = list(history.folded(Trainings).records)
    longer, other = history.grown(GOOD.records), history.grown(part(30))
    shorter = longer.grown(part(20))
    assert longer.folded(Trainings).records == GOOD.of(Trained, Adopted)
    assert other.folded(Trainings).records == History(part(30)).of(Trained, Adopted)
    assert shorter.folded(Trainings).records == history.folded(Trainings).records == expected
