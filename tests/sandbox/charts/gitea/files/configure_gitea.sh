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

if ! gitea admin user list | awk 'NR > 1 { print $2 }' | grep -qFx "$GITEA_ADMIN_USERNAME"; then
  must_change=false
  [[ $GITEA_ADMIN_PASSWORD_MODE != initialOnlyRequireReset ]] || must_change=true
  gitea admin user create --admin --username "$GITEA_ADMIN_USERNAME" --password "$GITEA_ADMIN_PASSWORD" \
    --email "$GITEA_ADMIN_EMAIL" --must-change-password="$must_change"
elif [[ $GITEA_ADMIN_PASSWORD_MODE == keepUpdated ]]; then
  gitea admin user change-password --username "$GITEA_ADMIN_USERNAME" --password "$GITEA_ADMIN_PASSWORD" \
    --must-change-password=false
fi
