"""The small tables that scikit-learn ships, by name.  They need no network."""

from importlib.util import find_spec
from pathlib import Path

from learnae.errors import InputError
from learnae.learn.datasets import array_file
from learnae.learn.datasets.dataset import Dataset, NamedSource
from learnae.session.task import CLASSIFICATION, QUANTITY_SOURCES, REGRESSION

PREFIX = "sklearn:"


def breast_cancer() -> NamedSource:
    """Wisconsin: 569 tumours, 30 measures, benign or malignant (scikit-learn)."""
    return _source("breast_cancer", "breast_cancer.csv")


def diabetes() -> NamedSource:
    """442 patients, 10 measures; the label is a number: how far the disease went in a year (scikit-learn)."""
    return _source("diabetes", "diabetes_data_raw.csv.gz")


def digits() -> NamedSource:
    """1,797 images of handwritten digits, 8 x 8 (scikit-learn)."""
    return _source("digits", "digits.csv.gz")


def iris() -> NamedSource:
    """150 flowers of three species, 4 measures (scikit-learn)."""
    return _source("iris", "iris.csv")


def wine() -> NamedSource:
    """178 wines of three growers, 13 measures (scikit-learn)."""
    return _source("wine", "wine_data.csv")


# private


def _source(name: str, file: str) -> NamedSource:
    """``file``: in scikit-learn's package.  Raises InputError."""
    package = find_spec("sklearn")
    if package is None or package.origin is None:
        raise InputError(
            f"data source '{PREFIX}{name}' needs scikit-learn, which is not installed: run `pip install scikit-learn`"
        )
    return NamedSource(Path(package.origin).parent / "datasets" / "data" / file, lambda column: _read(name))


def _read(name: str) -> Dataset:
    from sklearn import datasets  # takes seconds to import

    source = PREFIX + name
    numbers = source in QUANTITY_SOURCES
    unscaled = {"scaled": False} if numbers else {}  # sessions scale by training rows alone
    table = getattr(datasets, f"load_{name}")(**unscaled)
    task = REGRESSION if numbers else CLASSIFICATION
    return array_file.to_dataset(source, table.get("images", table.data), table.target, task)
