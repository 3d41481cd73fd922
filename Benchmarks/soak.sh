#!/bin/bash
# make soak: the demo's servers under mixed use for MINUTES (60). Fails on any answer that is not 2xx, on a
# submission that does not arrive, and when the service's memory at the end is more than a quarter and
# 8 MB above what it was after a tenth of the time.
set -euo pipefail
cd "$(dirname "$0")/.."
. .ci/stack.sh
swift=${SWIFT:-swift}
minutes=${1:-60}
timeout -k 10 1500 "$swift" build -c release --product restante
timeout -k 10 1500 "$swift" build -c release --product backends
work=$(mktemp -d /var/tmp/restante-soak-XXXXXX)
chmod 755 "$work"
trap 'stop_stack; rm -rf "$work"' EXIT
start_stack "$PWD/.build/release" "$work" 127.0.0.1:18082 --messages 2000
H="Authorization: Bearer $T"
rss() { awk '/VmRSS/ { print $2 }' "/proc/$SERVICE_PID/status"; }
files() { find "/proc/$SERVICE_PID/fd" 2>/dev/null | wc -l; }

# call METHOD PATH [JSON]: the body of a 2xx answer; any other one, or none in 30 s, ends the soak.
call() {
  local body=() status
  [ $# -lt 3 ] || body=(--json "$3")
  status=$(curl -sS -m 30 -X "$1" -H "$H" "${body[@]}" -o "$work/answer" -w '%{http_code}' "$R$2")
  if [ "${status:0:1}" != 2 ]; then
    { echo "$1 $2: $status"; cat "$work/answer"; echo; tail -5 "$work/restante.log"; } >&2
    return 1
  fi
  cat "$work/answer"
}
backend() { # backend PROTOCOL PORT USER
  echo "{ \"protocol\": \"$1\", \"host\": \"localhost\", \"port\": $2, \"tls\": \"implicit\", \"auth\": { \"username\": \"$3\", \"password\": \"$PASSWORD\" } }"
}
declare -A account archive inbox
for user in ada bob carol; do
  account[$user]=$(call POST /v1/accounts "{ \"email\": \"$user@test.invalid\", \"incoming\": $(backend imap "$IMAPS_PORT" $user), \"outgoing\": $(backend smtp "$SMTPS_PORT" $user) }" | jq -r .id)
done
for user in ada bob carol; do
  until [ "$(call GET "/v1/accounts/${account[$user]}" | jq -r .firstSyncedAt)" != null ]; do sleep 0.2; done
  boxes=$(call GET "/v1/accounts/${account[$user]}/mailboxes")
  inbox[$user]=$(jq -r '.items[] | select(.role == "inbox") | .id' <<<"$boxes")
  archive[$user]=$(jq -r '.items[] | select(.role == "archive") | .id' <<<"$boxes")
done

total=$((minutes * 60))
SECONDS=0
settled=0
rounds=0
sent=0
while [ $SECONDS -lt $total ]; do
  for user in ada bob carol; do
    a=/v1/accounts/${account[$user]}
    page=$(call GET "$a/messages?mailbox=inbox&limit=50")
    m=$(jq -r ".items[$((RANDOM % 10))].id // empty" <<<"$page")
    if [ -n "$m" ]; then
      call GET "$a/messages/$m?include=body,headers" >/dev/null
      call GET "$a/messages/$m/raw" >/dev/null
      flag=$([ $((RANDOM % 2)) = 0 ] && echo true || echo false)
      call PATCH "$a/messages/$m" "{ \"keywords\": { \"\$flagged\": $flag } }" >/dev/null
      if [ $((rounds % 5)) = 0 ]; then
        call PATCH "$a/messages/$m" "{ \"mailboxIds\": { \"${archive[$user]}\": true } }" >/dev/null
        call PATCH "$a/messages/$m" "{ \"mailboxIds\": { \"${inbox[$user]}\": true } }" >/dev/null
      fi
    fi
    call GET "$a/mailboxes" >/dev/null
  done
  if [ $((rounds % 10)) = 0 ]; then
    call POST "/v1/accounts/${account[ada]}/submissions" \
      "{ \"to\": [{ \"email\": \"bob@test.invalid\" }], \"subject\": \"soak $sent\", \"text\": \"Round $rounds.\" }" >/dev/null
    sent=$((sent + 1))
  fi
  rounds=$((rounds + 1))
  if [ "$settled" = 0 ] && [ $SECONDS -ge $((total / 10)) ]; then settled=$(rss); fi
  if [ $((rounds % 50)) = 0 ]; then
    echo "$SECONDS s: $rounds rounds, $sent sent, $(rss) KB, $(files) files"
  fi
done

# The last submission has arrived when Bob's inbox holds it.
subject="soak $((sent - 1))"
for ((n = 0; n < 300; n++)); do
  if call GET "/v1/accounts/${account[bob]}/messages?mailbox=inbox&limit=5" | grep -qF "\"$subject\""; then break; fi
  sleep 0.2
done
[ "$n" -lt 300 ] || { echo "\"$subject\" did not arrive" >&2; exit 1; }
# Every account still speaks with its server.
for user in ada bob carol; do
  state=$(call GET "/v1/accounts/${account[$user]}" | jq -r '.state + " " + .health')
  echo "$user: $state"
done
now=$(rss)
echo "$rounds rounds, $sent submissions, memory $settled KB after a tenth, $now KB at the end, $(files) files open"
if [ "$now" -gt $((settled + settled / 4 + 8192)) ]; then echo "memory grew" >&2; exit 1; fi
