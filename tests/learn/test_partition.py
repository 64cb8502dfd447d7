"""Who holds which rows: disjoint, seeded, shrunk with a notice, refused when too few."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from tests.learn.small import SESSION, table

from learnae.errors import InputError
from learnae.learn.datasets.partition import Partition, load_partitioned, partition
from learnae.session.settings import DataSettings, Group, ScoreSettings, Session

WITHOUT_ROWS = (Group(count=3, has_rows=False), Group(count=4))


def with_data(session: Session = SESSION, **changes: object) -> Session:
    return replace(session, data=replace(session.data, **changes))  # type: ignore[arg-type]


def parts(split: Partition) -> list[torch.Tensor]:
    """All of them, except the training rows of peers without any."""
    own = [part for rows in split.peers for part in (rows.train, rows.validation) if len(part)]
    return [*own, split.test]


def test_all_parts_are_pairwise_disjoint_and_of_the_wanted_size() -> None:
    split = partition(table(), replace(SESSION, peers=7, groups=WITHOUT_ROWS))
    together = torch.cat(parts(split))
    assert len(set(together.tolist())) == len(together)
    assert [len(part) for part in parts(split)] == [30] * 3 + [120, 40] * 4 + [100]
    assert split.notice is None


def test_the_same_seed_deals_the_same_rows_and_another_seed_others() -> None:
    first, again = partition(table(), SESSION), partition(table(), SESSION)
    assert all(torch.equal(one, other) for one, other in zip(parts(first), parts(again), strict=True))
    assert not torch.equal(first.test, partition(table(), replace(SESSION, seed=2)).test)


def test_test_rows_do_not_depend_on_the_number_of_peers() -> None:
    few, many = partition(table(), replace(SESSION, peers=2)), partition(table(), replace(SESSION, peers=5))
    assert torch.equal(few.test, many.test)


def test_peers_hold_the_same_rows_whether_or_not_others_without_rows_take_part() -> None:
    alone, joined = partition(table(), SESSION), partition(table(), replace(SESSION, peers=7, groups=WITHOUT_ROWS))
    for one, other in zip(parts(alone), parts(joined)[3:], strict=True):
        assert torch.equal(one, other)


def test_who_knows_the_seed_cannot_tell_the_rows_of_a_judging_block_that_was_dealt_by_a_salt() -> None:
    session = replace(SESSION, peers=7, groups=WITHOUT_ROWS)
    seeded, salted, again, other = (partition(table(), session, salt) for salt in ("", "one", "one", "other"))
    together = torch.cat(parts(salted))
    assert len(set(together.tolist())) == len(together)
    assert list(map(len, parts(salted))) == list(map(len, parts(seeded)))
    assert torch.equal(salted.test, seeded.test)
    assert all(torch.equal(one, same) for one, same in zip(parts(salted), parts(again), strict=True))
    for guessed in (seeded, other):
        judged = [torch.cat([rows.validation for rows in split.peers[:3]]) for split in (salted, guessed)]
        assert torch.isin(*judged).sum() < len(judged[0]) / 2, "no more than by chance"


def test_a_salt_changes_nothing_where_nobody_judges_on_a_block() -> None:
    seeded, salted = partition(table(), SESSION), partition(table(), SESSION, "salt")
    assert all(torch.equal(one, other) for one, other in zip(parts(seeded), parts(salted), strict=True))


def test_overlapping_peers_share_rows_with_each_other_but_not_with_themselves_the_judges_or_the_test() -> None:
    split = partition(table(500), with_data(replace(SESSION, peers=7, groups=WITHOUT_ROWS), overlap=True))
    own = [torch.cat((rows.train, rows.validation)) for rows in split.peers[3:]]
    blocks = torch.cat([rows.validation for rows in split.peers[:3]])
    held_out = torch.cat((blocks, split.test))
    for rows in own:
        assert len(set(rows.tolist())) == len(rows) == 160
        assert not torch.isin(rows, held_out).any()
    assert len(set(torch.cat(own).tolist())) < 4 * 160
    assert len(set(held_out.tolist())) == 3 * 30 + 100
    assert split.notice is None


@pytest.mark.parametrize("overlap", [False, True])
def test_too_few_rows_shrink_each_peer_in_proportion_and_say_so(overlap: bool) -> None:
    split = partition(table(130 + (80 if overlap else 320)), with_data(overlap=overlap))
    assert [len(part) for part in parts(split)] == [60, 20] * 4 + [100]
    assert split.notice == (
        "The dataset has too few rows for 4 peers: each gets 60 training and 20 validation rows instead of 120 and 40."
    )


def test_peers_without_rows_cannot_train_and_each_judges_on_a_block_of_its_own() -> None:
    groups = (Group(count=1, has_rows=False), Group(computes=False, count=1), Group(has_rows=False, count=1), Group())
    split = partition(table(), replace(SESSION, groups=groups))
    assert [len(rows.train) for rows in split.peers] == [0, 120, 0, 120]
    assert [len(rows.validation) for rows in split.peers] == [30, 40, 30, 40]
    assert not torch.isin(split.peers[0].validation, split.peers[2].validation).any()


@pytest.mark.parametrize("overlap", [False, True])
def test_too_few_rows_shrink_judging_blocks_too_and_say_so(overlap: bool) -> None:
    dealt = 3 * 15 + 80 * (1 if overlap else 4)
    session = with_data(replace(SESSION, peers=7, groups=WITHOUT_ROWS), overlap=overlap)
    split = partition(table(100 + dealt), session)
    assert [len(part) for part in parts(split)] == [15] * 3 + [60, 20] * 4 + [100]
    assert split.notice == (
        "The dataset has too few rows for 7 peers: each gets 60 training and 20 validation rows instead of 120 and 40; "
        "each without rows gets 15 judging rows instead of 30."
    )


def test_peers_that_do_not_train_hold_rows_all_the_same() -> None:
    split = partition(table(), replace(SESSION, groups=(Group(computes=False),)))
    assert [len(rows.validation) for rows in split.peers] == [40] * 4


def test_rows_of_peers_without_any_are_left_to_the_others() -> None:
    session = replace(SESSION, groups=(Group(count=2), Group(has_rows=False)))
    assert partition(table(100 + 2 * 30 + 2 * 160), session).notice is None


def test_a_group_without_a_count_takes_the_peers_that_are_left_wherever_it_stands() -> None:
    groups = (Group(has_rows=False), Group(count=1))
    split = partition(table(), replace(SESSION, groups=groups))
    assert [len(rows.train) > 0 for rows in split.peers] == [False, False, False, True]


@pytest.mark.parametrize(
    ("rows", "changes", "sentence"),
    [
        (120, {}, "smaller than data.test_rows"),
        (
            130 + 4 * 8,
            {},
            "4 peers would get 6 training and 2 validation rows each, .* validation rows: use fewer peers",
        ),
        (130 + 4 * 20, {"rows": 1000}, "lower data.rows = 1000, use fewer peers"),
        (1000, {"validation_rows": 9}, "too few for 3 slices and 10 validation rows"),
        (1000, {"rows": 2}, "2 training"),
    ],
)
def test_too_few_rows_to_train_or_to_judge_on_are_refused(rows: int, changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        partition(table(rows), with_data(SESSION, **changes))


def test_sizes_that_a_session_sets_for_another_table_are_named_first() -> None:
    sentence = "validation rows: the session sets sizes for another table, such as data.rows = 1000: leave them out"
    with pytest.raises(InputError, match=sentence):
        partition(table(130 + 4 * 20), with_data(SESSION, source="sklearn:wine", rows=1000))


def test_judging_blocks_too_small_to_judge_on_are_refused_only_if_somebody_judges_on_them() -> None:
    small = with_data(judging_rows=5)
    assert partition(table(), small).notice is None
    with pytest.raises(InputError, match=r"would get 5 judging rows each.*set data.judging_rows to 10 or more"):
        partition(table(), replace(small, groups=(Group(count=1, has_rows=False), Group())))


def test_too_many_peers_without_rows_are_refused() -> None:
    session = replace(SESSION, peers=100, groups=(Group(has_rows=False), Group(count=1)))
    with pytest.raises(InputError, match=r"99 peers without rows would get 8 judging rows each.*use fewer of them"):
        partition(table(1000), session)


def test_a_thousand_peers_hold_indices_into_one_table() -> None:
    session = Session(
        peers=1000, data=DataSettings(rows=100, validation_rows=20, judging_rows=20, test_rows=100, overlap=True)
    )
    one = table(1000)
    split = partition(one, session)
    assert len(split.peers) == 1000
    assert all(rows.train.dtype == torch.int64 for rows in split.peers)


def test_slices_below_one_batch_and_the_most_frequent_class_are_named() -> None:
    session = with_data(replace(SESSION, model=replace(SESSION.model, batch=64)), path="own.csv", label="k")
    _, split = load_partitioned(session, table())
    assert split.notice is not None
    small, frequent = split.notice.split(". ")
    assert small.startswith("Some slices have only 40 rows, less than one batch of 64") and "lower model.batch" in small
    share = torch.bincount(table().labels[split.test]).max().item()  # of 100 test rows
    assert frequent == f"For comparison: always naming the most frequent class is right in {share}% of the test rows."
    _, other = load_partitioned(replace(session, score=ScoreSettings("f1")), table())
    assert other.notice == f"{small}."
