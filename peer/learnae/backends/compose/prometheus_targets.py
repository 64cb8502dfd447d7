"""Fault windows for Prometheus: each is a target as long as it is open, so that ``up`` has a series with its labels.

The host knows of them and containers cannot reach it, but Prometheus looks into build/swarm/monitor (file_sd).
"""

import json
from collections.abc import Iterable
from pathlib import Path

from learnae.backends.compose.plan import HOST
from learnae.records.history import FaultBegan, FaultEnded
from learnae.web.event_log import EventLog


def fault_targets(windows: Iterable[FaultBegan]) -> list[dict[str, object]]:
    """What is scraped is Prometheus itself."""
    return [
        {"targets": [f"{HOST}:9090"], "labels": {"fault": str(each.fault), "hits": " ".join(each.targets) or "chain"}}
        for each in windows
    ]


def write_faults(folder: Path, windows: Iterable[FaultBegan]) -> None:
    """Those that are open now; Prometheus never sees half a file."""
    new = folder / "monitor" / "faults.new"
    new.write_text(json.dumps(fault_targets(windows), indent=2) + "\n")
    new.replace(new.with_suffix(".json"))


async def told(board: EventLog, folder: Path) -> None:
    """Until the board is closed or this is cancelled; then none is open."""
    windows: dict[int, FaultBegan] = {}
    try:
        async for _, record in board.follow():
            match record.fact:
                case FaultBegan(window=number) as began:
                    windows[number] = began
                case FaultEnded(window=number):
                    windows.pop(number, None)
                case _:
                    continue
            write_faults(folder, windows.values())
    finally:
        write_faults(folder, ())
