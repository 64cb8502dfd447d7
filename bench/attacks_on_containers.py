"""What attackers earn on containers, beside what they earn in the simulator with the same settings.

    python -m bench.attacks_on_containers write FOLDER
    learnae swarm FOLDER/NAME.toml --backend compose --out RUN
    python -m bench.attacks_on_containers compare RUN... [--seeds 10] [--into docs/explanation/incentives.md]

``write`` makes the session files of three attacks, each among six peers.  Income is that of an attacker in multiples
of what an honest peer receives (of a trainer with sybils: of all); see bench/attacks.py.
"""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from bench.attacks import ATTACKS, BASE, in_multiples
from bench.tables import band, learning, options, publish
from tests.helpers.swarms import run

from learnae.adapters.run_directory import RunDirectory
from learnae.analysis.money import accounts
from learnae.records.history import History
from learnae.session.session_file import parse, resolved, to_toml

CASES: dict[str, Mapping[str, Any]] = {
    "average-laundering": ATTACKS["average laundering"],
    "trainer-with-2-sybils": ATTACKS["trainer with 5 sybils"] | {"count": 2, "leader": "p02"},
    "refusing-to-pay": ATTACKS["refusing to pay"],
}
PEERS = 6


def write(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, attack in CASES.items():
        table = BASE | {"peers": PEERS, "name": name, "groups": [attack, {}]}
        path = folder / f"{name}.toml"
        path.write_text(to_toml(parse(table)), encoding="utf-8")
        print(path)


def income(history: History) -> float:
    assert history.began
    return in_multiples(
        {peer.name: peer.received_ether for peer in accounts(history)}, CASES[history.began.session.name]
    )


def rows(runs: Iterable[Path], seeds: int) -> Iterator[str]:
    yield "| attack | income on containers | in the simulator | verdict on containers |"
    yield "|---|---|---|---|"
    for path in runs:
        directory = RunDirectory(path)
        history, verdict = directory.read(), directory.read_json("verdict.json")["verdict"]
        assert history.began
        table, name = resolved(history.began.session), history.began.session.name
        simulated = [run(table | {"seed": seed}, journals=False, learning=learning) for seed in range(1, seeds + 1)]
        yield f"| {name} | {income(history):.2f} | {band(income(each.history) for each in simulated)} | {verdict} |"


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("step", choices=("write", "compare"))
    parser.add_argument("paths", type=Path, nargs="+", metavar="PATH")
    given = parser.parse_args()
    if given.step == "compare":
        publish(rows(given.paths, given.seeds), "containers", given.into)
    else:
        for folder in given.paths:
            write(folder)


if __name__ == "__main__":
    main()
