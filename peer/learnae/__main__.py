"""``python -m learnae``, and the command ``learnae``."""

import sys

from learnae.collector import collector_paused
from learnae.compiled_dataclasses import use_compiled


def main() -> None:
    """Run the command line; an interruption while its modules are still imported ends it with a sentence, too."""
    try:
        with collector_paused():
            use_compiled()
            from learnae.cli.app import main as run
        run()
    except KeyboardInterrupt:
        print("learnae: interrupted", file=sys.stderr)
        sys.exit(130)


if __name__ == "__main__":
    main()
