#!/bin/bash
# Liveness: pgpool answers `show pool_nodes`. As in Bitnami's image, nodes that pgpool has detached but that are up are
# attached again, so the probe's period is also the time until a returned node serves.
export PATH=/usr/lib/postgresql/15/bin:/usr/sbin:$PATH
port=${PGPOOL_PORT_NUMBER:-5432}
user=${PGPOOL_POSTGRES_USERNAME:-postgres}
export PGPASSWORD=${PGPOOL_POSTGRES_PASSWORD:-$(<"$PGPOOL_POSTGRES_PASSWORD_FILE")}
ask() { psql -w -U "$user" -d postgres -h "$1" -p "$2" -tAc "$3"; }

attach() { # NODE NUMBER
  local passfile
  passfile=$(mktemp /tmp/pcp-XXXX)
  echo "localhost:9898:$PGPOOL_ADMIN_USERNAME:${PGPOOL_ADMIN_PASSWORD:-$(<"$PGPOOL_ADMIN_PASSWORD_FILE")}" >"$passfile"
  PCPPASSFILE=$passfile pcp_attach_node -h localhost -U "$PGPOOL_ADMIN_USERNAME" -p 9898 -n "$1" -w
  rm -f "$passfile"
}

nodes=$(PGCONNECT_TIMEOUT=${PGPOOL_HEALTH_CHECK_PSQL_TIMEOUT:-15} ask /opt/bitnami/pgpool/tmp "$port" 'show pool_nodes') || exit 1
while IFS='|' read -r number host backend_port status real_status _; do
  [[ $status == down && $real_status == up ]] || continue
  [[ $(PGCONNECT_TIMEOUT=3 ask "$host" "$backend_port" 'select 1') != 1 ]] || attach "$number"
done <<<"$nodes"
exit 0
