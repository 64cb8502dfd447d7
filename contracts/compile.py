"""Compiles DPoID.sol into peer/learnae/resources/dpoid.json; with ``--check`` it only compares.

``python contracts/compile.py [--check] [--must-compile]``

``adapters/evm`` deploys and recognises the artefact: ABI, creation code, runtime code with zeros in place of the
immutables, and their offsets.  The compiler comes from `make tools`.  Without it, ``--check`` only compares the
checksum of the source, or fails with ``--must-compile``.
"""

import argparse
import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "contracts" / "DPoID.sol"
ARTEFACT = ROOT / "peer" / "learnae" / "resources" / "dpoid.json"
SOLC = ROOT / ".tools" / "bin" / "solc"
NAME = SOURCE.stem

# Optimised for deployment, which each peer pays once; calls are free.  Metadata would add 53 bytes at 200 gas each.
SETTINGS: dict[str, Any] = {
    "evmVersion": "shanghai",
    "metadata": {"appendCBOR": False, "bytecodeHash": "none"},
    "optimizer": {"enabled": True, "runs": 1},
}


class Failure(Exception):
    """One sentence."""


def standard_json(source: str) -> dict[str, Any]:
    """The output of solc.  Raises Failure with its messages; warnings are failures."""
    outputs = ["abi", "evm.bytecode.object", "evm.deployedBytecode.object", "evm.deployedBytecode.immutableReferences"]
    request = {
        "language": "Solidity",
        "sources": {SOURCE.name: {"content": source}},
        "settings": SETTINGS | {"outputSelection": {"*": {"*": [*outputs, "metadata"], "": ["ast"]}}},
    }
    done = subprocess.run(
        [SOLC, "--standard-json"], input=json.dumps(request), capture_output=True, text=True, timeout=120, check=False
    )
    try:
        output: dict[str, Any] = json.loads(done.stdout[done.stdout.index("{") :])
    except ValueError:
        raise Failure(f"{SOLC.name} printed no JSON: {done.stderr.strip() or done.stdout.strip()}") from None
    if output.get("errors"):
        raise Failure("\n".join(error["formattedMessage"] for error in output["errors"]))
    return output


def artefact(source: str) -> dict[str, Any]:
    output = standard_json(source)
    contract = output["contracts"][SOURCE.name][NAME]
    code, runtime = contract["evm"]["bytecode"]["object"], contract["evm"]["deployedBytecode"]
    nodes = output["sources"][SOURCE.name]["ast"]["nodes"]
    members = next(node["nodes"] for node in nodes if node.get("name") == NAME)
    names = {str(member["id"]): member["name"] for member in members if "name" in member}
    return {
        "abi": contract["abi"],
        "compiler": json.loads(contract["metadata"])["compiler"]["version"],
        "creation": "0x" + code,
        "immutables": {
            names[id]: [offset["start"] for offset in offsets] for id, offsets in runtime["immutableReferences"].items()
        },
        "runtime": "0x" + runtime["object"],
        "settings": SETTINGS,
        "source_sha256": hashlib.sha256(source.encode()).hexdigest(),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing; exit code 1 if the artefact is stale")
    parser.add_argument("--must-compile", action="store_true", help="with --check: no compiler is a failure")
    options = parser.parse_args()
    source = SOURCE.read_text(encoding="utf-8")
    try:
        return check(source, options.must_compile) if options.check else write(source)
    except Failure as failure:
        print(f"contracts: {failure}", file=sys.stderr)
        return 1


def write(source: str) -> int:
    if not SOLC.exists():
        raise Failure("solc is missing: run make tools")
    ARTEFACT.write_text(json.dumps(artefact(source), indent=2, sort_keys=True) + "\n", encoding="utf-8")
    return 0


def check(source: str, must_compile: bool) -> int:
    committed = json.loads(ARTEFACT.read_text(encoding="utf-8"))
    if SOLC.exists():
        current = committed == artefact(source)
    elif must_compile:
        raise Failure("solc is missing: run make tools")
    else:
        print(f"contracts: solc is missing (make tools); only the checksum of {SOURCE.name} is compared")
        current = committed["source_sha256"] == hashlib.sha256(source.encode()).hexdigest()
    if not current:
        raise Failure(f"{ARTEFACT.name} is not up to date with {SOURCE.name}: run make contracts")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
