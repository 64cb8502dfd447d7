#!/bin/sh
# supervise.sh COMMAND ...: runs it again whenever it ends, until this script is asked to end.
# The container owns a network namespace that others share, so it must not end with its program: Docker would make
# another namespace, and theirs would be dead.  Pauses grow from 0.5 s to 8 s; a program that ran for a minute starts anew.
set -u
running=
trap '[ -z "$running" ] || kill -TERM "$running"; stopping=yes' TERM INT
stopping=no pause=0.5
seconds() { cut -d. -f1 /proc/uptime; } # the clock may be set

while [ "$stopping" = no ]; do
    began=$(seconds)
    "$@" &
    running=$!
    wait "$running"
    code=$?
    if [ "$stopping" = yes ]; then
        wait "$running" 2>/dev/null # the signal interrupted the first wait
        exit 0
    fi
    running=
    [ $(($(seconds) - began)) -lt 60 ] || pause=0.5
    echo "supervise: $* ended with code $code and starts again in $pause s" >&2
    sleep "$pause" &
    wait $!
    case "$pause" in 0.5) pause=1 ;; 1) pause=2 ;; 2) pause=4 ;; *) pause=8 ;; esac
done
