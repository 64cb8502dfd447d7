"""``learnae.load`` and ``learnae.simulate``, as notebooks use them."""

import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest
from tests.helpers.histories import GOOD

import learnae
from learnae.analysis.tables import TABLES
from learnae.errors import InputError
from learnae.protocol.types import Wei

SMALL = {
    "name": "tiny",
    "peers": 3,
    "evaluation_peers": 3,
    "data": {"rows": 200, "validation_rows": 100, "test_rows": 1000},
    "work": {"slices": 2, "patience": 2},
    "model": {"epochs": 1},
}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> learnae.Run:
    return learnae.simulate(SMALL, seed=7, out=tmp_path_factory.mktemp("runs") / "tiny", threads=1)


@pytest.fixture
def told(tmp_path: Path) -> learnae.Run:
    (tmp_path / "history.jsonl").write_text("".join(record.line() + "\n" for record in GOOD.records))
    return learnae.load(tmp_path)


def test_a_simulated_run_is_sealed_and_read_again(run: learnae.Run) -> None:
    again = learnae.load(run.path)
    assert again.history == run.history
    assert again.verdict["root"] == run.verdict["root"]
    assert {check["result"] for check in run.verdict["checks"].values()} == {"valid"}
    assert repr(run).endswith("tiny: tiny, 3 peers, sim>")


def test_overrides_replace_settings(run: learnae.Run) -> None:
    values = dict(zip(run.settings.setting, run.settings.value, strict=True))
    assert (values["seed"], values["peers"], values["data.rows"]) == (7, 3, 200)


@pytest.mark.parametrize("name", TABLES)
def test_each_table_is_a_frame_with_its_columns(told: learnae.Run, name: str) -> None:
    frame = getattr(told, name)
    assert list(frame.columns) == list(TABLES[name].columns)
    assert len(frame) == len(told.rows(name))


def test_sums_of_money_are_exact_beyond_64_bits(told: learnae.Run) -> None:
    money = told.payments.wei
    assert all(type(value) is int for value in money)
    assert (money * 10**9).sum() == sum(row.wei for row in told.rows("payments")) * 10**9
    assert Decimal(int(money.sum())) > 0


@pytest.mark.parametrize("name", TABLES)
def test_each_table_is_an_arrow_table_with_exact_money(told: learnae.Run, name: str) -> None:
    table = told.arrow(name)
    assert table.column_names == list(TABLES[name].columns) and table.num_rows == len(told.rows(name))
    money = [column for column, hint in TABLES[name].columns.items() if hint is Wei]
    assert {str(table.schema.field(column).type) for column in money} <= {"decimal128(38, 0)"}
    read = [[int(value) for value in table[column].to_pylist()] for column in money]
    assert read == [[getattr(row, column) for row in told.rows(name)] for column in money]


def test_a_missing_number_does_not_make_floats_of_a_column(told: learnae.Run) -> None:
    assert told.payments.block.isna().any()
    assert str(told.payments.block.dtype) == "Int64"


def test_figures_are_those_of_the_paper(told: learnae.Run) -> None:
    assert "Fig. 4" in told.figure(4).axes[0].get_title(loc="left")
    small = told.figure(4, size=(3.5, 2.5), title=False)
    assert tuple(small.get_size_inches()) == (3.5, 2.5) and not small.axes[0].get_title(loc="left")
    assert "time" in told.figure(8, x="seconds").axes[0].get_xlabel()
    with pytest.raises(InputError, match="there is no figure 3: choose one of 4 to 8"):
        told.figure(3)


def test_mistakes_are_one_sentence(tmp_path: Path, told: learnae.Run) -> None:
    with pytest.raises(InputError, match="there is no directory .*none: give that of a run"):
        learnae.load(tmp_path / "none")
    with pytest.raises(InputError, match="did you mean paper"):
        learnae.simulate("papr")
    with pytest.raises(InputError, match="payers"):
        learnae.simulate(SMALL, payers=3)
    with pytest.raises(InputError, match="there is no table money: choose one of peers, payments"):
        told.table("money")
    with pytest.raises(InputError, match="there is no table money: choose one of peers, payments"):
        told.arrow("money")


def test_importing_the_package_imports_nothing_heavy() -> None:
    code = "import learnae, sys; print(sorted({'torch', 'pandas', 'numpy', 'learnae.results'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout == "[]\n", done.stderr
    assert not hasattr(learnae, "no_such_name")
