"""The line that a command shows while its session runs."""

import re

from tests.helpers.swarms import run, small

from learnae.cli.progress import Progress


def test_with_a_fee_pool_debts_are_reported_and_nothing_is_called_paid() -> None:
    for settings, words in (({}, "payments "), ({"defence": {"kind": "profiles"}}, "reported debts ")):
        progress, session = Progress(6), run(small(**settings))
        for record in session.records:
            progress.observe(record.t, record.peer, record.fact)
        assert re.search(r"  [1-9]\d* averagings, \d+% adopted  ", str(progress))
        assert f"  {words}{session.verdict['summary']['debts_by_state']['final']}" in str(progress)
