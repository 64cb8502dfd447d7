"""The flow of ETH between the groups of a session, for several sizes of the groups and several seeds."""

import json
from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from learnae.adapters.run_directory import RunDirectory
from learnae.analysis.figures import draw
from learnae.analysis.group_flows import RunFlows, flow_figure, run_flows
from learnae.errors import InputError
from learnae.runs.sweep import SweepRun, plan_runs
from learnae.session.session_file import load

PAGE = "flows.html"


def plan(
    session: Path, sizes: str | None, chosen: Mapping[str, list[Any]], seeds: Sequence[int], folder: Path
) -> dict[str, list[SweepRun]]:
    """The runs of each case, by its name: the size and what is chosen, such as ``2+10, privacy=false``.

    ``sizes``: as in ``2+2,2+10``; None: the session's own.  ``chosen``: values of settings.  Raises InputError.
    """
    groups, planned = len(load(session).groups), dict[str, list[SweepRun]]()
    for size in [None] if sizes is None else sizes.split(","):
        runs = plan_runs(session, {**_counts(size, groups), **chosen}, seeds, folder)
        for settings, same in groupby(runs, key=lambda run: run.settings):
            varied = [f"{name}={json.dumps(value, default=str)}" for name, value in settings.items() if name in chosen]
            planned[", ".join([*([size] if size else []), *varied])] = list(same)
    return planned


def measured(runs: Sequence[SweepRun]) -> list[RunFlows]:
    return [run_flows(RunDirectory(run.path).read()) for run in runs]


def write(name: str, cases: Mapping[str, Sequence[RunFlows]], folder: Path) -> list[Path]:
    """The page, and one figure per case in which a peer paid; the files."""
    from learnae.web.report import flows_page, plotly

    files = [folder / PAGE]
    files[0].write_text(flows_page(name, cases, plotly()), encoding="utf-8")
    for case, runs in cases.items():
        if any(run.paid for run in runs):
            name = f"flow-{case}" if case else "flow"
            files.append(folder / f"{name.replace(', ', '-').replace('/', '-')}.png")
            draw(flow_figure(runs), files[-1])
    return files


# private


def _counts(size: str | None, groups: int) -> dict[str, list[Any]]:
    """The settings of a size."""
    if size is None:
        return {}
    counts = size.split("+")
    if len(counts) != groups or not all(count.isdecimal() and len(count) < 9 for count in counts):
        example = "+".join(["4"] * groups)
        raise InputError(f"--sizes {size}: write the peers of each of the {groups} groups, such as {example}")
    chosen = {f"groups.{index}.count": [int(count)] for index, count in enumerate(counts)}
    return {**chosen, "peers": [sum(map(int, counts))]}
