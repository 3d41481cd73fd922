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

R=$R; H="Authorization: Bearer $T"

# 1 Add an account.
A=\$(curl -s "\$R/v1/accounts" -H "\$H" --json '{ "name": "Ada", "email": "ada@test.invalid",
  "incoming": { "protocol": "imap", "host": "localhost", "port": $IMAPS_PORT, "tls": "implicit", "auth": { "username": "ada", "password": "$PASSWORD" } },
  "outgoing": { "protocol": "smtp", "host": "localhost", "port": $SMTPS_PORT, "tls": "implicit", "auth": { "username": "ada", "password": "$PASSWORD" } } }' | tee /dev/stderr | jq -r .id)

# 2 Its mailboxes; ARCHIVE keeps the id of one.
ARCHIVE=\$(curl -s "\$R/v1/accounts/\$A/mailboxes" -H "\$H" | tee /dev/stderr | jq -r '.items[] | select(.name == "Archive") | .id')

# 3 A page of messages; M keeps the id of one that has attachments.
M=\$(curl -s "\$R/v1/accounts/\$A/messages?mailbox=inbox&limit=20" -H "\$H" | tee /dev/stderr | jq -r '[.items[] | select(.hasAttachment)][0].id')

# 4 That message, with its text and its list of attachments.
curl -s "\$R/v1/accounts/\$A/messages/\$M?include=body" -H "\$H" | jq '{ subject, from, attachments, bodyValues }'

# 5 Flag it and move it to the archive.
curl -sX PATCH "\$R/v1/accounts/\$A/messages/\$M" -H "\$H" --json "{ \"keywords\": { \"\\\$flagged\": true }, \"mailboxIds\": { \"\$ARCHIVE\": true } }" | jq '{ id, keywords, mailboxIds, pending }'

# 6 Send one to Bob.
curl -s "\$R/v1/accounts/\$A/submissions" -H "\$H" --json '{ "to": [{ "email": "bob@test.invalid" }], "subject": "Hello from Restante", "text": "It works." }' | jq .

Ctrl-C stops all of it.
TEXT
wait "$SERVICE_PID" || { tail -20 "$stack_folder/restante.log" >&2; exit 1; }
