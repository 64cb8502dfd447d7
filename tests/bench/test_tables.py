"""bench/tables: cells have exact means, and a program that is started again computes only what is missing."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.collusion import RINGS, payoffs, with_ring
from bench.tables import KeptResults, band

from learnae.analysis.fee_pool import WHOLE, Replayed
from learnae.protocol.types import Address, Wei
from learnae.session.session_file import parse

MEMBERS = [Address(f"0x{number:040x}") for number in range(6)]


def test_a_cell_has_the_mean_of_what_was_measured_and_not_of_rounded_values() -> None:
    assert band([0.004, 0.004, 0.008]) == "0.01 (0.00 to 0.01)"
    assert band([-0.001]) == "0.00 (0.00 to 0.00)"
    assert band([]) == "-"


def test_results_are_kept_by_session_and_part(tmp_path: Path) -> None:
    computed: list[str] = []

    def compute(name: str) -> Callable[[], dict[str, Any]]:
        def result() -> dict[str, Any]:
            computed.append(name)
            return {"name": name}

        return result

    sessions = [parse({"peers": 4, "seed": seed}) for seed in (1, 2)]
    for _ in range(2):
        results = KeptResults(tmp_path / "results.jsonl")
        for session in sessions:
            for part in ("", "alone"):
                name = f"{session.seed}{part}"
                assert results.get(session, part, compute(name)) == {"name": name}
    assert computed == ["1", "1alone", "2", "2alone"]


def test_a_ring_that_reports_its_members_for_each_other_takes_its_fees_back_from_the_others() -> None:
    """Collusion is what profiles leave: no report of its own helps a peer, but those of an accomplice do."""
    honest = {member: {other: WHOLE // 6 for other in MEMBERS if other != member} for member in MEMBERS}
    pool = Replayed(Wei(10**16), 6, 600, members=list(MEMBERS), rows={**honest})
    ring, others = MEMBERS[:2], MEMBERS[2:]
    for name, changed in RINGS.items():
        after = with_ring(pool, ring, changed)
        assert payoffs(after, ring) > payoffs(pool, ring), name
        assert payoffs(after, others) < payoffs(pool, others), name
    assert pool.rows == honest
    assert payoffs(with_ring(pool, ring, RINGS["fee for fee"]), ring) > 1.0  # mETH, of a fee of 10
