#!/bin/bash
# Ready: the server answers and has loaded its data.
[[ -z ${VALKEY_PASSWORD_FILE:-} ]] || export REDISCLI_AUTH=$(<"$VALKEY_PASSWORD_FILE")
[[ $(valkey-cli -h localhost -p "$VALKEY_PORT" ping) == PONG ]]
