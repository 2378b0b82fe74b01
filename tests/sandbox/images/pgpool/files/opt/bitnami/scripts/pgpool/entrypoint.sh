#!/bin/bash
# Turns PGPOOL_* into pgpool.conf, pool_hba.conf, pool_passwd and pcp.conf, and starts pgpool. The defaults are those of
# Bitnami's image (health check every 30 s, 5 tries, 5 s apart). Only users named in the environment can log in.
set -euo pipefail
home=/opt/bitnami/pgpool
conf=$home/conf
export PATH=/usr/lib/postgresql/15/bin:/usr/sbin:$PATH
umask 077

from_file() {
  local file=${1}_FILE
  [[ -n ${!1:-} || ! -f ${!file:-} ]] || export "$1=$(<"${!file}")"
}
on_off() { if [[ ${1:-} =~ ^(yes|true|on|1)$ ]]; then echo on; else echo off; fi; }
words() { tr ',;' '  ' <<<"${1:-}"; }

settings() {
  cat <<CONF
listen_addresses = '*'
port = ${PGPOOL_PORT_NUMBER:-5432}
socket_dir = '$home/tmp'
pcp_socket_dir = '$home/tmp'
pcp_port = 9898
pid_file_name = '$home/tmp/pgpool.pid'
logdir = '$home/logs'
backend_clustering_mode = 'streaming_replication'
enable_pool_hba = on
pool_passwd = 'pool_passwd'
authentication_timeout = 30
allow_clear_text_frontend_auth = off
num_init_children = ${PGPOOL_NUM_INIT_CHILDREN:-32}
max_pool = ${PGPOOL_MAX_POOL:-15}
reserved_connections = ${PGPOOL_RESERVED_CONNECTIONS:-1}
child_life_time = ${PGPOOL_CHILD_LIFE_TIME:-300}
client_idle_limit = ${PGPOOL_CLIENT_IDLE_LIMIT:-0}
connection_life_time = ${PGPOOL_CONNECTION_LIFE_TIME:-0}
child_max_connections = ${PGPOOL_CHILD_MAX_CONNECTIONS:-0}
load_balance_mode = $(on_off "${PGPOOL_ENABLE_LOAD_BALANCING:-yes}")
statement_level_load_balance = $(on_off "${PGPOOL_ENABLE_STATEMENT_LOAD_BALANCING:-no}")
connection_cache = $(on_off "${PGPOOL_ENABLE_CONNECTION_CACHE:-yes}")
disable_load_balance_on_write = '${PGPOOL_DISABLE_LOAD_BALANCE_ON_WRITE:-transaction}'
log_connections = $(on_off "${PGPOOL_ENABLE_LOG_CONNECTIONS:-no}")
log_hostname = $(on_off "${PGPOOL_ENABLE_LOG_HOSTNAME:-no}")
sr_check_user = '$PGPOOL_SR_CHECK_USER'
sr_check_password = '$PGPOOL_SR_CHECK_PASSWORD'
sr_check_database = '${PGPOOL_SR_CHECK_DATABASE:-postgres}'
sr_check_period = ${PGPOOL_SR_CHECK_PERIOD:-30}
health_check_user = '${PGPOOL_HEALTH_CHECK_USER:-$PGPOOL_SR_CHECK_USER}'
health_check_password = '${PGPOOL_HEALTH_CHECK_PASSWORD:-$PGPOOL_SR_CHECK_PASSWORD}'
health_check_database = '${PGPOOL_SR_CHECK_DATABASE:-postgres}'
health_check_period = ${PGPOOL_HEALTH_CHECK_PERIOD:-30}
health_check_timeout = ${PGPOOL_HEALTH_CHECK_TIMEOUT:-10}
health_check_max_retries = ${PGPOOL_HEALTH_CHECK_MAX_RETRIES:-5}
health_check_retry_delay = ${PGPOOL_HEALTH_CHECK_RETRY_DELAY:-5}
connect_timeout = ${PGPOOL_CONNECT_TIMEOUT:-10000}
failover_on_backend_error = $(on_off "${PGPOOL_FAILOVER_ON_BACKEND_ERROR:-off}")
failover_on_backend_shutdown = $(on_off "${PGPOOL_FAILOVER_ON_BACKEND_SHUTDOWN:-on}")
auto_failback = $(on_off "${PGPOOL_AUTO_FAILBACK:-no}")
auto_failback_interval = 5
search_primary_node_timeout = 0
failover_command = 'echo "pgpool detached a node and looks for the primary"'
CONF
}

