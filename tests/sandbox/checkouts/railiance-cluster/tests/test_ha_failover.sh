#!/bin/bash
# Decision D3: deletes the PostgreSQL primary's pod; another node must lead and Gitea's login must answer again within
# the recovery window.
set -uo pipefail
GITEA_NAMESPACE=gitea
PG_NAMESPACE=gitea
GITEA_URL=${GITEA_URL:?the address users reach Gitea at}
RECOVERY_WINDOW=${RECOVERY_WINDOW:-120}

pods() {
  kubectl -n "$PG_NAMESPACE" get pods -l app.kubernetes.io/name=postgresql-ha,app.kubernetes.io/component=postgresql \
    -o jsonpath='{.items[*].metadata.name}'
}

is_primary() { # POD
  [[ $(kubectl -n "$PG_NAMESPACE" exec "$1" -c postgresql -- bash -c \
    'PGPASSWORD=$(cat /opt/bitnami/postgresql/secrets/repmgr-password) psql -h 127.0.0.1 -U repmgr -d repmgr -tAc "select not pg_is_in_recovery()"' \
    2>/dev/null) == t ]]
}

primaries() {
  local pod
  for pod in $(pods); do ! is_primary "$pod" || echo "$pod"; done
}

admin_value() {
  kubectl -n "$GITEA_NAMESPACE" get deployment gitea -o \
    jsonpath="{.spec.template.spec.initContainers[?(@.name=='configure-gitea')].env[?(@.name=='$1')].value}"
}

login_works() {
  curl -sf --max-time 5 -o /dev/null -K <(printf 'user = "%s:%s"\n' "$user" "$password") "$GITEA_URL/api/v1/user"
}

user=$(admin_value GITEA_ADMIN_USERNAME)
password=$(admin_value GITEA_ADMIN_PASSWORD)
login_works || { echo "FAIL  Gitea's login does not answer before the test"; exit 1; }
old=$(primaries)
[[ $(wc -w <<<"$old") == 1 ]] || { echo "FAIL  there is not exactly one primary in $PG_NAMESPACE: ${old:-none}"; exit 1; }

echo "deleting $old"
began=$SECONDS
kubectl -n "$PG_NAMESPACE" delete pod "$old" >/dev/null & # returns when that very pod is gone
deletion=$!
good=0
until ((good == 5)); do # each of Gitea's pooled connections fails once
  ((SECONDS - began < RECOVERY_WINDOW)) || { echo "FAIL  no login within $RECOVERY_WINDOW s"; exit 1; }
  if login_works; then good=$((good + 1)); else good=0; fi
  sleep 0.5
done
echo "ok    login answers after $((SECONDS - began)) s"
until new=$(primaries) && [[ $(wc -w <<<"$new") == 1 && $(wc -w <<<"$(pods)") -ge 3 ]]; do
  ((SECONDS - began < RECOVERY_WINDOW)) || { echo "FAIL  primaries after $RECOVERY_WINDOW s: ${new:-none}"; exit 1; }
  sleep 1
done
echo "ok    $new leads after $((SECONDS - began)) s"
wait $deletion
kubectl -n "$PG_NAMESPACE" wait --for=condition=Ready pod --timeout "${RECOVERY_WINDOW}s" \
  -l app.kubernetes.io/name=postgresql-ha >/dev/null || { echo 'FAIL  not every pod is ready again'; exit 1; }
echo "ok    every pod is ready after $((SECONDS - began)) s"
