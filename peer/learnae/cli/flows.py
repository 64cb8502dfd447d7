"""`learnae flows`."""

import itertools
from pathlib import Path
from typing import Annotated

import typer

from learnae.cli.arguments import SessionFile
from learnae.cli.output import console, say, table_of


def flows(
    session: SessionFile,
    sizes: Annotated[
        str | None,
        typer.Option(metavar="A+B,...", help="Peers per group, in the order of the session file, such as 2+2,2+10."),
    ] = None,
    set: Annotated[
        list[str] | None,
        typer.Option(metavar="KEY=A,B,C", help="A setting and its values, such as privacy=true,false. Repeatable."),
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Number of sessions per case, with seeds 1, 2, ...")] = 10,
    out: Annotated[Path | None, typer.Option(help="Folder for the runs (default: runs/flows-SESSION).")] = None,
) -> int:
    """Simulate a session and show how ETH flows between its groups: tables, a Sankey and curves, with ranges.

    Finished runs are used again, so the same command continues after Ctrl-C.
    """
    from learnae.analysis.group_flows import FLOW_COLUMNS, flow_row
    from learnae.cli.many_runs import exit_code, run_cases, write_csv
    from learnae.runs.group_flows import measured, plan, write
    from learnae.session.assignments import parse_assignments
    from learnae.web.report.group_section import case_title, flow_cells

    folder = (out or Path("runs") / f"flows-{session.stem}").absolute()  # also for workers in other folders
    planned = plan(session, sizes, parse_assignments(set or []), range(1, seeds + 1), folder)
    rows = run_cases(list(itertools.chain.from_iterable(planned.values())))
    cases = {case: measured(runs) for case, runs in planned.items()}
    every = itertools.chain.from_iterable(cases.values())
    write_csv(folder / "flows.csv", [{**row, **flow_row(run)} for row, run in zip(rows, every, strict=True)])
    for case, runs in cases.items():
        say(case_title(case, runs), "bold")
        table = table_of("payers to payees", *FLOW_COLUMNS)
        for cells in flow_cells(runs):
            table.add_row(*cells)
        console.print(table)
    for file in write(session.stem, cases, folder):
        say(str(file))
    say(f"One line per run: {folder / 'flows.csv'}")
    return exit_code(rows)
