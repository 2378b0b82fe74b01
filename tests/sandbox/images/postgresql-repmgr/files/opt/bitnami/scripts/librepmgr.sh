# Who leads, and joining as primary or standby. Who is primary is asked of every partner that answers, not of repmgr's
# table, which lags behind a failover. The functions that the chart's scripts call begin with `repmgr_`.
ask() { # HOST PORT SQL
  PGPASSWORD=$REPMGR_PASSWORD PGCONNECT_TIMEOUT=${REPMGR_CONNECT_TIMEOUT:-5} \
    psql -w -h "$1" -p "$2" -U "$REPMGR_USERNAME" -d "$REPMGR_DATABASE" -tAc "$3" 2>/dev/null || true
}

ask_self() { ask 127.0.0.1 "$POSTGRESQL_PORT_NUMBER" "$1"; }

partners() { tr -s ',; ' '\n' <<<"$REPMGR_PARTNER_NODES" | grep -vFx -e "$REPMGR_NODE_NETWORK_NAME" -e '' || true; }

partners_alive() {
  local host n=0
  for host in $(partners); do
    [[ $(ask "$host" "$REPMGR_PRIMARY_PORT" 'select 1') == 1 ]] && n=$((n + 1))
  done
  echo $n
}

# All stopped together: every partner answers and none runs repmgrd, which only starts once its node has joined.
nobody_will_promote() {
  local host
  for host in $(partners); do
    [[ $(ask "$host" "$REPMGR_PRIMARY_PORT" 'select repmgr.repmgrd_is_running()') == f ]] || return 1
  done
}

live_primary() { # prints the host of a partner that is primary, or nothing
  local host
  for host in $(partners); do
    [[ $(ask "$host" "$REPMGR_PRIMARY_PORT" 'select not pg_is_in_recovery()') == t ]] || continue
    echo "$host"
    return
  done
}

repmgr_get_upstream_node() { printf '%s\n%s\n' "$(live_primary)" "$REPMGR_PRIMARY_PORT"; }

repmgr_get_primary_node() { repmgr_get_upstream_node; }

repmgr_check_status() { # fails where this node and a partner are both primary
  local other
  [[ $(ask_self 'select pg_is_in_recovery()') != t ]] || return 0
  other=$(live_primary)
  [[ -z $other ]] || { echo "this node is primary but $other is primary too" >&2; return 1; }
}

run_repmgr() { repmgr -f "$REPMGR_CONF_FILE" "$@" >&2; }

# Standbys stop receiving before they elect: else one that still drains its connection sees another order of positions
# than its sibling, each believes the other will be promoted, and both wait for a minute.
repmgr_configure() {
  umask 077
  printf '*:*:*:%s:%s\n' "$REPMGR_USERNAME" "$REPMGR_PASSWORD" >"$PGPASSFILE"
  cat >"$REPMGR_CONF_FILE" <<CONF
node_id=$((1000 + ${REPMGR_NODE_NAME##*-}))
node_name='$REPMGR_NODE_NAME'
conninfo='host=$REPMGR_NODE_NETWORK_NAME port=$POSTGRESQL_PORT_NUMBER user=$REPMGR_USERNAME dbname=$REPMGR_DATABASE connect_timeout=${REPMGR_CONNECT_TIMEOUT:-5} passfile=$PGPASSFILE'
data_directory='$PGDATA'
pg_bindir='/usr/lib/postgresql/15/bin'
use_replication_slots=no
failover=automatic
priority=${REPMGR_NODE_PRIORITY:-100}
degraded_monitoring_timeout=-1
standby_disconnect_on_failover=true
sibling_nodes_disconnect_timeout=2
async_query_timeout=20
reconnect_attempts=${REPMGR_RECONNECT_ATTEMPTS:-3}
reconnect_interval=${REPMGR_RECONNECT_INTERVAL:-5}
monitor_interval_secs=${REPMGR_MONITOR_INTERVAL:-2}
log_level=${REPMGR_LOG_LEVEL:-NOTICE}
promote_command='PGPASSFILE=$PGPASSFILE repmgr standby promote -f $REPMGR_CONF_FILE'
follow_command='PGPASSFILE=$PGPASSFILE repmgr standby follow -f $REPMGR_CONF_FILE -W --upstream-node-id=%n'
CONF
}

upstream_conninfo() { # HOST
  echo "host=$1 port=$POSTGRESQL_PORT_NUMBER user=$REPMGR_USERNAME dbname=$REPMGR_DATABASE connect_timeout=5 passfile=$PGPASSFILE application_name=$REPMGR_NODE_NAME"
}

become_primary() {
  postgresql_configure
  rm -f "$PGDATA/standby.signal"
  postgresql_start
  PGOPTIONS='-c synchronous_commit=local' run_repmgr primary register --force # the standbys wait for this very record
}

# A former primary's data has a timeline of its own: turn it back to where it left the new primary's.
rewind() { # PRIMARY
  info "was primary, $1 is primary now: rewinding"
  ask "$1" "$POSTGRESQL_PORT_NUMBER" checkpoint >/dev/null
  pg_rewind -D "$PGDATA" --source-server="$(upstream_conninfo "$1")" --write-recovery-conf >&2 ||
    { warn 'pg_rewind failed: cloning'; rm -rf "$PGDATA"; }
}

clone() { # PRIMARY; sets `primary` to the one that was cloned from
  primary=$1
  postgresql_begin_data
  mkdir "$PGDATA"
  until run_repmgr -h "$primary" -p "$POSTGRESQL_PORT_NUMBER" -U "$REPMGR_USERNAME" -d "$REPMGR_DATABASE" -D "$PGDATA" standby clone --fast-checkpoint --force; do
    sleep 2
    rm -rf "$PGDATA"
    primary=$(live_primary)
    primary=${primary:-$1}
  done
}

streams_within() { # SECONDS
  local i
  for ((i = 0; i < $1; i++)); do
    [[ $(ask_self "select count(*) from pg_stat_wal_receiver where status = 'streaming'") != 1 ]] || return 0
    sleep 1
  done
  return 1
}

# An election that was cut short leaves its standbys told not to look for a primary for a day.
forget_cut_election() { sed -i '/^wal_retrieve_retry_interval/d' "$PGDATA/postgresql.auto.conf"; }

# Data that cannot follow is thrown away and the container ends: its next start clones.
become_standby() { # PRIMARY
  local primary=$1
  if postgresql_has_data && [[ ! -f $PGDATA/standby.signal ]]; then
    if is_boolean_yes "${REPMGR_USE_PGREWIND:-no}"; then rewind "$primary"; else rm -rf "$PGDATA"; fi
  fi
  postgresql_has_data || clone "$primary"
  postgresql_configure
  touch "$PGDATA/standby.signal"
  postgresql_finish_data
  forget_cut_election
  sed -i '/^primary_conninfo/d' "$PGDATA/postgresql.auto.conf"
  echo "primary_conninfo = '$(upstream_conninfo "$primary")'" >>"$PGDATA/postgresql.auto.conf"
  postgresql_start || { warn 'does not start as a standby: cloning anew'; rm -rf "$PGDATA"; exit 1; }
  if ! streams_within 30 && [[ -n $(live_primary) ]]; then
    warn "does not stream from $(live_primary): cloning anew"
    pg_ctl -D "$PGDATA" -m immediate -w stop
    rm -rf "$PGDATA"
    exit 1
  fi
  run_repmgr standby register --force -h "$primary" -p "$POSTGRESQL_PORT_NUMBER" || run_repmgr standby register --force
}
