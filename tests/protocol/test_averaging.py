"""Averaging rules: which mixes of two models a peer tries, in exact integers."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.helpers.driven import Driven
from tests.helpers.peers import own_plugin, score, weights

from learnae.plugins import BUILT_IN, Kind, PluginError
from learnae.protocol import actions as do
from learnae.protocol import events as on
from learnae.protocol.averaging import HALF, LIMIT, MEAN, ONE, AveragingView, averaging_rule, is_mix
from learnae.protocol.decisions import Averaged, PluginFailed
from learnae.protocol.types import Score

LOCAL, REMOTE = Score(1, 4), Score(3, 4)
TENSORS = ("0.bias", "0.weight", "2.bias", "2.weight")
totals = st.integers(1, 10**6)
scores = totals.flatmap(lambda total: st.builds(Score, st.integers(0, total), st.just(total)))


def view(
    local: Score = LOCAL,
    remote: Score = REMOTE,
    rows: tuple[int, int] = (100, 300),
    tensors: tuple[str, ...] = TENSORS,
) -> AveragingView:
    return AveragingView(tensors, *rows, lambda: (local, remote))


def mixes(name: str, seen: AveragingView) -> list[tuple[int, ...]]:
    return averaging_rule(name)(seen)


def test_the_papers_rule_is_the_mean() -> None:
    assert mixes("mean", view()) == [MEAN] == [(HALF,)]


def test_a_model_weighs_what_it_scores_or_as_many_rows_as_it_was_trained_on() -> None:
    assert mixes("by-score", view()) == mixes("by-rows", view()) == [(ONE * 3 // 4,)]
    assert mixes("by-score", view(Score(0, 5), Score(0, 9))) == mixes("by-rows", view(rows=(0, 0))) == [MEAN]


def test_neither_model_counts_for_nothing_however_many_rows_its_creator_claims() -> None:
    assert mixes("by-rows", view(rows=(1, 10**9))) == [(ONE - LIMIT,)]
    assert mixes("by-rows", view(rows=(100, 0))) == [(LIMIT,)]


def test_a_line_search_tries_the_mean_first() -> None:
    tried = mixes("line-search", view())
    assert tried[0] == MEAN and len(set(tried)) == 5
    assert all(len(mix) == 1 and 0 < mix[0] < ONE for mix in tried)


def test_layerwise_tries_each_layer_with_and_without_the_others() -> None:
    assert mixes("layerwise", view()) == [MEAN, (0, 0, HALF, HALF), (HALF, HALF, 0, 0)]
    assert len(mixes("layerwise", view(tensors=(*TENSORS, "4.bias", "4.weight")))) == 7
    assert mixes("layerwise", view(tensors=TENSORS[:2])) == [MEAN]


def test_scores_are_computed_once_and_only_for_a_rule_that_asks() -> None:
    asked = []

    def compute() -> tuple[Score, Score]:
        asked.append(1)
        return Score(1, 2), Score(1, 2)

    seen = AveragingView(TENSORS, 1, 1, compute)
    for name in ("mean", "by-rows", "line-search", "layerwise"):
        mixes(name, seen)
    assert not asked
    assert mixes("by-score", seen) == [MEAN] and asked == [1]


@pytest.mark.parametrize("name", BUILT_IN[Kind.AVERAGING])
@given(local=scores, remote=scores, rows=st.tuples(st.integers(0, 10**9), st.integers(0, 10**9)))
def test_every_built_in_rule_mixes_both_models(name: str, local: Score, remote: Score, rows: tuple[int, int]) -> None:
    for mix in mixes(name, view(local, remote, rows)):
        assert is_mix(mix, len(TENSORS))
        assert 0 < Fraction(sum(mix), len(mix)) < ONE


def test_a_rule_of_ones_own_returns_integers_or_lists_of_them() -> None:
    rule = own_plugin("def rule(view):\n    return [1, view.mix_of(view.layers[1:]), [7] * len(view.tensors)]", "rule")
    assert mixes(rule, view()) == [(1,), (0, 0, HALF, HALF), (7, 7, 7, 7)]


def test_integers_of_numpy_are_integers() -> None:
    number = "class Number:\n    shape = ()\n    def item(self): return 7\n"
    rule = own_plugin(f"{number}def rule(view): return [Number(), [Number()]]", "rule")
    assert mixes(rule, view()) == [(7,), (7,)]


@pytest.mark.parametrize(
    "answer", ["None", "[]", "[0]", "[0.5]", "[True]", "[65537]", "[-1]", "[[1, 2]]", "['1']", "[1] * 65"]
)
def test_anything_else_is_an_error_of_the_rule(answer: str) -> None:
    with pytest.raises(PluginError, match="line 1: returned .*: return a list of up to 64 mixes"):
        mixes(own_plugin(f"def rule(view): return {answer}", "rule"), view())


def test_a_rule_that_raises_names_its_line() -> None:
    with pytest.raises(PluginError, match="line 2: ZeroDivisionError"):
        mixes(own_plugin("def rule(view):\n    return [ONE // 0 for ONE in (1,)]", "rule"), view())


def test_a_peer_records_that_a_rule_failed_and_uses_the_score_all_the_same() -> None:
    driven = Driven(wants_payment=False, slices_planned=0, expected_identities=0).loaded()
    driven.hears("bob")
    driven.fetched()
    request = driven.asked(do.AverageModels).request
    failed = PluginFailed("mine.py:rule", 3, "KeyError")
    driven.tell(on.ModelScored(driven.now, request, weights("me-1"), score(60), failed))
    assert driven.facts(PluginFailed) == [PluginFailed("mine.py:rule", 3, "KeyError")]
    assert [fact.adopted for fact in driven.facts(Averaged)] == [True]
