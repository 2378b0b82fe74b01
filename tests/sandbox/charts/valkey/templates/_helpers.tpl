{{- define "valkey.name" -}}
{{ default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "valkey.fullname" -}}
{{- $name := include "valkey.name" . -}}
{{- if .Values.fullnameOverride }}{{ .Values.fullnameOverride | trunc 63 | trimSuffix "-" }}
{{- else if contains $name .Release.Name }}{{ .Release.Name | trunc 63 | trimSuffix "-" }}
{{- else }}{{ printf "%s-%s" .Release.Name $name | trunc 63 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- define "valkey.selector" -}}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/name: {{ include "valkey.name" . }}
{{- end }}

{{- define "valkey.labels" -}}
{{ include "valkey.selector" . }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- /* Metadata of an object: (list CONTEXT SUFFIX COMPONENT) */ -}}
{{- define "valkey.metadata" -}}
{{- $root := index . 0 -}}
name: {{ include "valkey.fullname" $root }}{{ index . 1 }}
namespace: {{ $root.Release.Namespace }}
labels:
  {{- include "valkey.labels" $root | nindent 2 }}
  {{- with index . 2 }}
  app.kubernetes.io/component: {{ . }}
  {{- end }}
{{- with $root.Values.commonAnnotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "valkey.secret" -}}
{{ .Values.auth.existingSecret | default (include "valkey.fullname" .) }}
{{- end }}

{{- define "valkey.password-key" -}}
{{ and .Values.auth.existingSecret .Values.auth.existingSecretPasswordKey | default "valkey-password" }}
{{- end }}

{{- define "valkey.resources" -}}
{{- $presets := dict
  "nano" (dict "cpu" "100m" "memory" "128Mi" "limitCpu" "150m" "limitMemory" "192Mi")
  "micro" (dict "cpu" "250m" "memory" "256Mi" "limitCpu" "375m" "limitMemory" "384Mi")
  "small" (dict "cpu" "500m" "memory" "512Mi" "limitCpu" "750m" "limitMemory" "768Mi") -}}
{{- if .resources }}{{ toYaml .resources }}
{{- else if ne .resourcesPreset "none" }}
{{- $preset := get $presets .resourcesPreset | required (printf "resourcesPreset `%s` is not known" .resourcesPreset) -}}
requests: {cpu: {{ $preset.cpu }}, memory: {{ $preset.memory }}, ephemeral-storage: 50Mi}
limits: {cpu: {{ $preset.limitCpu }}, memory: {{ $preset.limitMemory }}, ephemeral-storage: 2Gi}
{{- else }}{}
{{- end }}
{{- end }}
