"""What a command finds wrong in a run: printed at once, or kept to be printed as JSON."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from learnae.adapters.run_directory.seal import deviations, is_running
from learnae.cli.output import print_document, say
from learnae.records.seal import SEAL

MAX_NAMED = 20  # problems


class Findings:
    """``problems`` make a run unsound; ``notices`` say what was not compared.  ``as_json``: nothing is printed yet."""

    def __init__(self, as_json: bool = False) -> None:
        self.as_json = as_json
        self.problems: list[str] = []
        self.notices: list[str] = []

    def notice(self, line: str, style: str | None = None) -> None:
        self.notices.append(line)
        if not self.as_json:
            say(line, style)

    def add(self, problems: Iterable[str]) -> None:
        found = list(problems)
        self.problems += found
        if not self.as_json:
            print_problems(found)

    def compare_with_seal(self, run: Path, root: str | None, signer: str | None) -> None:
        """Add what is not as the run left it.  A run in progress has no seal yet."""
        from learnae.adapters.run_directory.signing_key import parse_public_key

        key = None if signer is None else parse_public_key(signer)
        if root is None and key is None and not (run / SEAL).exists() and is_running(run):
            self.notice(f"{run} is still being written: it is sealed when the session ends.")
        else:
            self.add(deviations(run, root, key))

    def print_json(self, run: Path, verdict: Mapping[str, Any], **more: Any) -> None:
        """The keys of verdict.json, and ``run``, ``problems`` and what else the command found."""
        notices = [*verdict["notices"], *self.notices]
        found = {"run": str(run), **verdict, "notices": notices, "problems": self.problems, **more}
        print_document(found)


def print_problems(problems: list[str]) -> None:
    for problem in problems[:MAX_NAMED]:
        say(f"Not as it should be: {problem}", "bold red")
    if len(problems) > MAX_NAMED:
        say(f"... and {len(problems) - MAX_NAMED} more")
