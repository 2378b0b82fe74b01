#!/bin/bash
# Decides from the data on the claim and from who is alive whether this node is primary or standby, starts the server
# and repmgrd, and stays until the server is gone.
set -uo pipefail
. /opt/bitnami/scripts/libpostgresql.sh
. /opt/bitnami/scripts/postgresql-env.sh
. /opt/bitnami/scripts/librepmgr.sh

# This node was primary when it stopped, and nobody else is (yet): give the others time to promote one, if any lives.
rejoin_former_primary() {
  local i primary=
  for ((i = 0; i < 15; i++)); do
    primary=$(live_primary)
    [[ -z $primary ]] || break
    [[ $i -lt 4 || $(partners_alive) != 0 ]] || break
    ! nobody_will_promote || break
    sleep 1
  done
  if [[ -n $primary ]]; then become_standby "$primary"; else become_primary; fi
}

# Started without a primary so that it can be elected.
wait_as_standby() {
  local i primary=
  postgresql_configure
  forget_cut_election
  postgresql_start
  for ((i = 0; i < 60; i++)); do
    primary=$(live_primary)
    [[ -z $primary && $(ask_self 'select not pg_is_in_recovery()') != t ]] || break
    sleep 1
  done
  [[ -z $primary ]] || run_repmgr standby register --force -h "$primary" -p "$POSTGRESQL_PORT_NUMBER"
}

wait_for_first_primary() {
  local primary=
  until [[ -n $primary && $(ask "$primary" "$POSTGRESQL_PORT_NUMBER" "select 1 from repmgr.nodes where type = 'primary' limit 1") == 1 ]]; do
    sleep 1
    primary=$(live_primary)
  done
  become_standby "$primary"
}

join() {
  local primary
  primary=$(live_primary)
  info "$REPMGR_NODE_NAME joins; live primary: \`${primary:-none}\`"
  if [[ -n $primary ]]; then become_standby "$primary"
  elif postgresql_has_data && [[ ! -f $PGDATA/standby.signal ]]; then rejoin_former_primary
  elif postgresql_has_data; then wait_as_standby
  elif [[ $REPMGR_PRIMARY_HOST == "$REPMGR_NODE_NETWORK_NAME" ]]; then postgresql_initialize && become_primary
  else wait_for_first_primary
  fi
}

watch_cluster() { # repmgrd ends when it loses its connections: start it again
  while :; do
    repmgrd -f "$REPMGR_CONF_FILE" --daemonize=false -p '' --no-pid-file
    warn "repmgrd ended with status $?"
    sleep 1
  done
}

umask 077
postgresql_sweep
repmgr_configure
join
info "up; in recovery: $(ask_self 'select pg_is_in_recovery()')"
trap 'info "stopping"; pg_ctl -D "$PGDATA" -m fast -w stop >/dev/null 2>&1; exit 0' TERM INT
watch_cluster &
while postgresql_is_alive; do sleep 0.5; done
while pgrep -f /pre-stop.sh >/dev/null; do sleep 0.5; done # the hook stops the server first: stay until it is done
warn 'the server has stopped'
exit 1
