"""`learnae sessions`."""

from learnae.cli.output import console, say
from learnae.resources import session_files
from learnae.session.session_file import load


def sessions() -> int:
    """List the sessions that ship with LEARNAE."""

    for name, path in session_files().items():
        console.print(name, style="bold", markup=False)
        say(" ".join(load(path).about.split()))
    return 0
