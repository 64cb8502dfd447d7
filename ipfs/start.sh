#!/bin/sh
# The first start makes the repository from what the host put into /pod; later ones go on with it.
set -eu
if [ ! -f "$IPFS_PATH/version" ]; then
    cp /pod/swarm.key "$IPFS_PATH/" # before init: a node of a private swarm is never a public one
    ipfs init /pod/config.json
fi
rm -f "$IPFS_PATH/repo.lock" # of a daemon that was killed; nobody else uses this repository
exec ipfs daemon --migrate=false --enable-gc
