#!/usr/bin/env bash
# Brings the database to this version of Gitea, waiting for it, and sees to the administrator of the values.
set -euo pipefail
gitea() { command gitea --config "$GITEA_APP_INI" "$@"; }

migrated=
for ((i = 0; i < 60; i++)); do
  gitea migrate && { migrated=1; break; }
  echo 'the database does not answer yet'
  sleep 2
done
[[ -n $migrated ]] || { echo 'the database did not answer within 120 s' >&2; exit 1; }

create_admin() { # MUST-CHANGE-PASSWORD
  gitea admin user create --admin --username "$GITEA_ADMIN_USERNAME" --password "$GITEA_ADMIN_PASSWORD" \
    --email "$GITEA_ADMIN_EMAIL" --must-change-password="$1"
}

update_password() {
  gitea admin user change-password --username "$GITEA_ADMIN_USERNAME" --password "$GITEA_ADMIN_PASSWORD" \
    --must-change-password=false
}

admin_exists() { gitea admin user list | awk 'NR > 1 { print $2 }' | grep -qFx "$GITEA_ADMIN_USERNAME"; }

case $GITEA_ADMIN_PASSWORD_MODE in
  keepUpdated) update_password || create_admin false ;;
  initialOnlyRequireReset) admin_exists || create_admin true ;;
  initialOnlyNoReset) admin_exists || create_admin false ;;
  *) echo "gitea.admin.passwordMode \`$GITEA_ADMIN_PASSWORD_MODE\` is not known" >&2; exit 1 ;;
esac
