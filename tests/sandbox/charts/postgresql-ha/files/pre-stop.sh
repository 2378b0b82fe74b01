#!/bin/bash
# Stops the server before the container is told to end, and stays while the others choose a new primary.
set -uo pipefail
. /opt/bitnami/scripts/libpostgresql.sh
. /opt/bitnami/scripts/postgresql-env.sh
. /opt/bitnami/scripts/librepmgr.sh

another_is_primary() {
  local primary
  readarray -t primary < <(repmgr_get_primary_node)
  [[ -n ${primary[0]} ]]
}

was_primary=yes
another_is_primary && was_primary=no
began=$EPOCHSECONDS
postgresql_stop
if [[ $was_primary == yes ]]; then
  retry_while another_is_primary 10 2 || { echo 'no new primary appeared' >&2; exit 1; }
fi
left=$((began + PRE_STOP_DELAY_AFTER_PG_STOP_SECONDS - EPOCHSECONDS))
((left <= 0)) || sleep "$left"
