#!/bin/bash
# Alive: the server answers, even if only that it is still loading.
[[ -z ${VALKEY_PASSWORD_FILE:-} ]] || export REDISCLI_AUTH=$(<"$VALKEY_PASSWORD_FILE")
answer=$(valkey-cli -h localhost -p "$VALKEY_PORT" ping)
[[ $answer == PONG || ${answer%% *} =~ ^(LOADING|MASTERDOWN)$ ]]
