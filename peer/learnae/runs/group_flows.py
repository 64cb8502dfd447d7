"""The flow of ETH between the groups of a session, for several sizes of the groups and several seeds."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from learnae.adapters.run_directory import RunDirectory
from learnae.analysis.figures import draw
from learnae.analysis.group_flows import RunFlows, flow_figure, run_flows
from learnae.errors import InputError
from learnae.runs.sweep import SweepRun, plan_runs
from learnae.session.session_file import load

PAGE = "flows.html"


def plan(session: Path, sizes: str | None, seeds: Sequence[int], folder: Path) -> dict[str, list[SweepRun]]:
    """The runs of each size.  ``sizes``: as in ``2+2,2+10``; None: the session's own, called "".  Raises InputError."""
    if sizes is None:
        return {"": plan_runs(session, {}, seeds, folder)}
    groups = len(load(session).groups)
    planned = {}
    for size in sizes.split(","):
        counts = size.split("+")
        if len(counts) != groups or not all(count.isdecimal() and len(count) < 9 for count in counts):
            example = "+".join(["4"] * groups)
            raise InputError(f"--sizes {size}: write the peers of each of the {groups} groups, such as {example}")
        chosen = {f"groups.{index}.count": [int(count)] for index, count in enumerate(counts)}
        planned[size] = plan_runs(session, {**chosen, "peers": [sum(map(int, counts))]}, seeds, folder)
    return planned


def measured(runs: Sequence[SweepRun]) -> list[RunFlows]:
    return [run_flows(RunDirectory(run.path).read()) for run in runs]


def write(name: str, cases: Mapping[str, Sequence[RunFlows]], folder: Path) -> list[Path]:
    """The page, and one figure per size of which a peer paid; the files."""
    from learnae.web.report import flows_page, plotly

    files = [folder / PAGE]
    files[0].write_text(flows_page(name, cases, plotly()), encoding="utf-8")
    for size, runs in cases.items():
        if any(run.paid for run in runs):
            files.append(folder / (f"flow-{size}.png" if size else "flow.png"))
            draw(flow_figure(runs), files[-1])
    return files
