#!/bin/bash
# T02 as a careful operator does it with a shell: Gitea from its bundled PostgreSQL to the standalone cluster. railrun's
# own T02 is measured against it. Needs the sandbox in its starting state with T01 done (release postgresql-ha in
# namespace platform). Says on stderr what it does and prints the longest time without a good login answer, in ms.
set -euo pipefail
bench=$(cd "$(dirname "$0")" && pwd)
. "$bench/../sandbox/platform/settings"
values=$CHECKOUTS/railiance-cluster/helm/gitea-values.sops.yaml
began=${EPOCHREALTIME/./}
step() { printf '%6d ms  %s\n' $(((${EPOCHREALTIME/./} - began) / 1000)) "$*" >&2; }

value() { sops decrypt --extract "$1" "$values"; }

# sql NAMESPACE POD USER DATABASE HOST: runs stdin as USER, whose password is the first line
sql() {
  kubectl -n "$1" exec -i "$2" -c postgresql -- bash -c \
    'IFS= read -r PGPASSWORD; export PGPASSWORD PGCONNECT_TIMEOUT=5; exec psql -v ON_ERROR_STOP=1 -qtA -U "$1" -d "$2" -h "$3"' \
    bash "$3" "$4" "$5"
}

primary() { # NAMESPACE STATEFULSET
  local n
  for n in 0 1 2; do
    [[ $(kubectl -n "$1" exec "$2-$n" -c postgresql -- bash -c 'PGPASSWORD=$(</opt/bitnami/postgresql/secrets/repmgr-password) psql -h 127.0.0.1 -U repmgr -d repmgr -tAc "select not pg_is_in_recovery()"') != t ]] ||
      { echo "$2-$n"; return; }
  done
  die "no primary in namespace $1"
}

# contents HOST: rows and a digest of every table and the value of every sequence, measured from the target's pod
contents() {
  {
    echo "$password"
    cat <<'SQL'
select format('select %L, count(*), md5(coalesce(string_agg(md5(t::text), '''' order by md5(t::text)), '''')) from %I.%I t',
  schemaname || '.' || tablename, schemaname, tablename)
  from pg_tables where schemaname not in ('pg_catalog', 'information_schema') order by 1
\gexec
select format('select %L, last_value, is_called from %I.%I', schemaname || '.' || sequencename, schemaname, sequencename)
  from pg_sequences order by 1
\gexec
SQL
  } | sql platform "$target" "$user" "$database" "$1"
}

user=$(value '["postgresql-ha"]["global"]["postgresql"]["username"]')
database=$(value '["postgresql-ha"]["global"]["postgresql"]["database"]')
password=$(value '["postgresql-ha"]["global"]["postgresql"]["password"]')
superuser_password=$(kubectl -n platform get secret postgresql-ha-postgresql -o jsonpath='{.data.password}' | base64 -d)
source=$(primary gitea gitea-postgresql-ha-postgresql)
target=$(primary platform postgresql-ha-postgresql)
source_host=$source.gitea-postgresql-ha-postgresql-headless.gitea.svc.cluster.local
step "from $source to $target"

outage=$(mktemp)
scratch=$(mktemp -d)
trap 'kill "$probe" 2>/dev/null || true; rm -rf "$outage" "$scratch"' EXIT
"$bench/login-probe" "$GITEA_URL" >"$outage" < <(echo "$(value '["gitea"]["admin"]["username"]'):$(value '["gitea"]["admin"]["password"]')") &
probe=$!
sleep 1

sql platform "$target" postgres postgres 127.0.0.1 <<SQL
$superuser_password
create role "$user" login password '$password';
create database "$database" owner "$user" template template0 encoding 'UTF8' lc_collate 'C.UTF-8' lc_ctype 'C.UTF-8';
SQL
helm upgrade postgresql-ha "$CHARTS/postgresql-ha" -n platform --reuse-values --wait --timeout 5m -f - >/dev/null <<YAML
pgpool:
  customUsers: {usernames: "$user", passwords: "$password"}
  podAnnotations: {railrun/custom-users: "{{ .Values.pgpool.customUsers | toYaml | sha256sum }}"}
YAML
step 'role and database made, pgpool admits the user'

kubectl -n gitea scale deployment/gitea --replicas=0 >/dev/null
kubectl -n gitea wait --for=delete pod -l app=gitea,app.kubernetes.io/instance=gitea --timeout=60s >/dev/null
step 'Gitea has stopped'
contents "$source_host" >"$scratch/source"
kubectl -n platform exec -i "$target" -c postgresql -- bash -o pipefail -ec '
  IFS= read -r PGPASSWORD; export PGPASSWORD
  pg_dump -Fc --no-owner --no-acl -h "$1" -U "$2" "$3" </dev/null |
    pg_restore -h 127.0.0.1 -U "$2" -d "$3" --no-owner --no-acl --exit-on-error --single-transaction' \
  bash "$source_host" "$user" "$database" <<<"$password"
step 'dumped and restored'
contents 127.0.0.1 >"$scratch/target"
diff "$scratch/source" "$scratch/target" >&2 || die 'the target differs from the source'
step "equal: $(wc -l <"$scratch/target") tables and sequences"
sql platform "$target" "$user" "$database" 127.0.0.1 < <(echo "$password"; echo 'analyze;')

helm upgrade gitea "$CHARTS/gitea" -n gitea --wait --timeout 5m -f <(sops decrypt "$values") -f - >/dev/null <<YAML
gitea:
  config:
    database: {DB_TYPE: postgres, HOST: "postgresql-ha-pgpool.platform.svc.cluster.local:5432", NAME: "$database", USER: "$user", PASSWD: "$password"}
postgresql-ha: {enabled: false}
YAML
step 'Gitea runs on the new database'
sleep 3
kill "$probe"
wait "$probe" || true
cat "$outage"
