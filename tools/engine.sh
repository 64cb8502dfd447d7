#!/bin/bash
# Start a Docker engine with Compose v2 and buildx, for `make swarm` on containers and for the docker tests.
# If an engine is running, this adds only missing plugins. On a bare Debian or Ubuntu it installs and starts an engine.
# It is safe to run this twice. To undo it: `tools/engine.sh stop`, then remove docker.io with apt.
set -euo pipefail

log=/var/log/learnae-dockerd.log
pid=/run/learnae-dockerd.pid
plugins=${DOCKER_CONFIG:-$HOME/.docker}/cli-plugins

say() { printf 'engine: %s\n' "$*"; }
die() { say "$*" >&2; exit 2; }
as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }
is_running() { [ -n "$(docker version --format '{{.Server.Version}}' 2>/dev/null)" ]; } # docker info succeeds without an engine

if [ "${1:-}" = stop ]; then
    [ -f "$pid" ] || die "this script has not started an engine"
    as_root kill "$(cat "$pid")" && as_root rm -f "$pid" && say "stopped"
    exit
fi

install() {
    command -v apt-get >/dev/null ||
        die "no Docker engine is running, and this script can install one only on Debian and Ubuntu: install Docker, start it, then run this again."
    say "installing docker.io and iptables"
    as_root apt-get update -qq
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends ca-certificates docker.io iptables
}

start() {
    say "starting dockerd (its log: $log)"
    as_root bash -c "setsid dockerd --pidfile '$pid' >>'$log' 2>&1 </dev/null &"
    for _ in $(seq 60); do is_running && return; sleep 0.5; done
    as_root tail -n 5 "$log" >&2
    die "dockerd did not start within 30 s; the end of its log is above"
}

# Debian 12 has neither Compose v2 nor buildx. Both are static programs, so this takes them from Debian 13's packages,
# from the mirror in this machine's apt sources. It does not change the apt sources.
add_plugins() {
    local work mirror key
    work=$(mktemp -d)
    trap 'rm -rf "$work"' RETURN
    mirror=$(apt-get indextargets --format '$(SITE)' 'Created-By: Packages' | grep -m1 '/debian$') ||
        die "Compose v2 or buildx is missing, and apt has no Debian mirror configured: install Docker's Compose and buildx plugins."
    key=$(ls /usr/share/keyrings/debian-archive-keyring.* | head -n 1)
    say "adding $* from Debian 13's packages to $plugins"
    echo "deb [signed-by=$key] $mirror trixie main" >"$work/sources.list"
    mkdir -p "$work/lists/partial" "$plugins"
    local private=(-o "Dir::Etc::sourcelist=$work/sources.list" -o Dir::Etc::sourceparts=- -o "Dir::State::lists=$work/lists" -o APT::Sandbox::User=root)
    as_root apt-get "${private[@]}" update -qq
    (cd "$work" && apt-get "${private[@]}" download -qq "$@")
    for package in "$work"/*.deb; do dpkg -x "$package" "$work/root"; done
    find "$work/root" -path '*/cli-plugins/docker-*' -type f -exec install -m 755 {} "$plugins" \;
}

is_running || { command -v dockerd >/dev/null || install; start; }
missing=()
docker compose version >/dev/null 2>&1 || missing+=(docker-compose)
docker buildx version >/dev/null 2>&1 || missing+=(docker-buildx)
((${#missing[@]} == 0)) || add_plugins "${missing[@]}"
say "Docker $(docker version --format '{{.Server.Version}}'), Compose $(docker compose version --short), $(docker buildx version | cut -d' ' -f2)"
