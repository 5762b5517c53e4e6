#!/bin/sh
# Writes .env: .env.example with a random secret wherever one is missing. One that is there is left alone.
set -euC
umask 077
cd "$(dirname "$0")/.."
while IFS= read -r line || [ -n "$line" ]; do
  case "$line" in
    FSREC_*=) printf '%s%s\n' "$line" "$(head -c 24 /dev/urandom | od -An -tx1 | tr -d ' \n')" ;;
    *) printf '%s\n' "$line" ;;
  esac
done < .env.example > .env
