"""Arguments and options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

from learnae.backends.registry import BackendChoice
from learnae.resources import scenario_files, session_files
from learnae.session.shipped import scenario_file, session_file

SessionFile = Annotated[
    Path,
    typer.Argument(
        metavar="SESSION",
        help="Name of a shipped session (see `learnae sessions`) or path of a session file.",
        parser=session_file,
        autocompletion=lambda: list(session_files()),
    ),
]
ScenarioFile = Annotated[
    Path,
    typer.Argument(
        metavar="SCENARIO",
        help="Name of a shipped scenario (see `learnae chaos list`) or path of a session file.",
        parser=scenario_file,
        autocompletion=lambda: list(scenario_files()),
    ),
]
Run = Annotated[Path, typer.Argument(metavar="RUN", help="Run directory, such as one below runs/.")]
BackendOption = Annotated[BackendChoice | None, typer.Option(help="Backend (default: chosen automatically).")]
Peers = Annotated[int | None, typer.Option(help="Number of peers; overrides the session file.")]
Seed = Annotated[int | None, typer.Option(help="Random seed; overrides the session file.")]
Out = Annotated[Path | None, typer.Option(help="Run directory to write (default: runs/TIME-NAME).")]
Context = Annotated[str | None, typer.Option(help="Kubernetes: context of the kubeconfig (default: the current one).")]
Namespace = Annotated[str | None, typer.Option(help="Kubernetes: namespace (default: that of the context).")]
Images = Annotated[
    str | None,
    typer.Option(metavar="PREFIX[:TAG]", help="Kubernetes: images PREFIX-peer:TAG etc. (default: as `make images`)."),
]
StorageClass = Annotated[
    str | None, typer.Option(help="Kubernetes: StorageClass of the volumes (default: the cluster's own).")
]
Release = Annotated[
    str | None, typer.Option(metavar="NAME", help="Kubernetes: use the objects of this release of the Helm chart.")
]
RunPlugins = Annotated[
    bool, typer.Option("--run-plugins", help="Execute the plug-ins stored in the run; read them first.")
]
Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="A setting, such as model.hidden=[64,64]; overrides the session file; may be repeated.",
    ),
]


def _json_alone(context: typer.Context, as_json: bool) -> bool:
    if as_json:
        from learnae.cli.output import text_on_standard_error

        context.find_root().with_resource(text_on_standard_error())  # also closed if later parameters are refused
    return as_json


Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.", callback=_json_alone)]
Threads = Annotated[int | None, typer.Option(min=1, help="PyTorch threads (default: one per core).")]
