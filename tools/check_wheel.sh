#!/bin/bash
# Prove that the wheel works without the checkout: build it, install it into an empty environment, run it elsewhere.
# Needs the checkout's .venv for uv; its versions are reused, so that everything comes from uv's cache.
set -euo pipefail
cd "$(dirname "$0")/.."

uv=$PWD/.venv/bin/uv python=$PWD/.venv/bin/python
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
say() { echo "wheel: $*"; }
learnae() { # in another folder, without any variable of this environment
    say "learnae $*"
    (cd "$folder" && env -i HOME="$folder" PATH=/usr/bin:/bin "$folder/venv/bin/learnae" "$@") >"$folder/output" 2>&1 ||
        { cat "$folder/output"; say "FAILED: learnae $*"; exit 1; } >&2
}

"$uv" build -q --out-dir "$folder/dist" . # the wheel is built from the source distribution, so nothing stale is in it
wheel=$(echo "$folder"/dist/*.whl)
say "built $(basename "$wheel"), $(($(stat -c %s "$wheel") / 1000000)) MB"

"$uv" venv -q --python "$python" "$folder/venv"
"$uv" pip freeze --python "$python" | grep -vi -e '^-e' -e '^learnae' >"$folder/versions.txt"
torch=$("$python" -c 'import importlib.metadata as m; print(m.version("torch"))')
case $torch in *+cpu) backend=--torch-backend=cpu ;; *) backend= ;; esac
# shellcheck disable=SC2086  # no backend is no argument
"$uv" pip install -q --python "$folder/venv/bin/python" $backend --constraints "$folder/versions.txt" "$wheel"
say "installed in $SECONDS s"

learnae --version
learnae sessions
learnae simulate paper --peers 4 --out simulated
learnae check simulated
learnae swarm paper --backend embedded --peers 4 --port 0 --out live
learnae chaos list
learnae chaos run split-half --backend sim --peers 4 --out split
learnae doctor
[ "$(_LEARNAE_COMPLETE=complete_bash COMP_WORDS="learnae swarm pap" COMP_CWORD=2 "$folder/venv/bin/learnae")" = paper ] ||
    { say "FAILED: completion of session names" >&2; exit 1; }
learnae init example
# the examples of docs/how-to/plugins.md: an attack and a reward from outside the checkout, in one session
"$python" - "$folder" <<'END'
import pathlib, re, sys
page = pathlib.Path("docs/how-to/plugins.md").read_text(encoding="utf-8")
for name, text in re.findall(r"^```(?:python|toml)\n# (\S+)\n(.*?)^```", page, re.MULTILINE | re.DOTALL):
    reward = '\n[reward]\nfunction = "fading.py:reward"\n' if name == "attack.toml" else ""
    pathlib.Path(sys.argv[1], name).write_text(text + reward, encoding="utf-8")
END
learnae plugins
learnae simulate attack.toml --out attacked
learnae check attacked --run-plugins
[ -f "$folder/attacked/plugins/sleeper.py" ] && [ -f "$folder/attacked/plugins/fading.py" ] ||
    { say "FAILED: the run lacks its plug-ins" >&2; exit 1; }
if (learnae compose images) >/dev/null 2>&1 || ! grep -q 'source checkout' "$folder/output"; then
    say "FAILED: without a checkout, containers are not refused with a reason" >&2
    exit 1
fi
say "passed in $SECONDS s"
