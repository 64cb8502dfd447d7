#!/bin/bash
# Brings the upstream images that everything is built on: `docker pull`, or, where that cannot be, an image of the same
# name made from packages and from .tools/, labelled as a stand-in.  Nothing to do for those that are here.
# `learnae doctor` and `make swarm` say which are stand-ins.  For real ones later: `docker rmi` them and run this again.
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
here() { docker image inspect "$1" >/dev/null 2>&1; }
pulled() { timeout --foreground 600 docker pull -q "$1" >/dev/null 2>&1; }
# The Dockerfile comes by standard input; $2: the folder it may copy from.
build() { docker buildx build -q --load --label "$LABEL" -t "$1" -f - "$2" >/dev/null; }
tool() { [ -x ".tools/bin/$1" ] || sh .ci/tools.sh "$2"; [ -x ".tools/bin/$1" ] || die "no $1 to make an image of: see make tools"; }

# A root file system from packages, by the mirror of this machine's apt sources.
stand_in_debian() {
    command -v debootstrap >/dev/null || as_root apt-get install -qq -y --no-install-recommends debootstrap
    local mirror
    mirror=$(apt-get indextargets --format '$(SITE)' 'Created-By: Packages' | grep -m1 '/debian$') ||
        die "$DEBIAN can neither be pulled nor made: this machine has no Debian mirror."
    work=$(mktemp -d)
    trap 'as_root rm -rf "$work"' EXIT # also where it is interrupted
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
    build "$PROMETHEUS" .ci/tools <<<"FROM $DEBIAN
RUN apt-get update && apt-get install -y --no-install-recommends prometheus && rm -rf /var/lib/apt/lists/*
USER nobody
ENTRYPOINT [\"/bin/prometheus\"]"
}

bring() {
    local image=$1 stand_in=${2:-} began=$SECONDS
    here "$image" && return
    if pulled "$image"; then
        say "$image: pulled in $((SECONDS - began)) s"
    elif [ -n "$stand_in" ]; then
        say "$image: cannot be pulled, so making a stand-in"
        "$stand_in"
        say "$image: stand-in made in $((SECONDS - began)) s"
    else
        say "$image: cannot be pulled and has no stand-in: the swarm runs without it"
    fi
}

[ -n "$(docker version --format '{{.Server.Version}}' 2>/dev/null)" ] || die "no Docker engine answers: start it, or run .ci/engine.sh"
bring "$DEBIAN" stand_in_debian
bring "$KUBO" stand_in_kubo
bring "$FOUNDRY" stand_in_foundry
bring "$PROMETHEUS" stand_in_prometheus
bring "$GRAFANA"
