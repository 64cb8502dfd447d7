#!/bin/sh
# Brings the real parts that tests and compilations need into .tools/bin: Anvil, solc and Kubo, in the versions that
# .ci/tools pins.  Nothing to do when they are there; safe to run again after any failure.
# Without Node or Go it says what that costs; with CI=true it fails.  `tools.sh evm` and `tools.sh kubo` bring one half.
set -eu
cd "$(dirname "$0")/.."
pins=$PWD/.ci/tools tools=$PWD/.tools

say() { printf 'tools: %s\n' "$*"; }
seconds() { date +%s; }
lacking() {
    say "$*"
    [ "${CI:-}" != true ] || { say "CI=true, so nothing may be missing" >&2; exit 1; }
}
# What was installed is what is pinned now.
current() { cmp -s "$1" "$2"; }

evm() {
    current "$pins/package.json" "$tools/npm/installed" && return
    if ! command -v node >/dev/null || ! command -v npm >/dev/null; then
        lacking "Node with npm is not here, so neither Anvil nor solc: tests that need a real EVM node are skipped, and" \
            "make verify compares the contract's source only (Debian: apt-get install nodejs npm)."
        return
    fi
    say "Anvil and solc: a few seconds ($(node --version))"
    began=$(seconds)
    mkdir -p "$tools/npm" "$tools/bin"
    cp "$pins/package.json" "$tools/npm/"
    # Without install scripts: Anvil's only moves its binary.  Without a lock file: it would have to name the binaries
    # of every platform, and not every mirror has them all.
    (cd "$tools/npm" && npm install --no-package-lock --ignore-scripts --no-audit --no-fund --loglevel=error)
    chmod +x "$tools/npm/node_modules/solc/solc.js"
    (cd "$tools/bin" && ln -sf ../npm/node_modules/@foundry-rs/anvil-*/bin/anvil anvil)
    (cd "$tools/bin" && ln -sf ../npm/node_modules/solc/solc.js solc)
    say "$("$tools/bin/anvil" --version | head -n 1), solc $("$tools/bin/solc" --version): $(($(seconds) - began)) s"
    cp "$pins/package.json" "$tools/npm/installed"
}

kubo() {
    current "$pins/go.sum" "$tools/go/installed" && return
    if ! command -v go >/dev/null; then
        lacking "Go is not here, so no Kubo: tests that need real IPFS nodes are skipped" \
            "(Debian: apt-get install golang-go; any Go from 1.21 on fetches the version it needs)."
        return
    fi
    say "Kubo: building from source, 2 to 4 minutes on two idle cores ($(go env GOVERSION))"
    began=$(seconds)
    mkdir -p "$tools/go" "$tools/bin"
    cp "$pins/go.mod" "$pins/go.sum" "$tools/go/"
    (cd "$tools/go" && CGO_ENABLED=0 GOBIN="$tools/bin" GOFLAGS= nice -n 10 \
        go install -mod=readonly -buildvcs=false -trimpath -ldflags='-s -w' github.com/ipfs/kubo/cmd/ipfs)
    say "$("$tools/bin/ipfs" --version): $(($(seconds) - began)) s"
    cp "$pins/go.sum" "$tools/go/installed"
}

for half in ${*:-evm kubo}; do "$half"; done
