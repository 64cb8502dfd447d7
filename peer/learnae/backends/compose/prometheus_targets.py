"""Open fault windows as Prometheus targets, so that the series ``up`` carries their labels.

Containers cannot reach the host, which knows of the faults; but Prometheus reads build/swarm/monitor (file_sd).
"""

import json
from collections.abc import Iterable
from pathlib import Path

from learnae.backends.pods.plan import HOST
from learnae.records.history import FaultBegan, FaultEnded
from learnae.web.event_log import EventLog


def fault_targets(windows: Iterable[FaultBegan]) -> list[dict[str, object]]:
    """One target per window.  The address that is scraped is Prometheus itself."""
    return [
        {
            "targets": [f"{HOST}:9090"],
            "labels": {"fault": str(window.fault), "hits": " ".join(window.targets) or "chain"},
        }
        for window in windows
    ]


def write_faults(folder: Path, windows: Iterable[FaultBegan]) -> None:
    """Replace the file of open windows; Prometheus never reads half a file."""
    new = folder / "monitor" / "faults.new"
    new.write_text(json.dumps(fault_targets(windows), indent=2) + "\n", encoding="utf-8")
    new.replace(new.with_suffix(".json"))


async def follow(board: EventLog, folder: Path) -> None:
    """Keep the file current until the board is closed or this is cancelled; then leave no window in it."""
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
