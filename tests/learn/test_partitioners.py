"""Distributions of a peer's own: by column, by label, by size; disjoint, seeded, and validated on rows alike."""

from collections import Counter
from dataclasses import replace
from typing import Any, Literal

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.learn import small

from learnae.errors import InputError
from learnae.learn.datasets.dataset import Dataset
from learnae.learn.datasets.labels import Classes
from learnae.learn.datasets.partition import Partition, partition
from learnae.session.settings import DataSettings, Group, Session

Method = Literal["iid", "by-mass", "by-column", "dirichlet", "unequal"]
OWN: tuple[Method, ...] = ("by-mass", "by-column", "dirichlet")
ALL: tuple[Method, ...] = (*OWN, "iid", "unequal")
MASSES = (500, 750, 1000, 1250, 1500)


def table(rows: int = 2000, group: str = "mass", classes: int = 2, values: tuple[int, ...] = MASSES) -> Dataset:
    dice = np.random.default_rng(0)
    labels = torch.from_numpy(dice.integers(0, classes, rows))
    groups = dice.choice(values, rows)
    return replace(small.table(rows), labels=labels, label=Classes(classes), groups=groups, group=group)


def session(how: Method, peers: int = 5, groups: tuple[Group, ...] = (Group(),), **changes: Any) -> Session:
    column = "place" if how == "by-column" else None
    data = DataSettings(
        rows=120, validation_rows=40, judging_rows=30, test_rows=100, own_test_rows=30, partition=how, column=column
    )
    return replace(small.SESSION, peers=peers, groups=groups, data=replace(data, **changes))


def split(how: Method, rows: int = 2000, peers: int = 5, **changes: Any) -> tuple[Dataset, Partition]:
    found = table(rows, "place" if how == "by-column" else "mass")
    return found, partition(found, session(how, peers, **changes))


def trained(dealt: Partition) -> list[torch.Tensor]:
    return [torch.cat((rows.train, rows.validation)) for rows in dealt.peers]


@settings(max_examples=60, deadline=None)
@given(
    how=st.sampled_from(ALL),
    rows=st.integers(600, 2500),
    peers=st.integers(2, 7),
    judges=st.integers(0, 3),
    overlap=st.booleans(),
    seed=st.integers(0, 9),
)
def test_no_row_is_trained_or_judged_on_twice_nor_tested_on_by_anybody_who_has_it(
    how: Method, rows: int, peers: int, judges: int, overlap: bool, seed: int
) -> None:
    found = table(rows, "place" if how == "by-column" else "mass")
    try:
        groups = (Group(count=peers), *([Group(count=judges, has_rows=False)] if judges else []))
        asked = session(how, peers + judges, groups, overlap=overlap, alpha=2.0, size_sigma=0.5)
        dealt = partition(found, replace(asked, seed=seed))
    except InputError as error:
        assert "too few " in str(error)
        return
    own_tests, blocks = dealt.own_test[:peers], [rows.validation for rows in dealt.peers[peers:]]
    held_out = torch.cat([dealt.test, *blocks, *(own_tests if how in OWN else ())])
    assert len(set(held_out.tolist())) == len(held_out)
    with_rows = trained(dealt)[:peers]
    for own in with_rows:
        assert len(set(own.tolist())) == len(own)
        assert not torch.isin(own, held_out).any()
    if not overlap:
        together = torch.cat(with_rows)
        assert len(set(together.tolist())) == len(together)


@pytest.mark.parametrize("how", ALL)
def test_the_same_seed_deals_the_same_rows_and_another_others(how: Method) -> None:
    (found, one), (_, again) = split(how), split(how)
    other = partition(found, replace(session(how), seed=2))
    assert [own.tolist() for own in trained(one)] == [own.tolist() for own in trained(again)]
    assert [own.tolist() for own in trained(one)] != [own.tolist() for own in trained(other)]


@pytest.mark.parametrize("how", ALL)
def test_test_rows_are_the_same_however_the_rest_is_dealt(how: Method) -> None:
    _, dealt = split(how)
    _, iid = split("iid")
    assert torch.equal(dealt.test, iid.test)


@pytest.mark.parametrize("how", ["by-mass", "by-column"])
def test_a_peer_sees_one_value_in_training_validation_and_own_test(how: Method) -> None:
    found, dealt = split(how)
    assert found.groups is not None
    for peer, (rows, own_test) in enumerate(zip(dealt.peers, dealt.own_test, strict=True)):
        for part, size in ((rows.train, 120), (rows.validation, 40), (own_test, 30)):
            assert len(part) == size
            assert set(found.groups[part.numpy()].tolist()) == {MASSES[peer]}
    assert set(found.groups[dealt.test.numpy()].tolist()) == set(MASSES)


def test_peers_take_turns_through_the_values() -> None:
    found, dealt = split("by-mass", rows=3000, peers=7)
    assert found.groups is not None
    seen = [int(found.groups[int(rows.train[0])]) for rows in dealt.peers]
    assert seen == [*MASSES, 500, 750]


def test_more_values_than_peers_leave_the_rarest_out() -> None:
    found = table(2000, "place", values=(1, 2, 2, 2, 3, 4, 4, 4, 4))
    dealt = partition(found, session("by-column", peers=2))
    assert found.groups is not None
    assert [int(found.groups[int(rows.train[0])]) for rows in dealt.peers] == [2, 4]


def test_who_sees_a_rare_value_gets_fewer_rows_and_the_others_do_not() -> None:
    found = table(2000, "place", values=(1, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2))
    dealt = partition(found, session("by-column", peers=2))
    few, many = (len(rows.train) for rows in dealt.peers)
    assert few < many
    assert many == 120
    assert dealt.notice is not None
    assert f"each gets {few} to 120 training" in dealt.notice


