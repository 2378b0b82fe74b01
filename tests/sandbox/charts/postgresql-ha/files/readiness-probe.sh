#!/bin/bash
# The server answers. Where the chart asks for it, a pod that answers for the first time becomes ready only some seconds
# later, when pgpool has had time to attach it.
set -uo pipefail
. /opt/bitnami/scripts/libpostgresql.sh
. /opt/bitnami/scripts/postgresql-env.sh
export PGPASSWORD=$POSTGRES_PASSWORD
debug_execute psql -w -h 127.0.0.1 -p "$POSTGRESQL_PORT_NUMBER" -U "$POSTGRESQL_USERNAME" -d "$POSTGRESQL_DATABASE" -tAc 'select 1' || exit 1

first=/tmp/first-answer
[[ -f $first ]] || echo "$EPOCHSECONDS" >$first
((EPOCHSECONDS >= $(<$first) + ${MIN_DELAY_AFTER_POD_READY_FIRST_TIME:-0}))
