#!/usr/bin/env bash
# Writes app.ini: what is on the volume, then the sections of the chart's values, then GITEA__section__KEY of the
# environment. Secrets that neither gives are made once and stay on the volume.
set -euo pipefail

given=$(env | grep -o '^GITEA__[^=]*' || true)
export_key() { # VARIABLE VALUE: the environment wins
  grep -qFx "$1" <<<"$given" || export "$1=$2"
}

for file in /env-to-ini-mounts/inlines/*; do
  section=$(basename "$file")
  [[ $section != _generals_ ]] || section=
  section=${section//./_0X2E_}
  section=${section//-/_0X2D_}
  while IFS= read -r line; do
    [[ $line != *=* ]] || export_key "GITEA__${section}__${line%%=*}" "${line#*=}"
  done < <(cat "$file"; echo)
done

[[ -f $GITEA_APP_INI ]] || touch "$GITEA_APP_INI"
make_once() { # VARIABLE KEY KIND
  [[ -n ${!1:-} ]] || grep -q "^$2 *=" "$GITEA_APP_INI" || export "$1=$(gitea generate secret "$3")"
}
make_once GITEA__security__INTERNAL_TOKEN INTERNAL_TOKEN INTERNAL_TOKEN
make_once GITEA__security__SECRET_KEY SECRET_KEY SECRET_KEY
make_once GITEA__oauth2__JWT_SECRET JWT_SECRET JWT_SECRET
make_once GITEA__server__LFS_JWT_SECRET LFS_JWT_SECRET LFS_JWT_SECRET

gitea config edit-ini --in-place --apply-env --config "$GITEA_APP_INI"
