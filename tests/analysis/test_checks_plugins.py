"""What plug-ins did is worked out again with their own code."""

import re
from dataclasses import replace

from tests.helpers.histories import GOOD, MODEL, SETTINGS, amended, caught, fact_is, followed_by, score
from tests.helpers.peers import own_plugin

from learnae.analysis.checks.debts import plugins_did_not_raise
from learnae.analysis.checks.work import learned_nothing
from learnae.protocol.decisions import Averaged, DebtChanged, DebtState, PluginFailed, Trained
from learnae.protocol.types import Score
from learnae.records.history import Evaluated, History, Record, SessionBegan
from learnae.session.settings import ScoreSettings

ANN_SIGNED = fact_is("ann", DebtChanged, debt=0, state=DebtState.SIGNED)


def reward(function: str) -> History:
    session = replace(SETTINGS, reward=replace(SETTINGS.reward, function=function))
    return amended(fact_is("swarm", SessionBegan), session=session)


def test_a_reward_of_a_plug_in_is_worked_out_again() -> None:
    """From what the payer adopted and owed before, of whom, when, and what of its cap was left."""
    code = (
        "def reward(view):\n"
        "    before = view.adoptions, view.creators, view.from_creator, view.owed_to_creator, view.left, view.second\n"
        "    return {750: 2_750_000_000_000_000, 720: 1_650_000_000_000_000, 701: 55_000_000_000_000}.get(\n"
        "        view.after.correct, 550_000_000_000_000 if before[:4] == (1, 1, 0, 0) and before[4] else 0)\n"
    )
    assert not caught(reward(function=own_plugin(code, "reward")))
    found = caught(reward(function=own_plugin("def reward(view): return view.second", "reward")))
    assert "debt 0 of ann is for 2750000000000000 wei, not 2" in found["amounts_follow_reward_function"]


def test_a_reward_of_a_plug_in_that_raises_is_nothing() -> None:
    found = caught(reward(function=own_plugin("def reward(view): return 1 // 0", "reward")))
    assert "debt 0 of ann is for 2750000000000000 wei, not 0" in found["amounts_follow_reward_function"]


def test_a_debt_that_was_priced_at_another_time_is_invalid() -> None:
    function = own_plugin("def reward(view): return view.factor", "reward")
    found = caught(amended(fact_is("ann", DebtChanged, debt=0), history=reward(function=function), second=3))
    assert re.search(r"debt 0 of ann was priced at \d+\.0{6} s, and says second 3", found.popitem()[1])


def test_a_plug_in_that_raised_is_named_with_its_line_and_its_peer() -> None:
    failed = PluginFailed("mine.py:reward@" + 32 * "0", 7, "KeyError")
    found = caught(followed_by(ANN_SIGNED, failed))
    assert found == {"plugins_did_not_raise": "invalid: plug-in mine.py:reward, line 7, for ann: KeyError"}


def test_a_metric_that_raised_on_test_rows_alone_is_named_with_the_peers_whose_models_count_as_0() -> None:
    failed = PluginFailed("mine.py:metric@" + 32 * "0", 2, "KeyError")
    *before, end = GOOD.records
    tested = [Record(9.0, "ann", Evaluated(MODEL["ann 3"], 3, Score(0, 1000), None, failed))]
    found = plugins_did_not_raise(replace(GOOD, records=(*before, *tested, end)))
    assert found.reason == "plug-in mine.py:metric, line 2, for ann on test rows, where it counts as 0: KeyError"


def test_a_plug_in_that_raised_for_several_peers_is_named_once() -> None:
    failed = PluginFailed("mine.py:reward@" + 32 * "0", 7, "KeyError")
    records = [Record(9.0, peer, failed) for peer in ("ann", "bob", "ann")]
    *before, end = GOOD.records
    found = plugins_did_not_raise(replace(GOOD, records=(*before, *records, end)))
    assert found.reason == "plug-in mine.py:reward, line 7, for ann, bob: KeyError"


def test_texts_that_differ_from_call_to_call_are_one_failure() -> None:
    facts = [PluginFailed("mine.py:metric@" + 32 * "0", 2, f"returned {value}") for value in (61.0, 62.5)]
    *before, end = GOOD.records
    found = plugins_did_not_raise(replace(GOOD, records=(*before, *(Record(9.0, "ann", fact) for fact in facts), end)))
    assert found.reason == "plug-in mine.py:metric, line 2, for ann: returned 61.0"


def test_models_are_not_called_untrained_if_their_metric_raised() -> None:
    session = replace(SETTINGS, score=ScoreSettings("mine.py:metric"))
    lazy = amended(fact_is("ann", Trained), score=score(520))
    lazy = amended(fact_is("ann", Averaged, adopted=True), history=lazy, after=score(530))
    lazy = amended(fact_is("swarm", SessionBegan), history=lazy, session=session)
    assert learned_nothing(lazy)
    assert not learned_nothing(followed_by(ANN_SIGNED, PluginFailed("mine.py:metric", 2, "KeyError"), lazy))
