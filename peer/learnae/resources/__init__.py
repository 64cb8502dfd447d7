"""The files that an installed package needs: sessions, scenarios, data, the contracts, Kubo's settings."""

from pathlib import Path

FOLDER = Path(__file__).parent
ROWS = FOLDER / "hepmass_like.npz"  # made by data/generate.py
ADULT = FOLDER / "adult_like.csv.gz"  # made by data/adult_like.py
CONTRACT = FOLDER / "dpoid.json"  # made by contracts/compile.py
FEE_POOL = FOLDER / "feepool.json"  # likewise
KUBO = FOLDER / "kubo.json"  # settings that all IPFS nodes share
TANGLE_NODE = FOLDER / "tangle_node.sh"  # runs one node of a Tangle
EXAMPLE = FOLDER / "example"  # what `learnae init` copies


def session_files() -> dict[str, Path]:
    """The session files by name."""
    return _toml_files(FOLDER / "sessions")


def scenario_files() -> dict[str, Path]:
    """The scenarios of faults and cheats by name."""
    return _toml_files(FOLDER / "scenarios")


# private


def _toml_files(folder: Path) -> dict[str, Path]:
    return {path.stem: path for path in sorted(folder.glob("*.toml"))}
