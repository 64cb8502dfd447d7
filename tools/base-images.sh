#!/bin/bash
# Pull the upstream images that our images are built on. If an image cannot be pulled, build a stand-in of the same name
# from Debian packages and from .tools/, with the label below. Images that exist already are left alone.
# `learnae doctor` and `make swarm` list the stand-ins. To replace them later: `docker rmi` them and run this again.
set -euo pipefail
cd "$(dirname "$0")/.."

DEBIAN=debian:trixie-slim
KUBO=ipfs/kubo:v0.43.0
FOUNDRY=ghcr.io/foundry-rs/foundry:v1.7.1
PROMETHEUS=prom/prometheus:v2.53.5
GRAFANA=grafana/grafana:11.6.0
LABEL=org.learnae.stand-in=true

say() { printf 'base-images: %s\n' "$*"; }
die() { say "$*" >&2; exit 2; }
as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }
exists() { docker image inspect "$1" >/dev/null 2>&1; }
pull() { timeout --foreground 600 docker pull -q "$1" >/dev/null 2>&1; }
# Build image $1 from the Dockerfile on standard input; $2 is the build context.
build() { docker buildx build -q --load --label "$LABEL" -t "$1" -f - "$2" >/dev/null; }
tool() { [ -x ".tools/bin/$1" ] || sh tools/binaries.sh "$2"; [ -x ".tools/bin/$1" ] || die "$1 is missing: run make tools"; }

# Create a root file system with debootstrap, from the mirror in this machine's apt sources.
stand_in_debian() {
    command -v debootstrap >/dev/null || as_root apt-get install -qq -y --no-install-recommends debootstrap
    local mirror
    mirror=$(apt-get indextargets --format '$(SITE)' 'Created-By: Packages' | grep -m1 '/debian$') ||
        die "cannot pull $DEBIAN, and cannot build it: apt has no Debian mirror configured."
    work=$(mktemp -d)
    trap 'as_root rm -rf "$work"' EXIT # also after an interrupt
    as_root debootstrap --variant=minbase trixie "$work" "$mirror" >/dev/null
    as_root rm -rf "$work"/var/cache/apt/archives/*.deb "$work"/var/lib/apt/lists/* "$work"/usr/share/{doc,man,locale}/*
    as_root tar -C "$work" -c . | docker import --change 'CMD ["bash"]' --change "LABEL $LABEL" - "$DEBIAN" >/dev/null
}

stand_in_kubo() {
    tool ipfs kubo
    build "$KUBO" .tools/bin <<<"FROM $DEBIAN
COPY ipfs /usr/local/bin/ipfs"
}

stand_in_foundry() {
    tool anvil evm
    build "$FOUNDRY" "$(dirname "$(readlink -f .tools/bin/anvil)")" <<<"FROM $DEBIAN
COPY anvil /usr/local/bin/anvil"
}

stand_in_prometheus() {
    build "$PROMETHEUS" tools/pins <<<"FROM $DEBIAN
RUN apt-get update && apt-get install -y --no-install-recommends prometheus && rm -rf /var/lib/apt/lists/*
USER nobody
ENTRYPOINT [\"/bin/prometheus\"]"
}

provide() {
    local image=$1 stand_in=${2:-} began=$SECONDS
    exists "$image" && return
    if pull "$image"; then
        say "$image: pulled in $((SECONDS - began)) s"
    elif [ -n "$stand_in" ]; then
        say "$image: cannot be pulled; building a stand-in"
        "$stand_in"
        say "$image: stand-in built in $((SECONDS - began)) s"
    else
        say "$image: cannot be pulled and has no stand-in; the swarm runs without it"
    fi
}

[ -n "$(docker version --format '{{.Server.Version}}' 2>/dev/null)" ] || die "no Docker engine is running: start it, or run tools/engine.sh"
provide "$DEBIAN" stand_in_debian
provide "$KUBO" stand_in_kubo
provide "$FOUNDRY" stand_in_foundry
provide "$PROMETHEUS" stand_in_prometheus
provide "$GRAFANA"
