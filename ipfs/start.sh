#!/bin/sh
# The first start creates the repository from the files in /pod; later starts reuse it.
set -eu
if [ ! -f "$IPFS_PATH/version" ]; then
    cp /pod/swarm.key "$IPFS_PATH/" # before init: a node of a private swarm is never a public one
    ipfs init /pod/config.json
fi
rm -f "$IPFS_PATH/repo.lock" # left by a daemon that was killed; no other process uses this repository
exec ipfs daemon --migrate=false --enable-gc
