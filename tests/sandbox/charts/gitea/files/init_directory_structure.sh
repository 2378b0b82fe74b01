#!/usr/bin/env bash
# Makes the directories that Gitea expects on its volume.
set -euo pipefail
umask 027
mkdir -p /data/git/.ssh /data/gitea/conf /data/gitea/git /data/gitea/log "$GITEA_TEMP"
chmod 700 /data/git/.ssh
