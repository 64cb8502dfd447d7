#!/bin/bash
# GENESIS: Unix seconds of block 0.  CHAIN_ID, BLOCK_TIME (s).  /chain/state.json: the host's at first, Anvil's ever after.
# Anvil makes its genesis block anew at every start, from its time alone, so that must be the same each time.  Its clock
# would start there again, too: hence it is set, or blocks after a restart would be older than those before it.
set -euo pipefail
anvil --host 0.0.0.0 --port 8545 --chain-id "$CHAIN_ID" --block-time "$BLOCK_TIME" --timestamp "$GENESIS" \
    --accounts 0 --state /chain/state.json --state-interval 3 --quiet &
anvil=$!
trap 'kill -TERM "$anvil"' TERM INT
until /ask.sh evm_setTime "$(date +%s)"; do kill -0 "$anvil" && sleep 0.1; done
wait "$anvil" || true # the signal ends the first wait; the second is for the state to be written
wait "$anvil"
