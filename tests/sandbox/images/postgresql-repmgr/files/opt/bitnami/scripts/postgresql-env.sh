# What the chart gives as environment, under the names that its probe and pre-stop scripts read.
# A value may come as a file instead: X_FILE names the file for X.
from_file() {
  local file=${1}_FILE
  [[ -n ${!1:-} || ! -f ${!file:-} ]] || export "$1=$(<"${!file}")"
}

export PATH=/usr/lib/postgresql/15/bin:$PATH
from_file POSTGRES_PASSWORD
from_file POSTGRES_POSTGRES_PASSWORD
from_file POSTGRESQL_SR_CHECK_PASSWORD
from_file REPMGR_PASSWORD

export POSTGRESQL_USERNAME=${POSTGRESQL_USERNAME:-${POSTGRES_USER:-postgres}}
export POSTGRESQL_PASSWORD=${POSTGRESQL_PASSWORD:-${POSTGRES_PASSWORD:-}}
export POSTGRESQL_DATABASE=${POSTGRESQL_DATABASE:-${POSTGRES_DB:-postgres}}
export POSTGRESQL_PORT_NUMBER=${POSTGRESQL_PORT_NUMBER:-5432}
export POSTGRESQL_ENABLE_TLS=${POSTGRESQL_ENABLE_TLS:-no}
export PGDATA=${PGDATA:-/bitnami/postgresql/data}
export POSTGRESQL_DATA_DIR=$PGDATA
export POSTGRESQL_CONF_FILE=/opt/bitnami/postgresql/conf/postgresql.conf

export REPMGR_USERNAME=${REPMGR_USERNAME:-repmgr}
export REPMGR_DATABASE=${REPMGR_DATABASE:-repmgr}
export REPMGR_PRIMARY_PORT=${REPMGR_PRIMARY_PORT:-5432}
export REPMGR_CONF_FILE=/opt/bitnami/repmgr/conf/repmgr.conf
export REPMGR_PASSFILE_PATH=${REPMGR_PASSFILE_PATH:-/opt/bitnami/repmgr/conf/.pgpass}
export PGPASSFILE=$REPMGR_PASSFILE_PATH
