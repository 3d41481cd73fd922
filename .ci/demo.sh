#!/bin/bash
# make demo: a real mail server with three users, a real SMTP server, and Restante before them, until
# Ctrl-C. What Restante stored stays in .demo until the next run.
set -euo pipefail
cd "$(dirname "$0")/.."
. .ci/stack.sh
swift=${SWIFT:-swift}

timeout -k 10 1500 "$swift" build --product restante
timeout -k 10 1500 "$swift" build --product backends
rm -rf .demo
start_stack "$PWD/.build/debug" "$PWD/.demo" "${DEMO_LISTEN:-127.0.0.1:8080}"

cat <<TEXT

Restante answers at $R. Its log: $stack_folder/restante.log
Behind it: IMAP on localhost:$IMAPS_PORT, SMTP on localhost:$SMTPS_PORT (TLS), the users ada, bob and
carol with the password "$PASSWORD". The token of the administrator: $T

Paste in another terminal:

R=$R T=$T
IMAPS_PORT=$IMAPS_PORT SMTPS_PORT=$SMTPS_PORT PASSWORD=$PASSWORD
$(sed -n '/^<!-- session -->$/,/^```$/{/^<!-- session -->$/d;/^```/d;p}' README.md)

Ctrl-C stops all of it.
TEXT
wait "$SERVICE_PID" || { tail -20 "$stack_folder/restante.log" >&2; exit 1; }
