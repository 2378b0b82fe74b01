# Starting, stopping and configuring the server. The first six names are called by the chart's scripts.
is_boolean_yes() { [[ ${1:-} =~ ^(1|[Yy][Ee][Ss]|[Tt][Rr][Uu][Ee])$ ]]; }

info() { echo "$(date +%T.%3N) INFO ==> $*" >&2; }

debug_execute() { if is_boolean_yes "${BITNAMI_DEBUG:-no}"; then "$@"; else "$@" >/dev/null 2>&1; fi; }

retry_while() {
  local command=$1 tries=${2:-12} pause=${3:-5} i
  for ((i = 0; i < tries; i++)); do
    $command && return 0
    sleep "$pause"
  done
  return 1
}

postgresql_enable_nss_wrapper() { :; } # uid 1001 is in the image's passwd

postgresql_stop() { pg_ctl -D "$PGDATA" -m fast -w -t "${POSTGRESQL_PGCTLTIMEOUT:-60}" stop; }

warn() { echo "$(date +%T.%3N) WARN ==> $*" >&2; }

postgresql_start() { pg_ctl -D "$PGDATA" -w -t 120 "$@" start >&2; }

# A clone or an initdb that was cut leaves PG_VERSION behind; the marker beside the directory tells it from a whole one.
postgresql_has_data() { [[ -f $PGDATA/PG_VERSION && ! -f $PGDATA.unfinished ]]; }

postgresql_begin_data() {
  rm -rf "$PGDATA"
  touch "$PGDATA.unfinished"
}

postgresql_finish_data() { rm -f "$PGDATA.unfinished"; }

postgresql_is_alive() {
  local pid
  pid=$(head -1 "$PGDATA/postmaster.pid" 2>/dev/null) && [[ -n $pid ]] && kill -0 "$pid" 2>/dev/null
}

# The data directory is on a claim and /tmp on an emptyDir: both outlive the container, and its process ids.
# With fsGroup the kubelet makes the directory 2770 when the pod is made anew, which the server refuses.
postgresql_sweep() {
  mkdir -p "$(dirname "$PGDATA")"
  rm -f "$PGDATA/postmaster.pid" /tmp/.s.PGSQL.*
  [[ ! -d $PGDATA ]] || chmod 0700 "$PGDATA"
}

postgresql_configure() {
  local synchronous= extended=
  [[ -z ${POSTGRESQL_NUM_SYNCHRONOUS_REPLICAS:-} ]] ||
    synchronous="synchronous_standby_names = '${POSTGRESQL_SYNCHRONOUS_REPLICAS_MODE:-FIRST} $POSTGRESQL_NUM_SYNCHRONOUS_REPLICAS (*)'"
  [[ ! -d /bitnami/postgresql/conf/conf.d ]] || extended="include_dir = '/bitnami/postgresql/conf/conf.d'"
  cat >"$PGDATA/conf.bitnami" <<CONF
listen_addresses = '*'
port = $POSTGRESQL_PORT_NUMBER
unix_socket_directories = '/tmp'
max_connections = ${POSTGRESQL_MAX_CONNECTIONS:-100}
wal_level = replica
max_wal_senders = 16
wal_log_hints = on
wal_keep_size = 256MB
hot_standby = on
password_encryption = 'scram-sha-256'
shared_preload_libraries = '${POSTGRESQL_SHARED_PRELOAD_LIBRARIES:-repmgr}'
client_min_messages = ${POSTGRESQL_CLIENT_MIN_MESSAGES:-error}
log_connections = ${POSTGRESQL_LOG_CONNECTIONS:-off}
log_disconnections = ${POSTGRESQL_LOG_DISCONNECTIONS:-off}
log_statement = 'all'
log_line_prefix = '%m [%p] %u@%d app=%a '
$synchronous
$extended
CONF
  grep -q conf.bitnami "$PGDATA/postgresql.conf" || echo "include 'conf.bitnami'" >>"$PGDATA/postgresql.conf"
  cat >"$PGDATA/pg_hba.conf" <<HBA
local all all scram-sha-256
host all all 0.0.0.0/0 scram-sha-256
host all all ::1/128 scram-sha-256
host replication $REPMGR_USERNAME 0.0.0.0/0 scram-sha-256
HBA
}

# The first data directory of the cluster: the roles of the chart's values, the application's database, repmgr's own.
# `password` belongs to `username`; `postgresPassword` counts only where that is not `postgres` itself.
postgresql_initialize() {
  local superuser_password=$POSTGRES_PASSWORD
  [[ $POSTGRESQL_USERNAME == postgres ]] || superuser_password=${POSTGRES_POSTGRES_PASSWORD:-$POSTGRES_PASSWORD}
  postgresql_begin_data
  initdb -D "$PGDATA" -U postgres -A scram-sha-256 --pwfile=<(echo "$superuser_password") -E UTF8 --locale=C.UTF-8 >/dev/null
  postgresql_configure
  # No standby can be there yet: a synchronous commit would wait for ever.
  postgresql_start -o "-c listen_addresses='' -c log_statement=none -c synchronous_standby_names=''"
  PGPASSWORD=$superuser_password psql -q -h /tmp -p "$POSTGRESQL_PORT_NUMBER" -U postgres -d postgres -v ON_ERROR_STOP=1 \
    -v repmgr="$REPMGR_USERNAME" -v repmgr_database="$REPMGR_DATABASE" -v repmgr_password="$REPMGR_PASSWORD" \
    -v sr_check="$POSTGRESQL_SR_CHECK_USERNAME" -v sr_check_password="${POSTGRESQL_SR_CHECK_PASSWORD:-}" \
    -v username="$POSTGRESQL_USERNAME" -v password="$POSTGRES_PASSWORD" -v database="$POSTGRESQL_DATABASE" \
    -v own_user="$([[ $POSTGRESQL_USERNAME == postgres ]] || echo 1)" \
    -v own_database="$([[ $POSTGRESQL_DATABASE == postgres ]] || echo 1)" <<'SQL'
create role :"repmgr" login superuser replication password :'repmgr_password';
create database :"repmgr_database" owner :"repmgr";
create role :"sr_check" login password :'sr_check_password';
grant pg_monitor to :"sr_check";
select :'own_user' = '1' as own_user, :'own_database' = '1' as own_database \gset
\if :own_user
create role :"username" login createdb password :'password';
\endif
\if :own_database
create database :"database" owner :"username";
\endif
\connect :"repmgr_database"
create extension repmgr;
SQL
  pg_ctl -D "$PGDATA" -w -m fast stop >/dev/null
  postgresql_finish_data
}
