#!/bin/sh
# Install Anvil, solc, Kubo, HORNET and inx-mqtt into .tools/bin, in the versions pinned in tools/pins. Tests of the `real`
# tier and `make contracts` need them. It is safe to run this twice, or again after a failure.
# Without Node or Go this says which tests are skipped; with CI=true it fails. `evm`, `kubo` or `tangle` installs only that part;
# `helm` and `kwok` install Helm and KWOK, which only `make test-kubernetes` needs.
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

# Build programs from the Go modules in folder $1 of pins, whose sums are in go.sum, into .tools/$2. The rest: their packages.
from_go() {
    from=$pins/$1 into=$tools/$2
    shift 2
    mkdir -p "$into" "$tools/bin"
    cp "$from/go.mod" "$from/go.sum" "$into/"
    (cd "$into" && CGO_ENABLED=0 GOBIN="$tools/bin" GOFLAGS= nice -n 10 \
        go install -mod=readonly -buildvcs=false -trimpath -ldflags='-s -w' "$@")
    cp "$from/go.sum" "$into/installed"
}
no_go() {
    missing "Go is not installed, so $1 is not available: tests that need it are skipped" \
        "(Debian: apt-get install golang-go; Go 1.21 or newer downloads the version it needs)."
}

kubo() {
    is_current "$pins/go.sum" "$tools/go/installed" && return
    command -v go >/dev/null || { no_go Kubo; return; }
    say "building Kubo from source: 2 to 4 minutes on two idle cores ($(go env GOVERSION))"
    began=$(seconds)
    from_go . go github.com/ipfs/kubo/cmd/ipfs
    say "$("$tools/bin/ipfs" --version): $(($(seconds) - began)) s"
}

# A node of a private Tangle and its bridge to MQTT, for readings of sensors.
tangle() {
    is_current "$pins/tangle/go.sum" "$tools/tangle/installed" && return
    command -v go >/dev/null || { no_go HORNET; return; }
    say "building HORNET and inx-mqtt from source: 3 to 5 minutes on two idle cores ($(go env GOVERSION))"
    began=$(seconds)
    from_go tangle tangle github.com/iotaledger/hornet/v2 github.com/iotaledger/inx-mqtt
    say "$("$tools/bin/hornet" --version | tail -n 1), inx-mqtt: $(($(seconds) - began)) s"
}

helm() {
    is_current "$pins/helm/go.sum" "$tools/helm/installed" && return
    command -v go >/dev/null || { no_go Helm; return; }
    say "building Helm from source: 2 to 4 minutes on two idle cores ($(go env GOVERSION))"
    began=$(seconds)
    from_go helm helm helm.sh/helm/v3/cmd/helm
    say "Helm $("$tools/bin/helm" version --short): $(($(seconds) - began)) s"
}

kwok() {
    is_current "$pins/kwok/go.sum" "$tools/kwok/installed" && return
    command -v go >/dev/null || { no_go KWOK; return; }
    say "building KWOK from source: 2 to 4 minutes on two idle cores ($(go env GOVERSION))"
    began=$(seconds)
    from_go kwok kwok sigs.k8s.io/kwok/cmd/kwok
    stages=$(cd "$tools/kwok" && go list -m -f '{{.Dir}}' sigs.k8s.io/kwok)/kustomize/stage
    sed -s '$a---' "$stages/node/fast/node-initialize.yaml" "$stages/pod/fast"/pod-[rd]e*.yaml >"$tools/kwok/stages.yaml"
    say "$("$tools/bin/kwok" --version): $(($(seconds) - began)) s"
}

for part in ${*:-evm kubo tangle}; do "$part"; done
