"""`learnae sweep`."""

import itertools
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from learnae.analysis.metric_words import in_metric
from learnae.analysis.statistics import band
from learnae.cli.arguments import Images, SessionFile
from learnae.cli.output import console, say, table_of
from learnae.errors import InputError

SHOWN = {
    "payments_mean": (".1f", "payments, mean"),
    "eth_mean": (".4f", "ETH, mean"),
    "success_rate": (".3f", "success"),
    "accuracy_test_mean": (".4f", "test accuracy"),
}


def sweep(
    session: SessionFile,
    set: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KEY=A,B,C", help="A setting and its values, such as model.hidden=[32],[64,64]; may be repeated."
        ),
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Seeds per combination, unless --set seed=A,B names them.")] = 3,
    out: Annotated[Path | None, typer.Option(help="Folder for the runs (default: runs/sweep-SESSION).")] = None,
    shard: Annotated[
        str | None,
        typer.Option(
            metavar="K/N",
            help="Run only every N-th run from the K-th, for N jobs that share --out; with --render: N.",
        ),
    ] = None,
    collect: Annotated[
        bool, typer.Option("--collect", help="Run nothing: write the CSV and the table of the shards' runs.")
    ] = False,
    render: Annotated[
        str | None,
        typer.Option(metavar="kubernetes", help="Run nothing: print an Indexed Job of as many shards as --shard says."),
    ] = None,
    images: Images = None,
    claim: Annotated[
        str, typer.Option(help="With --render: the PersistentVolumeClaim that the pods share.")
    ] = "learnae-sweep",
    executor: Annotated[
        str | None,
        typer.Option(metavar="dask://HOST:PORT", help="Run on the workers of a Dask scheduler instead of here."),
    ] = None,
) -> int:
    """Run every combination of settings over several seeds, in parallel; resumable; write one CSV."""
    from learnae.cli.many_runs import exit_code, run_cases, write_csv
    from learnae.runs import sweep as runs
    from learnae.session.assignments import parse_assignments

    if collect and (shard or executor):
        raise InputError("--collect runs nothing: leave out --shard and --executor")
    folder = (out or Path("runs") / f"sweep-{session.stem}").absolute()  # also for workers in other folders
    chosen = parse_assignments(set or [])
    cases = runs.plan_runs(session, chosen, range(1, seeds + 1), folder)
    if render:
        if files := sorted({source.file for case in cases for source in case.plugins}):
            raise InputError(
                f"--render: the Job would lack the plug-ins ({', '.join(files)}): leave out --render, and run "
                "each shard with --shard K/N on machines that share --out"
            )
        arguments = [*(part for each in set or [] for part in ("--set", each)), "--seeds", str(seeds)]
        print(_indexed_job(render, session, arguments, folder.name, shard, images, claim), end="")
        return 0
    if shard:
        own = runs.shard(cases, shard)
        rows = run_cases(own, executor)
        say(f"Shard {shard}: {len(own)} of {len(cases)} runs. When all shards are done, the same command with")
        say("--collect instead of --shard writes the CSV.")
        return exit_code(rows)
    rows = runs.collect(cases) if collect else run_cases(cases, executor)
    write_csv(folder / "sweep.csv", rows)
    names = {case.session.score.name for case in cases}
    metric = names.pop() if len(names) == 1 else "score"
    console.print(_bands(rows, [key for key in chosen if key != "seed"], metric))
    say(f"One line per run: {folder / 'sweep.csv'}")
    return exit_code(rows)


def _indexed_job(
    render: str, session: Path, arguments: list[str], name: str, shards: str | None, images: str | None, claim: str
) -> str:
    from learnae.backends.kubernetes.rendering import as_yaml, images_named
    from learnae.backends.kubernetes.sweep_job import sweep_job
    from learnae.runs.sessions import load_session
    from learnae.session.session_file import to_toml

    if render != "kubernetes":
        raise InputError(f"--render {render}: the only choice is kubernetes")
    if not (shards and shards.isdecimal() and len(shards) < 5 and int(shards)):
        raise InputError("--render needs the number of shards, such as --shard 16")
    name = re.sub("[^a-z0-9]+", "-", name.lower()).strip("-")  # what names in Kubernetes may have
    image = images_named(images)["sweep"]
    return as_yaml(sweep_job(name, to_toml(load_session(session)), arguments, int(shards), image, claim))


def _bands(rows: Sequence[dict[str, Any]], keys: Sequence[str], metric: str) -> Table:
    from learnae.cli.many_runs import cell

    table = table_of(*keys, "runs", *(in_metric(title, metric) for _, title in SHOWN.values()))
    for chosen, group in itertools.groupby(rows, key=lambda row: [row[key] for key in keys]):
        same = list(group)
        cells = [cell(band(same, name), form) for name, (form, _) in SHOWN.items()]
        table.add_row(*map(str, chosen), str(len(same)), *cells)
    return table
