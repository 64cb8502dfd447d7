"""The small tables that scikit-learn ships, by name.  They need no network."""

from importlib.util import find_spec
from pathlib import Path

from learnae.errors import InputError
from learnae.learn.datasets import array_file
from learnae.learn.datasets.dataset import Dataset
from learnae.session.task import CLASSIFICATION, QUANTITY_SOURCES, REGRESSION

PREFIX = "sklearn:"
FILES = {  # in scikit-learn's package, by the name of the loader; their content identifies the rows
    "breast_cancer": "breast_cancer.csv",
    "diabetes": "diabetes_data_raw.csv.gz",
    "digits": "digits.csv.gz",
    "iris": "iris.csv",
    "wine": "wine_data.csv",
}


def file_of(source: str) -> Path:
    """The file of a source such as ``sklearn:wine``.  Raises InputError."""
    name = source.removeprefix(PREFIX)
    if name not in FILES:
        raise InputError(f"data source '{source}': use one of {', '.join(PREFIX + known for known in FILES)}")
    package = find_spec("sklearn")
    if package is None or package.origin is None:
        raise InputError(
            f"data source '{source}' needs scikit-learn, which is not installed: run `pip install scikit-learn`"
        )
    return Path(package.origin).parent / "datasets" / "data" / FILES[name]


def read(source: str) -> Dataset:
    from sklearn import datasets  # takes seconds to import

    numbers = source in QUANTITY_SOURCES
    unscaled = {"scaled": False} if numbers else {}  # sessions scale by training rows alone
    table = getattr(datasets, f"load_{source.removeprefix(PREFIX)}")(**unscaled)
    task = REGRESSION if numbers else CLASSIFICATION
    return array_file.to_dataset(source, table.get("images", table.data), table.target, task)
