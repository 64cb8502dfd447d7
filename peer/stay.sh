#!/bin/sh
# stay.sh JOURNAL GATES COMMAND ...    runs a command once, for a Kubernetes StatefulSet, whose pods never complete
# Its exit code is kept beside the journal.  This container ends with it once in each pod, so that the pod's status shows
# it, and then stays until it is asked to end.
set -u
ended=$1/ended shown=$2/shown
shift 2
running='' stopping=no
trap 'stopping=yes; [ -z "$running" ] || kill -TERM "$running"' TERM INT
if [ ! -f "$ended" ]; then
    "$@" &
    running=$!
    [ "$stopping" = no ] || kill -TERM "$running" # the signal came before there was anything to end
    wait "$running"
    code=$?
    if [ "$stopping" = yes ]; then # this pod is deleted, and comes back
        trap '' TERM INT
        wait "$running" 2>/dev/null
        exit $?
    fi
    case "$code" in
    130 | 143) ;;                             # it was asked to stop
    *) [ "$code" -le 128 ] || exit "$code" ;; # it was killed, as without memory: it starts again
    esac
    echo "$code" >"$ended"
fi
if [ ! -f "$shown" ]; then
    touch "$shown"
    exit "$(cat "$ended")"
fi
running=''
while [ "$stopping" = no ]; do
    sleep 60 >/dev/null 2>&1 & # holds nobody's pipe open
    running=$!
    [ "$stopping" = no ] || kill "$running" # the signal came before there was anything to end
    wait "$running"
done
