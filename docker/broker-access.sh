#!/bin/sh
# Writes the broker's users and access rules, for docker-compose.yml or for any mosquitto:
#
#   LAYERCAST_TOKEN=... docker/broker-access.sh /etc/mosquitto/layercast camera,garden
#
# Users: "sender" for senders, "receiver" for receivers, "watcher" for clients that only read pictures. Their password is
# the token, or LAYERCAST_SENDER_PASSWORD, LAYERCAST_RECEIVER_PASSWORD and LAYERCAST_WATCHER_PASSWORD.
set -eu

folder=$1
streams=$2
if [ "${LAYERCAST_TOKEN:-}" = choose-a-long-one ]; then
    echo "LAYERCAST_TOKEN is the one of an example, which others know; choose another: openssl rand -hex 24" >&2
    exit 2
fi
umask 077
mkdir -p "$folder"

users=$folder/users
: > "$users.new"
for user in sender receiver watcher; do
    variable=LAYERCAST_$(echo "$user" | tr '[:lower:]' '[:upper:]')_PASSWORD
    eval "password=\${$variable:-\${LAYERCAST_TOKEN:?set LAYERCAST_TOKEN to a long random text}}"
    echo "$user:$password" >> "$users.new"
done
# Hashes the passwords in place: none stays on disk in clear text, and none appears in the list of processes.
mosquitto_passwd -U "$users.new"

rules=$folder/rules
: > "$rules.new"
allow() { echo "topic $1 lc/1/$2" >> "$rules.new"; }
each_stream() { echo "$streams" | tr ',' '\n'; }

echo "user sender" >> "$rules.new"
each_stream | while read -r stream; do
    allow write "$stream/in/+"
    allow write "$stream/pic/#"
    allow read "$stream/rx"
    allow read "$stream/out/+"
done
echo "user receiver" >> "$rules.new"
each_stream | while read -r stream; do
    allow readwrite "$stream/rx"
    allow read "$stream/in/+"
    allow read "$stream/pic/#"
    allow write "$stream/out/+"
done
echo "user watcher" >> "$rules.new"
each_stream | while read -r stream; do
    allow read "$stream/pic/#"
done

# Replace whole files: a broker may read them at this moment.
mv "$users.new" "$users"
mv "$rules.new" "$rules"
