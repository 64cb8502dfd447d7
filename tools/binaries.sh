#!/bin/sh
# Install Anvil, solc and Kubo into .tools/bin, in the versions pinned in tools/pins. Tests of the `real` tier and
# `make contracts` need them. It is safe to run this twice, or again after a failure.
# Without Node or Go this says which tests are skipped; with CI=true it fails. `evm` or `kubo` installs only that part.
set -eu
cd "$(dirname "$0")/.."
pins=$PWD/tools/pins tools=$PWD/.tools

say() { printf 'tools: %s\n' "$*"; }
seconds() { date +%s; }
missing() {
    say "$*"
    [ "${CI:-}" != true ] || { say "with CI=true this is an error" >&2; exit 1; }
}
# Whether the installed version is the pinned one.
is_current() { cmp -s "$1" "$2"; }

evm() {
    is_current "$pins/package.json" "$tools/npm/installed" && return
    if ! command -v node >/dev/null || ! command -v npm >/dev/null; then
        missing "Node with npm is not installed, so Anvil and solc are not available: tests that need Anvil are skipped, and" \
            "make verify compares only the contract's source (Debian: apt-get install nodejs npm)."
        return
    fi
    say "installing Anvil and solc: a few seconds ($(node --version))"
    began=$(seconds)
    mkdir -p "$tools/npm" "$tools/bin"
    cp "$pins/package.json" "$tools/npm/"
    # Install scripts are off: Anvil's only moves its binary. There is no lock file: it would have to name the binaries
    # of every platform, and some mirrors lack some of them.
    (cd "$tools/npm" && npm install --no-package-lock --ignore-scripts --no-audit --no-fund --loglevel=error)
    chmod +x "$tools/npm/node_modules/solc/solc.js"
    (cd "$tools/bin" && ln -sf ../npm/node_modules/@foundry-rs/anvil-*/bin/anvil anvil)
    (cd "$tools/bin" && ln -sf ../npm/node_modules/solc/solc.js solc)
    say "$("$tools/bin/anvil" --version | head -n 1), solc $("$tools/bin/solc" --version): $(($(seconds) - began)) s"
    cp "$pins/package.json" "$tools/npm/installed"
}

kubo() {
    is_current "$pins/go.sum" "$tools/go/installed" && return
    if ! command -v go >/dev/null; then
        missing "Go is not installed, so Kubo is not available: tests that need Kubo are skipped" \
            "(Debian: apt-get install golang-go; Go 1.21 or newer downloads the version it needs)."
        return
    fi
    say "building Kubo from source: 2 to 4 minutes on two idle cores ($(go env GOVERSION))"
    began=$(seconds)
    mkdir -p "$tools/go" "$tools/bin"
    cp "$pins/go.mod" "$pins/go.sum" "$tools/go/"
    (cd "$tools/go" && CGO_ENABLED=0 GOBIN="$tools/bin" GOFLAGS= nice -n 10 \
        go install -mod=readonly -buildvcs=false -trimpath -ldflags='-s -w' github.com/ipfs/kubo/cmd/ipfs)
    say "$("$tools/bin/ipfs" --version): $(($(seconds) - began)) s"
    cp "$pins/go.sum" "$tools/go/installed"
}

for part in ${*:-evm kubo}; do "$part"; done
