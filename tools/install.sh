#!/bin/sh
# Create or update .venv. The Makefile runs this at first use and after pyproject.toml changes.
# It is safe to run this again after a failure: downloads are kept. PYTHON=python3.12 chooses the interpreter.
set -eu
cd "$(dirname "$0")/.."

say() { printf 'install: %s\n' "$*"; }
die() { say "$*" >&2; exit 2; }
fits() { "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null; }
is_uv() { "$1" pip install --help 2>/dev/null | grep -q -e --torch-backend; } # older versions cannot choose a build of torch

uv=uv
is_uv uv || uv=.venv/bin/uv

if ! fits .venv/bin/python || ! { is_uv "$uv" || .venv/bin/python -m pip --version >/dev/null 2>&1; }; then
    for python in ${PYTHON:-python3 python3.13 python3.12 python3.11}; do fits "$python" && break || python=; done
    [ -n "$python" ] || die "Python 3.11, 3.12 or 3.13 is required: install one (Debian, Ubuntu: apt-get install python3 python3-venv; macOS: brew install python@3.13), or set PYTHON to its path."
    python=$("$python" -c 'import sys; print(sys.executable)')
    say "creating .venv with $("$python" --version)"
    rm -rf .venv
    if [ "$uv" = uv ]; then
        uv venv -q --python "$python" .venv
    else
        "$python" -c 'import ensurepip, venv' 2>/dev/null ||
            die "$python cannot create virtual environments: install uv, or venv (Debian, Ubuntu: apt-get install python3-venv), then run make again."
        "$python" -m venv .venv
    fi
fi
is_uv "$uv" || .venv/bin/python -m pip install -q --disable-pip-version-check uv

# If pip is configured with a mirror, uv uses it too.
index=${PIP_INDEX_URL:-$(.venv/bin/python -m pip config get global.index-url 2>/dev/null || true)}
[ -z "$index" ] || export UV_DEFAULT_INDEX="${UV_DEFAULT_INDEX:-$index}"

# Choose torch's index first. A dry run reads only metadata, so the size of the download is printed before it starts.
export UV_HTTP_TIMEOUT="${UV_HTTP_TIMEOUT:-180}"
backend=
if ! "$uv" pip show -q --python .venv/bin/python torch 2>/dev/null; then
    if [ "$(uname)" != Linux ]; then
        say "torch: downloading the default build, about 100 MB (without CUDA on this system)"
    elif "$uv" pip install -q --dry-run --python .venv/bin/python --torch-backend=cpu torch 2>/dev/null; then
        say "torch: downloading the CPU build, about 200 MB"
        backend=--torch-backend=cpu
    else
        say "torch: PyTorch's package index cannot be reached, so installing the default build with CUDA"
        say "torch: downloading about 3 GB, 5.3 GB on disk; this takes a few minutes"
    fi
fi
"$uv" pip install --python .venv/bin/python $backend -e '.[dev]'
say "done: $(.venv/bin/python --version), torch $(.venv/bin/python -c 'import importlib.metadata as m; print(m.version("torch"))')"
