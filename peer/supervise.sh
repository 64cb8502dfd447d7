#!/bin/sh
# supervise.sh always COMMAND ...    runs it again whenever it ends
# supervise.sh killed COMMAND ...    runs it again if a signal ended it, as without memory, up to five times
# Asked to end, it ends the command and exits with its code.
# always: the container owns a network namespace that others share, so it must not end with its program: Docker would
# make another namespace, and theirs would be dead.  killed: a peer also ends by itself, with codes that are no failures.
# Pauses grow from 0.5 s to 8 s; after a command that ran for a minute they start anew.
set -u
when=$1
shift
running='' stopping=no pause=0.5 left=5
trap 'stopping=yes; [ -z "$running" ] || kill -TERM "$running"' TERM INT
seconds() { cut -d. -f1 /proc/uptime; } # the clock may be set
again() { # after an exit code
    [ "$when" = always ] && return
    [ "$1" -gt 128 ] && [ "$1" -ne 130 ] && [ "$1" -ne 143 ] && [ "$left" -gt 0 ] && left=$((left - 1))
}

while :; do
    began=$(seconds)
    "$@" &
    running=$!
    [ "$stopping" = no ] || kill -TERM "$running" # the signal came before there was anything to end
    wait "$running"
    code=$?
    if [ "$stopping" = yes ]; then # the signal interrupted that wait
        trap '' TERM INT           # a second one must not interrupt the next
        wait "$running" 2>/dev/null
        exit $?
    fi
    running=''
    again "$code" || exit "$code"
    [ $(($(seconds) - began)) -lt 60 ] || pause=0.5
    echo "supervise: $* ended with code $code and starts again in $pause s" >&2
    sleep "$pause" &
    running=$!
    [ "$stopping" = no ] || kill "$running"
    wait "$running"
    running=''
    [ "$stopping" = no ] || exit "$code"
    case "$pause" in 0.5) pause=1 ;; 1) pause=2 ;; 2) pause=4 ;; *) pause=8 ;; esac
done
