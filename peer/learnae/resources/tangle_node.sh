#!/bin/sh
# tangle_node.sh HORNET INX-MQTT [--with-parent]    runs one node of a private Tangle in the current folder, and its bridge
# SIGTERM ends both.  So does, with --with-parent, the end of standard input: a parent that was killed leaves no node.
# HORNET refuses a database that was open when it was killed.  The node then begins as a new one, and its peers have the rest.
# The bridge ends when it loses the node, so it is started again.
set -u
hornet=$1 bridge=$2
[ -e stopped ] || { rm -rf database p2pstore && cp -r seed database; } || exit
rm -f stopped

"$hornet" -c config.json --syncedAtStartup &
node=$!
trap 'kill -TERM "$node" 2>/dev/null' TERM INT
if [ "${3:-}" = --with-parent ]; then
    exec 3<&0
    { while read -r _ <&3; do :; done; kill -TERM $$ 2>/dev/null; } &
    exec 3<&-
fi
running=''
{
    trap 'kill "$running" 2>/dev/null; exit' TERM
    while kill -0 "$node" 2>/dev/null; do # a signal that comes before the trap is lost
        "$bridge" -c bridge.json &
        running=$!
        wait "$running"
        sleep 0.2
    done
} &
bridges=$!

while :; do
    wait "$node"
    code=$?
    [ "$code" -gt 128 ] && kill -0 "$node" 2>/dev/null || break # a signal interrupts the wait
done
kill -TERM "$bridges" 2>/dev/null
wait "$bridges"
[ "$code" -ne 0 ] || touch stopped
exit "$code"
