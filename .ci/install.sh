#!/bin/sh
# Makes .venv, or brings it up to date. The Makefile calls it at first use and when pyproject.toml changes.
# Safe to run again after any failure: what has been downloaded stays. PYTHON=python3.12 chooses the interpreter.
set -eu
cd "$(dirname "$0")/.."

say() { printf 'install: %s\n' "$*"; }
die() { say "$*" >&2; exit 2; }
fits() { "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null; }
is_uv() { "$1" pip install --help 2>/dev/null | grep -q -e --torch-backend; } # older ones cannot choose the build

uv=uv
is_uv uv || uv=.venv/bin/uv

if ! fits .venv/bin/python || ! { is_uv "$uv" || .venv/bin/python -m pip --version >/dev/null 2>&1; }; then
    for python in ${PYTHON:-python3 python3.13 python3.12 python3.11}; do fits "$python" && break || python=; done
    [ -n "$python" ] || die "Python 3.11, 3.12 or 3.13 is needed: install one (Debian, Ubuntu: apt-get install python3 python3-venv; macOS: brew install python@3.13), or name it with PYTHON=."
    python=$("$python" -c 'import sys; print(sys.executable)')
    say "first use: making .venv with $("$python" --version)"
    rm -rf .venv
    if [ "$uv" = uv ]; then
        uv venv -q --python "$python" .venv
    else
        "$python" -c 'import ensurepip, venv' 2>/dev/null ||
            die "$python cannot make virtual environments: install that part of it (Debian, Ubuntu: apt-get install python3-venv) or uv, then run make again."
        "$python" -m venv .venv
    fi
fi
is_uv "$uv" || .venv/bin/python -m pip install -q --disable-pip-version-check uv

# Where pip has been given a mirror, uv uses it too.
index=${PIP_INDEX_URL:-$(.venv/bin/python -m pip config get global.index-url 2>/dev/null || true)}
[ -z "$index" ] || export UV_DEFAULT_INDEX="${UV_DEFAULT_INDEX:-$index}"

# Torch first decides which index it comes from. A dry run reads metadata only, so nothing large moves unannounced.
export UV_HTTP_TIMEOUT="${UV_HTTP_TIMEOUT:-180}"
backend=
if ! "$uv" pip show -q --python .venv/bin/python torch 2>/dev/null; then
    if [ "$(uname)" != Linux ]; then
        say "torch: the default build, about 100 MB to download (it has no CUDA here)"
    elif "$uv" pip install -q --dry-run --python .venv/bin/python --torch-backend=cpu torch 2>/dev/null; then
        say "torch: the CPU build, about 200 MB to download"
        backend=--torch-backend=cpu
    else
        say "torch: PyTorch's own index cannot be reached from here, so the default build with CUDA:"
        say "torch: about 3 GB to download, 5.3 GB on disk, a few minutes"
    fi
fi
"$uv" pip install --python .venv/bin/python $backend -e '.[dev]'
say "done: $(.venv/bin/python --version), torch $(.venv/bin/python -c 'import importlib.metadata as m; print(m.version("torch"))')"
