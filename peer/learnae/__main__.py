"""``python -m learnae``; the only place that catches everything."""

import sys

from learnae.cli import main

if __name__ == "__main__":
    sys.exit(main())
