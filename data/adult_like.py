"""Generates the ADULT-like table: people with text columns, missing values and an income above or below 50K.

It needs nothing but Python.  ``python data/adult_like.py`` writes the file that ships in the package; ``--check`` only
compares its rows; ``--out FILE.csv`` writes another one, of ``--rows`` rows.
"""

import csv
import gzip
import io
import math
import sys
from argparse import ArgumentParser
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from random import Random

SHIPPED = Path(__file__).parents[1] / "peer/learnae/resources/adult_like.csv.gz"
ROWS, SEED = 12_000, 1994
MISSING = "?"

EDUCATION = (  # in ascending order, with a share in percent
    ("Preschool", 0.2), ("1st-4th", 0.5), ("5th-6th", 1), ("7th-8th", 2), ("9th", 1.6), ("10th", 2.8), ("11th", 3.6),
    ("12th", 1.3), ("HS-grad", 32.2), ("Some-college", 22.4), ("Assoc-voc", 4.2), ("Assoc-acdm", 3.3),
    ("Bachelors", 16.4), ("Masters", 5.3), ("Prof-school", 1.8), ("Doctorate", 1.4),
)  # fmt: skip
OCCUPATION = {  # shares among people with less than some college, with some college, and with a degree; worth
    "Craft-repair": ((20, 11, 3), 0.1),
    "Other-service": ((16, 9, 2), -0.9),
    "Machine-op-inspct": ((11, 4, 1), -0.3),
    "Sales": ((9, 12, 12), 0.3),
    "Adm-clerical": ((10, 16, 7), 0.0),
    "Transport-moving": ((8, 4, 1), -0.1),
    "Handlers-cleaners": ((7, 3, 1), -0.8),
    "Exec-managerial": ((6, 13, 25), 0.9),
    "Farming-fishing": ((5, 2, 2), -1.0),
    "Prof-specialty": ((2, 9, 38), 0.6),
    "Tech-support": ((1, 5, 4), 0.7),
    "Protective-serv": ((1, 3, 2), 0.5),
    "Priv-house-serv": ((1, 0.3, 0.1), -1.5),
    "Armed-Forces": ((0.1, 0.1, 0.1), 0.0),
}
WORKCLASS = {
    "Private": 74, "Self-emp-not-inc": 8, "Local-gov": 7, "State-gov": 4, "Self-emp-inc": 3.5, "Federal-gov": 3,
    "Without-pay": 0.1,
}  # fmt: skip
RACE = {"White": 85.5, "Black": 9.5, "Asian-Pac-Islander": 3.2, "Amer-Indian-Eskimo": 1, "Other": 0.8}
COUNTRY = {
    "United-States": 91.2, "Mexico": 2, "Philippines": 0.6, "Germany": 0.4, "Canada": 0.4, "Puerto-Rico": 0.4,
    "El-Salvador": 0.3, "India": 0.3, "Cuba": 0.3, "England": 0.3, "Jamaica": 0.2, "South": 0.2, "China": 0.2,
    "Italy": 0.2, "Dominican-Republic": 0.2, "Vietnam": 0.2, "Japan": 0.2, "Poland": 0.2, "Portugal": 0.1,
    "Greece": 0.1, "Ireland": 0.1, "Holand-Netherlands": 0.003,
}  # fmt: skip
CAPITAL_GAINS = (2174, 3103, 4386, 5178, 7298, 7688, 14084, 15024, 99999)
CAPITAL_LOSSES = (1485, 1590, 1672, 1740, 1887, 1902, 1977, 2415)
COLUMNS = (
    "age", "workclass", "fnlwgt", "education", "education-num", "marital-status", "occupation", "relationship", "race",
    "sex", "capital-gain", "capital-loss", "hours-per-week", "native-country", "income",
)  # fmt: skip


def people(count: int, seed: int) -> Iterator[tuple[object, ...]]:
    """Rows in the order of ``COLUMNS``."""
    chance = Random(seed)
    for _ in range(count):
        yield _person(chance)


