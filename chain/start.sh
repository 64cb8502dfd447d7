#!/bin/bash
# GENESIS: Unix seconds of block 0.  CHAIN_ID, BLOCK_TIME (s).  /chain/state.json: the host's at first, Anvil's ever after.
# Anvil makes its genesis block anew at every start, from its time alone, so that must be the same each time.  Its clock
# would start there again, too: hence it is set, or blocks after a restart would be older than those before it.
# It writes its state in place, and mines while it does: what a kill leaves may be half a file, or lack a block whose
# money has moved.  So the last sound state is kept in kept.json, and taken where state.json is not.
set -euo pipefail
cd /chain

count() { { grep -o "$1" "$2" || true; } | wc -l; }
spent() {
    { grep -o '"nonce":[0-9]*,"balance":"[^"]*","code":"0x"' "$1" || true; } | awk -F '[:,]' '{ n += $2 } END { print n + 0 }'
}
sound() { # whole, and each nonce that was spent is of a transaction in it; as drivers/compose/lives.py has it
    [ -s "$1" ] && [ "$(count '[{]' "$1")" = "$(count '[}]' "$1")" ] && [ "$(spent "$1")" = "$(count '"info":{' "$1")" ]
}
keep() { cp state.json kept.part && sound kept.part && sync kept.part && mv kept.part kept.json; }

sound state.json || [ ! -f kept.json ] || cp kept.json state.json
anvil --host 0.0.0.0 --port 8545 --chain-id "$CHAIN_ID" --block-time "$BLOCK_TIME" --timestamp "$GENESIS" \
    --accounts 0 --state state.json --state-interval 3 --quiet &
anvil=$!
trap 'kill -TERM "$anvil"' TERM INT
until /ask.sh evm_setTime "$(date +%s)"; do kill -0 "$anvil" && sleep 0.1; done
while sleep 2; do keep || true; done &
wait "$anvil" || true # the signal ends the first wait; the second is for the state to be written
wait "$anvil"
