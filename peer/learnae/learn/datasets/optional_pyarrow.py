"""The optional library that reads CSV and Parquet."""

from typing import Any

from learnae.errors import InputError

Arrow = Any  # what pyarrow makes: it has no types


def pyarrow() -> Arrow:
    """The library, with its readers.  InputError: how to install it."""
    try:
        import pyarrow
        import pyarrow.compute
        import pyarrow.csv
        import pyarrow.parquet
    except ImportError:
        raise InputError(
            "reading CSV and Parquet files needs pyarrow, which is not installed: run `pip install -e '.[tables]'`"
        ) from None
    return pyarrow
