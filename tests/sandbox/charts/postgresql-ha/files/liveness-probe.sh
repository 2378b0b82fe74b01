#!/bin/bash
# The server answers, and no partner believes itself primary while this node does.
set -uo pipefail
. /opt/bitnami/scripts/libpostgresql.sh
. /opt/bitnami/scripts/postgresql-env.sh
. /opt/bitnami/scripts/librepmgr.sh
export PGPASSWORD=$POSTGRES_PASSWORD
debug_execute psql -w -h 127.0.0.1 -p "$POSTGRESQL_PORT_NUMBER" -U "$POSTGRESQL_USERNAME" -d "$POSTGRESQL_DATABASE" -tAc 'select 1' &&
  repmgr_check_status