def to_csv(rows: Iterator[tuple[object, ...]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(rows)
    return text.getvalue()


def main(arguments: Sequence[str]) -> int:
    options = ArgumentParser(prog="python data/adult_like.py", description=__doc__)
    options.add_argument("--rows", type=int, default=ROWS)
    options.add_argument("--seed", type=int, default=SEED)
    options.add_argument("--out", type=Path, default=SHIPPED, help=".csv or .csv.gz; default: the shipped file")
    options.add_argument("--check", action="store_true", help="compare the file instead of writing it")
    given = options.parse_args(arguments)
    content = to_csv(people(given.rows, given.seed)).encode()
    packed = given.out.suffix == ".gz"
    if given.check:
        file = given.out.read_bytes()
        if (gzip.decompress(file) if packed else file) != content:
            print(f"{given.out} holds other rows: run python data/adult_like.py")
            return 1
        return 0
    given.out.write_bytes(gzip.compress(content, mtime=0) if packed else content)
    return 0


# private


def _person(chance: Random) -> tuple[object, ...]:
    age = min(90, int(17 + chance.gammavariate(2.4, 9.2)))
    sex = "Male" if chance.random() < 0.67 else "Female"
    level = _education(chance, age)
    marital, relationship = _family(chance, age, sex)
    schooling = 0 if level < 9 else 1 if level < 12 else 2
    occupation = _pick(chance, {name: shares[schooling] for name, (shares, _) in OCCUPATION.items()})
    workclass = _pick(chance, WORKCLASS)
    hours = _hours(chance, age, workclass)
    race, country = _pick(chance, RACE), _pick(chance, COUNTRY)
    gain = chance.choice(CAPITAL_GAINS) if chance.random() < 0.03 + 0.02 * schooling + 0.0008 * age else 0
    loss = chance.choice(CAPITAL_LOSSES) if not gain and chance.random() < 0.03 + 0.015 * schooling else 0
    idle = chance.random() < (0.17 if age < 23 else 0.18 if age > 62 else 0.03)  # no work: an informative gap
    married = marital.startswith("Married-civ")
    worth = (
        -5.3
        + 2.6 * married
        + 0.42 * (level - 8) * (1.3 if married else 0.7)
        + (0 if idle else OCCUPATION[occupation][1] * (1.4 if level >= 9 else 0.9))
        + 0.9 * (workclass == "Self-emp-inc")
        - 0.5 * (workclass == "Self-emp-not-inc")
        + 2.2 * math.exp(-(((age - 48) / 13) ** 2))
        + 0.05 * (max(25, min(hours, 60)) - 40)
        + 0.3 * (sex == "Male")
        - 1.2 * idle
        + (6.0 if gain > 5100 else -1.0 if gain else 0.0)
        + (1.6 if 1800 < loss < 2000 else -0.8 if loss else 0.0)
    )
    rich = chance.random() < 1 / (1 + math.exp(-worth))
    return (
        age,
        MISSING if idle else workclass,
        int(chance.lognormvariate(12.05, 0.5)),  # tells nothing
        EDUCATION[level][0],
        level + 1,
        marital,
        MISSING if idle else occupation,
        relationship,
        race,
        sex,
        gain,
        loss,
        "" if chance.random() < 0.02 else hours,
        MISSING if chance.random() < 0.018 else country,
        ">50K" if rich else "<=50K",
    )


def _education(chance: Random, age: int) -> int:
    """The index of a level that is possible at this age."""
    shares = {str(level): share for level, (_, share) in enumerate(EDUCATION)}
    possible = 9 if age < 20 else 12 if age < 23 else 15
    return min(int(_pick(chance, shares)), possible)


def _family(chance: Random, age: int, sex: str) -> tuple[str, str]:
    """Marital status and relationship."""
    single = max(0.08, 1.0 - max(0, age - 18) / 16)
    if chance.random() < single:
        return "Never-married", "Own-child" if chance.random() < max(0.05, 1.3 - age / 30) else "Not-in-family"
    if chance.random() < (0.76 if sex == "Male" else 0.42):
        return "Married-civ-spouse", "Husband" if sex == "Male" else "Wife"
    shares = {"Divorced": 62, "Separated": 14, "Widowed": max(2, age - 40), "Married-spouse-absent": 5}
    alone = chance.random() < 0.6
    return _pick(chance, shares), "Not-in-family" if alone else chance.choice(("Unmarried", "Other-relative"))


def _hours(chance: Random, age: int, workclass: str) -> int:
    if age < 22 or age > 66:
        return max(4, min(60, int(chance.gauss(27, 11))))
    if chance.random() < 0.5:
        return 40
    return max(8, min(99, int(chance.gauss(46 if workclass.startswith("Self") else 43, 11))))


def _pick(chance: Random, shares: Mapping[str, float]) -> str:
    return chance.choices(list(shares), list(shares.values()))[0]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