backends() { # PGPOOL_BACKEND_NODES is `0:host:port,1:host:port,…`
  local node number host port
  for node in $(words "$PGPOOL_BACKEND_NODES"); do
    IFS=: read -r number host port <<<"$node"
    cat <<CONF
backend_hostname$number = '$host'
backend_port$number = $port
backend_weight$number = 1
backend_data_directory$number = '/bitnami/postgresql/data'
backend_flag$number = 'ALLOW_TO_FAILOVER'
backend_application_name$number = '${host%%.*}'
CONF
  done
}

admit() { pg_enc -m --config-file="$conf/pgpool.conf" --key-file="$PGPOOLKEYFILE" -u "$1" "$2" >/dev/null; }

# A node that is missing when pgpool 4.3 starts makes its children crash for every client until the liveness probe has
# restarted it: give all nodes a moment to come up, as after an installation or a restart of everything.
wait_for_backends() {
  local deadline=$((SECONDS + 12)) node host port
  for node in $(words "$PGPOOL_BACKEND_NODES"); do
    IFS=: read -r _ host port <<<"$node"
    until pg_isready -q -t 2 -h "$host" -p "$port" || ((SECONDS >= deadline)); do sleep 0.5; done
  done
}

from_file PGPOOL_POSTGRES_PASSWORD
from_file PGPOOL_SR_CHECK_PASSWORD
from_file PGPOOL_ADMIN_PASSWORD
from_file PGPOOL_POSTGRES_CUSTOM_USERS
from_file PGPOOL_POSTGRES_CUSTOM_PASSWORDS
read -ra users <<<"$(words "${PGPOOL_POSTGRES_CUSTOM_USERS:-}")"
read -ra passwords <<<"$(words "${PGPOOL_POSTGRES_CUSTOM_PASSWORDS:-}")"
if ((${#users[@]} != ${#passwords[@]})); then
  echo 'PGPOOL_POSTGRES_CUSTOM_USERS and PGPOOL_POSTGRES_CUSTOM_PASSWORDS differ in length' >&2
  exit 1
fi

rm -f "$home"/tmp/pgpool.pid "$home"/tmp/.s.* "$home"/logs/pgpool_status
{
  settings
  backends
  [[ ! -f ${PGPOOL_USER_CONF_FILE:-} ]] || cat "$PGPOOL_USER_CONF_FILE"
} >"$conf/pgpool.conf"
cat >"$conf/pool_hba.conf" <<HBA
local all all trust
host all $PGPOOL_SR_CHECK_USER all trust
host all all all scram-sha-256
HBA
[[ ! -f ${PGPOOL_USER_HBA_FILE:-} ]] || cp "$PGPOOL_USER_HBA_FILE" "$conf/pool_hba.conf"

export PGPOOLKEYFILE=$conf/.pgpoolkey
head -c 20 /dev/urandom | base64 >"$PGPOOLKEYFILE"
: >"$conf/pool_passwd"
admit "$PGPOOL_POSTGRES_USERNAME" "$PGPOOL_POSTGRES_PASSWORD"
for i in "${!users[@]}"; do admit "${users[$i]}" "${passwords[$i]}"; done
printf '%s:%s\n' "$PGPOOL_ADMIN_USERNAME" "$(pg_md5 "$PGPOOL_ADMIN_PASSWORD")" >"$conf/pcp.conf"

echo "users admitted: $(cut -d: -f1 "$conf/pool_passwd" | tr '\n' ' ')"
wait_for_backends
exec pgpool -n -D -f "$conf/pgpool.conf" -F "$conf/pcp.conf" -a "$conf/pool_hba.conf" -k "$PGPOOLKEYFILE"
