#!/bin/sh
# Rotates a log that Envoy writes: rotate.sh FILE. For Envoy's own container network, where its admin interface listens.
#
# The file is renamed and Envoy asked to open it anew, so no line is lost: what Envoy writes in between goes into the renamed
# file, and tokentail reads that to its end. Nothing is copied and nothing truncated.
#
#   ROTATE_BYTES   size from which on the file is rotated; 64 MiB
#   ROTATE_KEEP    rotated files that stay: what tokentail may be behind, times the size; 4
#   ROTATE_EVERY   seconds between looks; 10
#   ENVOY_ADMIN    http://127.0.0.1:15000
#
# Ends with 1 where Envoy cannot be asked; whoever runs it starts it again, and then it asks first.
set -eu
file=$1
bytes=${ROTATE_BYTES:-67108864}
keep=${ROTATE_KEEP:-4}
every=${ROTATE_EVERY:-10}
admin=${ENVOY_ADMIN:-http://127.0.0.1:15000}

reopen() {
    timeout 5 wget -q -O /dev/null --post-data= "$admin/reopen_logs" || {
        echo "$admin/reopen_logs does not answer: Envoy goes on in $file.1, and nothing is lost" >&2
        exit 1
    }
    # Envoy opens the file at its next write, at the latest when its buffer is flushed (10 s). Until the file is there, the next
    # size is unknown and nothing is renamed.
}

trap 'exit 0' TERM INT

# An earlier run may have renamed the file and not been heard.
if [ -e "$file.1" ] && [ ! -e "$file" ]; then
    reopen
fi
while :; do
    if [ -e "$file" ] && [ "$(wc -c <"$file")" -ge "$bytes" ]; then
        rm -f "$file.$keep"
        number=$keep
        while [ "$number" -gt 1 ]; do
            below=$((number - 1))
            [ ! -e "$file.$below" ] || mv "$file.$below" "$file.$number"
            number=$below
        done
        mv "$file" "$file.1"
        reopen
    fi
    # In the background, so that a signal ends the wait.
    sleep "$every" &
    wait $!
done
