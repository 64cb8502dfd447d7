"""The optional library that reads CSV, Parquet and Arrow."""

from typing import Any

from learnae.errors import InputError

Arrow = Any  # objects of pyarrow, which has no type annotations


def import_pyarrow() -> Arrow:
    """Import pyarrow with its readers.  Raises InputError with the install command if it is missing."""
    try:
        import pyarrow
        import pyarrow.compute
        import pyarrow.csv
        import pyarrow.ipc
        import pyarrow.parquet
    except ImportError:
        raise InputError(
            "reading CSV, Parquet and Arrow files needs pyarrow, which is not installed: run `pip install pyarrow`"
        ) from None
    return pyarrow