def test_dirichlet_peers_hold_equally_many_rows_of_classes_that_differ_from_peer_to_peer() -> None:
    found, dealt = split("dirichlet", rows=4000)
    shares = [found.labels[rows.train].float().mean().item() for rows in dealt.peers]
    assert max(shares) - min(shares) > 0.4
    each = zip(dealt.peers, dealt.own_test, strict=True)
    assert {(len(rows.train), len(rows.validation), len(own)) for rows, own in each} == {(120, 40, 30)}


def test_validation_and_own_test_rows_are_of_the_peers_own_mixture() -> None:
    found, dealt = split("dirichlet", rows=4000)
    for rows, own_test in zip(dealt.peers, dealt.own_test, strict=True):
        share = found.labels[rows.train].float().mean().item()
        assert found.labels[rows.validation].float().mean().item() == pytest.approx(share, abs=0.25)
        assert found.labels[own_test].float().mean().item() == pytest.approx(share, abs=0.06)


@pytest.mark.parametrize(("alpha", "least", "most"), [(0.1, 0.3, 1.0), (1000.0, 0.0, 0.1)])
def test_alpha_sets_how_far_the_mixtures_are_apart(alpha: float, least: float, most: float) -> None:
    found, dealt = split("dirichlet", rows=6000, alpha=alpha)
    shares = [found.labels[torch.cat((rows.train, rows.validation))].float().mean().item() for rows in dealt.peers]
    assert least <= float(np.std(shares)) <= most


def test_dirichlet_shrinks_all_peers_alike_when_a_class_runs_out() -> None:
    found, dealt = split("dirichlet", rows=1090, alpha=0.3)
    assert dealt.notice is not None
    assert len({len(rows.train) for rows in dealt.peers}) == 1


def test_dirichlet_takes_as_many_classes_as_there_are() -> None:
    found = table(4000, classes=4)
    dealt = partition(found, session("dirichlet", alpha=0.3))
    most = [Counter(found.labels[rows.train].tolist()).most_common(1)[0][1] for rows in dealt.peers]
    assert max(most) > 60


def test_unequal_peers_hold_as_many_rows_together_as_equal_ones_would() -> None:
    _, dealt = split("unequal", peers=8, size_sigma=0.7)
    sizes = [len(rows.train) + len(rows.validation) for rows in dealt.peers]
    assert 8 * 160 - 8 <= sum(sizes) <= 8 * 160
    assert max(sizes) > 2 * min(sizes)
    assert all(len(rows.validation) == size // 4 for rows, size in zip(dealt.peers, sizes, strict=True))
    assert dealt.notice is None


def test_a_size_sigma_of_0_gives_every_peer_as_many_rows() -> None:
    _, dealt = split("unequal", size_sigma=0.0)
    assert [len(rows.train) for rows in dealt.peers] == [120] * 5


@pytest.mark.parametrize("how", ["iid", "unequal"])
def test_where_everybody_has_the_same_distribution_the_test_rows_are_everybodys_own(how: Method) -> None:
    _, dealt = split(how)
    assert all(own is dealt.test for own in dealt.own_test)


@pytest.mark.parametrize("how", ALL)
def test_peers_without_rows_judge_on_rows_of_their_own_and_are_tested_on_all(how: Method) -> None:
    found = table(2000, "place" if how == "by-column" else "mass")
    dealt = partition(found, session(how, peers=4, groups=(Group(count=1, has_rows=False), Group())))
    held = torch.cat([part for rows in dealt.peers[1:] for part in (rows.train, rows.validation)])
    assert len(dealt.peers[0].validation) == 30
    assert not torch.isin(dealt.peers[0].validation, torch.cat([held, dealt.test, *dealt.own_test])).any()
    assert dealt.own_test[0] is dealt.test
    assert all(len(rows.train) >= 30 for rows in dealt.peers[1:])


@pytest.mark.parametrize("how", ALL)
def test_a_swarm_in_which_nobody_has_rows_holds_out_the_same_rows(how: Method) -> None:
    found = table(2000, "place" if how == "by-column" else "mass")
    dealt = partition(found, session(how, groups=(Group(has_rows=False),)))
    assert dealt.notice is None
    assert len(dealt.own_test) == 5


@pytest.mark.parametrize(
    ("how", "changes", "remedy"),
    [
        ("by-mass", {}, "a column with fewer values"),
        ("dirichlet", {}, "a larger data.alpha"),
        ("unequal", {}, "a smaller data.size_sigma"),
        ("unequal", {"size_sigma": 8.0}, "at least 0 training"),
        ("by-mass", {"validation_rows": 900, "own_test_rows": 1}, "and 0 test rows"),
    ],
)
def test_too_few_rows_name_the_way_out_of_this_partition(how: Method, changes: dict[str, Any], remedy: str) -> None:
    with pytest.raises(InputError, match=remedy):
        split(how, rows=2000 if changes else 180, **changes)


@pytest.mark.parametrize(
    ("how", "group", "sentence"),
    [("by-mass", "place", "no column 'mass'; use another source"), ("by-column", "", "no column 'place'")],
)
def test_a_column_that_the_table_lacks_is_named(how: Method, group: str, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        partition(table(group=group), session(how))


def test_training_goes_on_with_peers_of_different_sizes() -> None:
    swarm = small.Swarm(session("unequal", peers=4), table=table())
    jobs = [trainer.train(swarm.initial, 1, 0, 1) for trainer in swarm.trainers]
    assert [job.result()[1].total for job in jobs] == [len(rows.validation) for rows in swarm.split.peers]
    assert len(set(swarm.pool.batch_sizes)) == 1
