"""Build the charts' library: Plotly with the traces that the pages draw, minified and compressed.

    python -m tools.plotly_bundle [FOLDER]

Needs npm.  FOLDER keeps the downloaded packages.  The same versions give the same bytes.  With it goes a file with the
licences of everything that the bundle contains.
"""

import gzip
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

PLOTLY, ESBUILD = "plotly.js@4.1.1", "esbuild@0.28.2"
TRACES = ("bar", "heatmap", "sankey")  # besides scatter, which is in the core
TARGET = Path(__file__).parents[1] / "peer" / "learnae" / "resources" / "plotly"
BUNDLE, LICENCES = "plotly.min.js.gz", "LICENCES.txt"
LICENCE_FILES = ("LICENSE", "LICENCE", "COPYING")
OPTIONS = (
    "--bundle",
    "--minify",
    "--charset=utf8",
    "--format=iife",
    "--global-name=Plotly",
    "--define:global=window",
    "--define:define.amd=false",
    "--define:process.env.NODE_DEBUG=false",
    "--target=es2020",
    "--legal-comments=none",
    "--log-level=warning",
)


def build(folder: Path) -> tuple[bytes, str]:
    """The compressed bundle and the licences of its packages."""
    subprocess.run(
        ["npm", "install", "--ignore-scripts", "--no-audit", "--no-fund", "--prefix", folder, PLOTLY, ESBUILD],
        check=True,
    )
    entry, out, meta = folder / "entry.js", folder / "plotly.min.js", folder / "meta.json"
    traces = ", ".join(f'require("plotly.js/lib/{trace}")' for trace in TRACES)
    entry.write_text(
        f'const Plotly = require("plotly.js/lib/core");\nPlotly.register([{traces}]);\nmodule.exports = Plotly;\n',
        encoding="utf-8",
    )
    banner = (
        f"/* plotly.js v{PLOTLY.partition('@')[2]} with the traces scatter, {', '.join(TRACES)}; MIT, Plotly, Inc. */"
    )
    subprocess.run(
        [
            folder / "node_modules" / ".bin" / "esbuild",
            entry.name,
            *OPTIONS,
            f"--banner:js={banner}",
            f"--outfile={out.name}",
            f"--metafile={meta.name}",
        ],
        cwd=folder,
        check=True,
    )
    inputs = json.loads(meta.read_text(encoding="utf-8"))["inputs"]
    return gzip.compress(out.read_bytes(), 9, mtime=0), "\n\n".join(_licences(folder, inputs))


def _licences(folder: Path, inputs: dict[str, Any]) -> Iterator[str]:
    packages = {_package(name) for name in inputs if "node_modules/" in name}
    for package in sorted(packages):
        about = json.loads((folder / package / "package.json").read_text(encoding="utf-8"))
        files = sorted(file for file in (folder / package).iterdir() if file.stem.upper() in LICENCE_FILES)
        text = "\n".join(file.read_text(encoding="utf-8").strip() for file in files)
        yield f"=== {about['name']} {about['version']}: {about['license']}\n\n{text or about.get('author', '')}"


def _package(name: str) -> str:
    """The folder of the package that a file belongs to."""
    before, _, inside = name.rpartition("node_modules/")
    parts = inside.split("/")
    return f"{before}node_modules/{'/'.join(parts[: 2 if inside.startswith('@') else 1])}"


def main() -> None:
    with tempfile.TemporaryDirectory() as scratch:
        bundle, licences = build(Path(sys.argv[1] if sys.argv[1:] else scratch).resolve())
    TARGET.mkdir(exist_ok=True)
    (TARGET / BUNDLE).write_bytes(bundle)
    (TARGET / LICENCES).write_text(licences + "\n", encoding="utf-8")
    print(f"{TARGET / BUNDLE}: {len(bundle):,} bytes")


if __name__ == "__main__":
    main()
