{{- define "postgresql-ha.name" -}}
{{ default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "postgresql-ha.fullname" -}}
{{- $name := include "postgresql-ha.name" . -}}
{{- if .Values.fullnameOverride }}{{ .Values.fullnameOverride | trunc 63 | trimSuffix "-" }}
{{- else if contains $name .Release.Name }}{{ .Release.Name | trunc 63 | trimSuffix "-" }}
{{- else }}{{ printf "%s-%s" .Release.Name $name | trunc 63 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- define "postgresql-ha.selector" -}}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/name: {{ include "postgresql-ha.name" . }}
{{- end }}

{{- define "postgresql-ha.labels" -}}
{{ include "postgresql-ha.selector" . }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- /* Metadata of an object: (list CONTEXT SUFFIX COMPONENT [EXTRA LABELS]) */ -}}
{{- define "postgresql-ha.metadata" -}}
{{- $root := index . 0 -}}
name: {{ include "postgresql-ha.fullname" $root }}{{ index . 1 }}
namespace: {{ $root.Release.Namespace }}
labels:
  {{- include "postgresql-ha.labels" $root | nindent 2 }}
  {{- with index . 2 }}
  app.kubernetes.io/component: {{ . }}
  {{- end }}
  {{- if gt (len .) 3 }}{{ with index . 3 }}
  {{- toYaml . | nindent 2 }}
  {{- end }}{{ end }}
{{- with $root.Values.commonAnnotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- /* A setting that global.postgresql or global.pgpool may override: (list CONTEXT "postgresql" KEY) */ -}}
{{- define "postgresql-ha.setting" -}}
{{- $root := index . 0 }}{{- $part := index . 1 }}{{- $key := index . 2 -}}
{{- index $root.Values.global $part $key | default (index $root.Values $part $key) -}}
{{- end }}

{{- /* A password: the value, else what the live Secret holds, else a new one: (list CONTEXT PART KEY SECRET SECRET-KEY) */ -}}
{{- define "postgresql-ha.password" -}}
{{- $root := index . 0 -}}
{{- $given := include "postgresql-ha.setting" (list $root (index . 1) (index . 2)) -}}
{{- $live := lookup "v1" "Secret" $root.Release.Namespace (index . 3) -}}
{{- if $given }}{{ $given | b64enc }}
{{- else if and $live (hasKey $live.data (index . 4)) }}{{ index $live.data (index . 4) }}
{{- else }}{{ randAlphaNum 16 | b64enc }}
{{- end }}
{{- end }}

{{- define "postgresql-ha.postgresql-secret" -}}
{{ include "postgresql-ha.setting" (list . "postgresql" "existingSecret") | default (printf "%s-postgresql" (include "postgresql-ha.fullname" .)) }}
{{- end }}

{{- define "postgresql-ha.pgpool-secret" -}}
{{ include "postgresql-ha.setting" (list . "pgpool" "existingSecret") | default (printf "%s-pgpool" (include "postgresql-ha.fullname" .)) }}
{{- end }}

{{- define "postgresql-ha.service-account" -}}
{{ .Values.serviceAccount.name | default (include "postgresql-ha.fullname" .) }}
{{- end }}

{{- define "postgresql-ha.image" -}}
{{ printf "%s/%s:%s" .registry .repository (toString .tag) }}
{{- end }}

{{- define "postgresql-ha.resources" -}}
{{- $presets := dict
  "nano" (dict "cpu" "100m" "memory" "128Mi" "limitCpu" "150m" "limitMemory" "192Mi")
  "micro" (dict "cpu" "250m" "memory" "256Mi" "limitCpu" "375m" "limitMemory" "384Mi")
  "small" (dict "cpu" "500m" "memory" "512Mi" "limitCpu" "750m" "limitMemory" "768Mi")
  "medium" (dict "cpu" "500m" "memory" "1024Mi" "limitCpu" "750m" "limitMemory" "1536Mi") -}}
{{- if .resources }}{{ toYaml .resources }}
{{- else if ne .resourcesPreset "none" }}
{{- $preset := get $presets .resourcesPreset | required (printf "resourcesPreset `%s` is not known" .resourcesPreset) -}}
requests: {cpu: {{ $preset.cpu }}, memory: {{ $preset.memory }}, ephemeral-storage: 50Mi}
limits: {cpu: {{ $preset.limitCpu }}, memory: {{ $preset.limitMemory }}, ephemeral-storage: 2Gi}
{{- else }}{}
{{- end }}
{{- end }}

{{- define "postgresql-ha.container-security" -}}
runAsUser: 1001
runAsGroup: 1001
runAsNonRoot: true
privileged: false
readOnlyRootFilesystem: true
allowPrivilegeEscalation: false
capabilities: {drop: [ALL]}
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- /* Pod-level settings that postgresql and pgpool share: (dict "pod" .Values.pgpool "root" .) */ -}}
{{- define "postgresql-ha.pod" -}}
serviceAccountName: {{ include "postgresql-ha.service-account" .root }}
automountServiceAccountToken: false
{{- if .pod.podSecurityContext.enabled }}
securityContext:
  {{- omit .pod.podSecurityContext "enabled" | toYaml | nindent 2 }}
{{- end }}
{{- with .pod.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .pod.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .pod.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "postgresql-ha.pod-host" -}}
{{ printf "%s-postgresql-%d.%s-postgresql-headless.%s.svc.%s" (include "postgresql-ha.fullname" .root) (int .n) (include "postgresql-ha.fullname" .root) .root.Release.Namespace .root.Values.clusterDomain }}
{{- end }}
