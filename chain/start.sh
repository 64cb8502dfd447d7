#!/bin/bash
# GENESIS: Unix seconds of block 0.  CHAIN_ID, BLOCK_TIME (s).  /chain/state.json: written by the host first, then by Anvil.
# Anvil recreates its genesis block at every start, only from its time, so that time must be the same each time.  Its clock
# would also restart there; it is set to the present, or blocks after a restart would be older than those before it.
# Anvil saves its state in place while mining: if it is killed, the file may be truncated or lack a block whose transfers
# are in the balances.  The last valid state is therefore copied to kept.json and restored if state.json is invalid.
set -euo pipefail
cd /chain

count() { { grep -o "$1" "$2" || true; } | wc -l; }
spent() {
    { grep -o '"nonce":[0-9]*,"balance":"[^"]*","code":"0x"' "$1" || true; } | awk -F '[:,]' '{ n += $2 } END { print n + 0 }'
}
valid() { # complete, and with a transaction for each spent nonce; same rule as backends/compose/container_lifecycle.py
    [ -s "$1" ] && [ "$(count '[{]' "$1")" = "$(count '[}]' "$1")" ] && [ "$(spent "$1")" = "$(count '"info":{' "$1")" ]
}
keep() { cp state.json kept.part && valid kept.part && sync kept.part && mv kept.part kept.json; }

valid state.json || [ ! -f kept.json ] || cp kept.json state.json
anvil --host 127.0.0.1 --port 8546 --no-cors --chain-id "$CHAIN_ID" --block-time "$BLOCK_TIME" --timestamp "$GENESIS" \
    --accounts 0 --state state.json --state-interval 3 --quiet &
anvil=$!
trap 'kill -TERM "$anvil"' TERM INT
until /ask.sh evm_setTime "$(date +%s)"; do
    kill -0 "$anvil" || { wait "$anvil"; exit 1; } # it ended before it answered: Docker starts this container again
    sleep 0.1
done
while sleep 2; do keep || true; done &
wait "$anvil" || true # the signal interrupts the first wait; the second waits until the state is written
wait "$anvil"
