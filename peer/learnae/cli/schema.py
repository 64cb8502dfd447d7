"""`learnae schema`."""

import json
from enum import StrEnum
from typing import Annotated

import typer


class Described(StrEnum):
    SESSION = "session"
    HISTORY = "history"
    CHAIN = "chain"
    VERDICT = "verdict"


def schema(
    of: Annotated[
        Described,
        typer.Argument(
            metavar="FILE",
            help="session: session files. history, chain: a line of FILE.jsonl. verdict: verdict.json.",
        ),
    ] = Described.SESSION,
) -> int:
    """Print a JSON Schema: of session files, for editors that complete and check TOML, or of the files of a run."""
    from learnae.analysis.schemas import SCHEMAS
    from learnae.session.session_file import schema as session_schema

    print(json.dumps(session_schema() if of is Described.SESSION else SCHEMAS[of](), indent=1))
    return 0
