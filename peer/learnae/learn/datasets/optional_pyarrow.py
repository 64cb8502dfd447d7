"""The optional library that reads CSV and Parquet."""

from typing import Any

from learnae.errors import InputError

Arrow = Any  # pyarrow has no type annotations


def pyarrow() -> Arrow:
    """The library, with its readers.  Raises InputError."""
    try:
        import pyarrow
        import pyarrow.compute
        import pyarrow.csv
        import pyarrow.parquet
    except ImportError:
        raise InputError(
            "reading CSV and Parquet files needs pyarrow, which is not installed: run `pip install pyarrow`"
        ) from None
    return pyarrow
