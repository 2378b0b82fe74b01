{{- define "gitea.name" -}}
{{ default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "gitea.fullname" -}}
{{- $name := include "gitea.name" . -}}
{{- if .Values.fullnameOverride }}{{ .Values.fullnameOverride | trunc 63 | trimSuffix "-" }}
{{- else if contains $name .Release.Name }}{{ .Release.Name | trunc 63 | trimSuffix "-" }}
{{- else }}{{ printf "%s-%s" .Release.Name $name | trunc 63 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- define "gitea.namespace" -}}
{{ .Values.namespace | default .Release.Namespace }}
{{- end }}

{{- define "gitea.selector" -}}
app.kubernetes.io/name: {{ include "gitea.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "gitea.labels" -}}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
app: {{ include "gitea.name" . }}
{{ include "gitea.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{- define "gitea.image" -}}
{{ .Values.image.fullOverride | default (printf "%s/%s:%s" .Values.image.registry .Values.image.repository (.Values.image.tag | default .Chart.AppVersion | toString)) }}
{{- end }}

{{- /* A subchart's service, which is named after the release: (list CONTEXT "postgresql-ha" SUFFIX PORT) */ -}}
{{- define "gitea.subchart-host" -}}
{{- $root := index . 0 }}{{- $chart := index . 1 -}}
{{- $values := index $root.Values $chart -}}
{{- $name := $values.fullnameOverride | default (contains $chart $root.Release.Name | ternary $root.Release.Name (printf "%s-%s" $root.Release.Name $chart)) -}}
{{ printf "%s-%s.%s.svc.%s:%d" $name (index . 2) $root.Release.Namespace $root.Values.clusterDomain (int (index . 3)) }}
{{- end }}

{{- /* app.ini as sections of keys: the values, and what the subcharts imply where the values are silent. */ -}}
{{- define "gitea.config" -}}
{{- if .Values.postgresql.enabled }}{{ fail "the sandbox has no subchart `postgresql`; use `postgresql-ha`" }}{{ end }}
{{- if index .Values "valkey-cluster" "enabled" }}{{ fail "the sandbox has no subchart `valkey-cluster`; use `valkey`" }}{{ end }}
{{- $config := deepCopy .Values.gitea.config -}}
{{- range $section := list "server" "database" "cache" "session" "queue" "security" "repository" "metrics" -}}
{{- $_ := set $config $section (get $config $section | default dict) -}}
{{- end -}}
{{- $http := printf "%s-http.%s.svc.%s" (include "gitea.fullname" .) (include "gitea.namespace" .) .Values.clusterDomain -}}
{{- $_ := mergeOverwrite $config.server (merge (deepCopy $config.server) (dict
  "APP_DATA_PATH" "/data" "DOMAIN" "git.example.com" "ENABLE_PPROF" "false" "HTTP_PORT" "3000" "PROTOCOL" "http"
  "ROOT_URL" "http://git.example.com" "SSH_DOMAIN" "git.example.com" "SSH_LISTEN_PORT" "2222" "SSH_PORT" "22"
  "START_SSH_SERVER" "true" "LOCAL_ROOT_URL" (printf "http://%s:%v" $http .Values.service.http.port)
  "STATIC_ROOT_PATH" "/usr/share/gitea")) -}}
{{- $_ := set $config.security "INSTALL_LOCK" (get $config.security "INSTALL_LOCK" | default "true") -}}
{{- $_ := set $config.repository "ROOT" (get $config.repository "ROOT" | default "/data/git/gitea-repositories") -}}
{{- $database := dict "DB_TYPE" "sqlite3" -}}
{{- $ha := index .Values "postgresql-ha" -}}
{{- if $ha.enabled -}}
{{- $database = dict "DB_TYPE" "postgres"
  "HOST" (include "gitea.subchart-host" (list . "postgresql-ha" "pgpool" $ha.service.ports.postgresql))
  "NAME" $ha.global.postgresql.database "USER" $ha.global.postgresql.username "PASSWD" $ha.global.postgresql.password -}}
{{- end -}}
{{- $_ := mergeOverwrite $config.database (merge (deepCopy $config.database) $database) -}}
{{- $cache := dict "ADAPTER" "memory" -}}
{{- $session := dict "PROVIDER" "memory" -}}
{{- $queue := dict "TYPE" "level" -}}
{{- if .Values.valkey.enabled -}}
{{- $redis := printf "redis://:%s@%s" .Values.valkey.global.valkey.password (include "gitea.subchart-host" (list . "valkey" "primary" .Values.valkey.primary.service.ports.valkey)) -}}
{{- $cache = dict "ADAPTER" "redis" "HOST" (printf "%s/0?pool_size=100&idle_timeout=180s&" $redis) -}}
{{- $session = dict "PROVIDER" "redis" "PROVIDER_CONFIG" (printf "%s/1?pool_size=100&idle_timeout=180s&" $redis) -}}
{{- $queue = dict "TYPE" "redis" "CONN_STR" (printf "%s/2?pool_size=100&idle_timeout=180s&" $redis) -}}
{{- end -}}
{{- $_ := mergeOverwrite $config.cache (merge (deepCopy $config.cache) $cache) -}}
{{- $_ := mergeOverwrite $config.session (merge (deepCopy $config.session) $session) -}}
{{- $_ := mergeOverwrite $config.queue (merge (deepCopy $config.queue) $queue) -}}
{{- toYaml $config -}}
{{- end }}

{{- /* What every container of the pod gets. */ -}}
{{- define "gitea.environment" -}}
- {name: GITEA_APP_INI, value: /data/gitea/conf/app.ini}
- {name: GITEA_CUSTOM, value: /data/gitea}
- {name: GITEA_WORK_DIR, value: /data}
- {name: GITEA_TEMP, value: /tmp/gitea}
- {name: TMPDIR, value: /tmp/gitea}
- {name: HOME, value: /data/gitea/git}
{{- with .Values.deployment.env }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "gitea.mounts" -}}
- {name: temp, mountPath: /tmp}
- {name: data, mountPath: /data{{ with .Values.persistence.subPath }}, subPath: {{ . }}{{ end }}}
{{- end }}
