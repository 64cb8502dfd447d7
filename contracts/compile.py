"""Compiles each contract here into peer/learnae/resources, as ``dpoid.json``; with ``--check`` it only compares.

``python contracts/compile.py [--check] [--must-compile]``

``adapters/evm`` deploys and recognises the artefacts: ABI, creation code, runtime code with zeros in place of the
immutables, and their offsets.  The compiler comes from `make tools`.  Without it, ``--check`` only compares the
checksum of the source, or fails with ``--must-compile``.
"""

import argparse
import hashlib
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
SOURCES = [ROOT / "contracts" / name for name in ("DPoID.sol", "FeePool.sol")]
RESOURCES = ROOT / "peer" / "learnae" / "resources"
SOLC = ROOT / ".tools" / "bin" / "solc"

# DPoID.sol is optimised for its deployment, which each peer pays once; its calls are free.  FeePool.sol is optimised
# for calls, because nobody pays for its deployment.  Metadata would add 53 bytes at 200 gas each.
RUNS = {"DPoID.sol": 1, "FeePool.sol": 100_000}
SETTINGS: dict[str, Any] = {
    "evmVersion": "shanghai",
    "metadata": {"appendCBOR": False, "bytecodeHash": "none"},
}


class Failure(Exception):
    """One sentence."""


def artefact_file(source: Path) -> Path:
    return RESOURCES / f"{source.stem.lower()}.json"


def settings(file: Path) -> dict[str, Any]:
    return SETTINGS | {"optimizer": {"enabled": True, "runs": RUNS[file.name]}}


def standard_json(file: Path, source: str) -> dict[str, Any]:
    """The output of solc.  Raises Failure with its messages; warnings are failures."""
    outputs = ["abi", "evm.bytecode.object", "evm.deployedBytecode.object", "evm.deployedBytecode.immutableReferences"]
    request = {
        "language": "Solidity",
        "sources": {file.name: {"content": source}},
        "settings": settings(file) | {"outputSelection": {"*": {"*": [*outputs, "metadata"], "": ["ast"]}}},
    }
    with tempfile.TemporaryFile("w+") as printed:  # of a pipe, the JavaScript edition of solc fills only 128 KiB
        done = subprocess.run(
            [SOLC, "--standard-json"],
            input=json.dumps(request),
            stdout=printed,
            stderr=subprocess.PIPE,
            text=True,
            timeout=120,
            check=False,
        )
        printed.seek(0)
        text = printed.read()
    try:
        output: dict[str, Any] = json.loads(text[text.index("{") :])
    except ValueError:
        raise Failure(f"{SOLC.name} printed no JSON: {done.stderr.strip() or text.strip()}") from None
    if output.get("errors"):
        raise Failure("\n".join(error["formattedMessage"] for error in output["errors"]))
    return output


def artefact(file: Path) -> dict[str, Any]:
    source = file.read_text(encoding="utf-8")
    output = standard_json(file, source)
    contract = output["contracts"][file.name][file.stem]
    code, runtime = contract["evm"]["bytecode"]["object"], contract["evm"]["deployedBytecode"]
    nodes = output["sources"][file.name]["ast"]["nodes"]
    members = next(node["nodes"] for node in nodes if node.get("name") == file.stem)
    names = {str(member["id"]): member["name"] for member in members if "name" in member}
    return {
        "abi": contract["abi"],
        "compiler": json.loads(contract["metadata"])["compiler"]["version"],
        "creation": "0x" + code,
        "immutables": {
            names[id]: [offset["start"] for offset in offsets] for id, offsets in runtime["immutableReferences"].items()
        },
        "runtime": "0x" + runtime["object"],
        "settings": settings(file),
        "source_sha256": hashlib.sha256(source.encode()).hexdigest(),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing; exit code 1 if an artefact is stale")
    parser.add_argument("--must-compile", action="store_true", help="with --check: no compiler is a failure")
    options = parser.parse_args()
    try:
        if not SOLC.exists() and (options.must_compile or not options.check):
            raise Failure("solc is missing: run make tools")
        return max([check(file) if options.check else write(file) for file in SOURCES])
    except Failure as failure:
        print(f"contracts: {failure}", file=sys.stderr)
        return 1


def write(file: Path) -> int:
    content = json.dumps(artefact(file), indent=2, sort_keys=True) + "\n"
    artefact_file(file).write_text(content, encoding="utf-8")
    return 0


def check(file: Path) -> int:
    committed = json.loads(artefact_file(file).read_text(encoding="utf-8"))
    if SOLC.exists():
        current = committed == artefact(file)
    else:
        print(f"contracts: solc is missing (make tools); only the checksum of {file.name} is compared")
        current = committed["source_sha256"] == hashlib.sha256(file.read_bytes()).hexdigest()
    if not current:
        raise Failure(f"{artefact_file(file).name} is not up to date with {file.name}: run make contracts")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
