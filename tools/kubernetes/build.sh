#!/bin/sh
# Build a one-binary Kubernetes into .tools/kubernetes from the Go modules in go.mod, whose sums are in go.sum, and fetch
# the network plugins from Debian; then build Helm and KWOK.  Only `make test-kubernetes` needs it.  About 22 minutes of processor time, once.
set -eu
cd "$(dirname "$0")"
tools=$PWD/../../.tools/kubernetes

say() { printf 'kubernetes: %s\n' "$*"; }
die() { say "$*" >&2; exit 2; }

program() {
    cmp -s go.sum "$tools/installed" && cmp -s main.go "$tools/installed.go" && return
    command -v go >/dev/null || die "Go is not installed: it is needed to build Kubernetes (Debian: apt-get install golang-go)."
    say "building Kubernetes from source: 12 minutes on two idle cores ($(go env GOVERSION))"
    version=$(sed -n 's/^\tk8s.io\/kubernetes \(v[0-9.]*\)$/\1/p' go.mod)
    minor=${version#v1.} about=k8s.io/component-base/version
    CGO_ENABLED=0 GOFLAGS= nice -n 10 go build -mod=readonly -buildvcs=false -trimpath -o "$tools/kubernetes" -ldflags \
        "-s -w -X $about.gitVersion=$version -X $about.gitMajor=1 -X $about.gitMinor=${minor%.*}" .
    for part in etcd kube-apiserver kube-controller-manager kube-scheduler kubelet kubectl; do
        ln -sf kubernetes "$tools/$part"
    done
    cp go.sum "$tools/installed"
    cp main.go "$tools/installed.go"
}

plugins() {
    [ -x "$tools/cni/bridge" ] && return
    say "fetching the network plugins from Debian"
    work=$(mktemp -d)
    (cd "$work" && apt-get -o APT::Sandbox::User=root download -qq containernetworking-plugins && dpkg -x ./*.deb root)
    mkdir -p "$tools/cni"
    find "$work/root" -path '*/cni/*' -type f -exec install -m 755 {} "$tools/cni" \;
    rm -rf "$work"
    [ -x "$tools/cni/bridge" ] || die "Debian's package containernetworking-plugins has no bridge"
}

mkdir -p "$tools"
plugins
program
sh ../binaries.sh helm kwok
