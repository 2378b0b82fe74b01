#!/bin/bash
# Starts the primary with the mounted configuration; the password stays out of the arguments.
set -euo pipefail
etc=/opt/bitnami/valkey/etc
umask 077
for file in valkey primary; do echo "$(</opt/bitnami/valkey/mounted-etc/$file.conf)"; done >"$etc/valkey.conf"
{
  echo "port $VALKEY_PORT"
  if [[ -n ${VALKEY_PASSWORD_FILE:-} ]]; then
    echo "requirepass $(<"$VALKEY_PASSWORD_FILE")"
    echo "primaryauth $(<"$VALKEY_PASSWORD_FILE")"
  else
    echo 'protected-mode no'
  fi
} >>"$etc/valkey.conf"
exec valkey-server "$etc/valkey.conf" "$@"
