{{/* Labels of every object; selectors do not use them. */}}
{{- define "prunella.labels" -}}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version | replace "+" "_" }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/part-of: prunella
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
{{- end }}

{{/* The development server is in an image of its own, which all pods use then. */}}
{{- define "prunella.image" -}}
{{- with .Values.image -}}
{{ .repository }}{{ if $.Values.temporal.developmentServer.enabled }}-embedded{{ end }}{{ if .digest }}@{{ .digest }}{{ else }}:{{ .tag | default $.Chart.AppVersion }}{{ end }}
{{- end }}
{{- end }}

{{- define "prunella.telemetryImage" -}}
{{- with .Values.telemetry.image -}}
{{ .repository | default (printf "%s-telemetry" $.Values.image.repository) }}
{{- if .digest }}@{{ .digest }}{{ else }}:{{ .tag | default $.Values.image.tag | default $.Chart.AppVersion }}{{ end }}
{{- end }}
{{- end }}

{{/* The workers that repair read telemetry as evidence, and the console shows it. */}}
{{- define "prunella.readerImage" -}}
{{- include (ternary "prunella.telemetryImage" "prunella.image" .Values.telemetry.enabled) . }}
{{- end }}

{{- define "prunella.temporalAddress" -}}
{{- if .Values.temporal.developmentServer.enabled -}}
temporal:7233
{{- else -}}
{{ required "temporal.address is required: set it, or temporal.developmentServer.enabled=true to try Prunella" .Values.temporal.address }}
{{- end }}
{{- end }}

{{/* Data of the ConfigMap; `settings` has the last word. */}}
{{- define "prunella.settings" -}}
{{- $found := dict "PRUNELLA_LOG_FORMAT" "json" "PRUNELLA_TEMPORAL_ADDRESS" (include "prunella.temporalAddress" .) }}
{{- if ne .Values.temporal.namespace "default" }}
{{- $_ := set $found "PRUNELLA_TEMPORAL_NAMESPACE" .Values.temporal.namespace }}
{{- end }}
{{- if .Values.telemetry.enabled }}
{{- $_ := set $found "PRUNELLA_TELEMETRY_KAFKA" .Values.telemetry.kafka }}
{{- end }}
{{- if ne .Release.Namespace "prunella-system" }}
{{- $protected := list "kube-system" "kube-public" "kube-node-lease" .Release.Namespace | join "," }}
{{- $_ := set $found "PRUNELLA_PROTECTED_NAMESPACES" $protected }}
{{- end }}
{{- mergeOverwrite $found .Values.settings | toYaml }}
{{- end }}

{{/* Ports that NetworkPolicies let through: of a list, or of addresses (HOST:PORT, with commas). */}}

{{- define "prunella.ports" }}
{{- range uniq . }}
- port: {{ . }}
{{- end }}
{{- end }}

{{- define "prunella.portsOf" }}
{{- $found := list }}
{{- range splitList "," . }}{{ $found = splitList ":" . | last | append $found }}{{ end }}
{{- include "prunella.ports" $found }}
{{- end }}

{{- define "prunella.scheduling" }}
{{- range $key := list "imagePullSecrets" "nodeSelector" "tolerations" "affinity" }}
{{- with get $.Values $key }}
{{ dict $key . | toYaml }}
{{- end }}
{{- end }}
{{- end }}

{{/* Variables, mounts and volumes that are added to those of the manifests. */}}

{{- define "prunella.extra.env" }}
{{- with .Values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "prunella.extra.mounts" }}
{{- with .Values.extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "prunella.extra.volumes" }}
{{- with .Values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "prunella.operator.env" }}
{{- if .Values.webhook.enabled }}
- name: PRUNELLA_WEBHOOK_TOKEN_FILE
  value: /etc/prunella/webhook/token
{{- end }}
{{- include "prunella.extra.env" . }}
{{- end }}

{{- define "prunella.operator.mounts" }}
{{- if .Values.webhook.enabled }}
- name: webhook
  mountPath: /etc/prunella/webhook
  readOnly: true
{{- end }}
{{- include "prunella.extra.mounts" . }}
{{- end }}

{{- define "prunella.operator.volumes" }}
{{- if .Values.webhook.enabled }}
- name: webhook
  secret:
    secretName: {{ .Values.webhook.secretName }}
    defaultMode: 0440
{{- end }}
{{- include "prunella.extra.volumes" . }}
{{- end }}

{{- define "prunella.reader.env" }}
{{- if .Values.telemetry.enabled }}
- name: PRUNELLA_TELEMETRY_DATABASE_URL_FILE
  value: /etc/prunella/telemetry/database-url
{{- end }}
{{- end }}

{{- define "prunella.reader.mounts" }}
{{- if .Values.telemetry.enabled }}
- name: telemetry
  mountPath: /etc/prunella/telemetry
  readOnly: true
{{- end }}
{{- end }}

{{/* The keys of links to answer: workers sign them, the console reads them. */}}

{{- define "prunella.links.env" }}
{{- if (.Values.answerLinks | default dict).enabled }}
- name: PRUNELLA_LINK_KEY_FILE
  value: /etc/prunella/links/keys
{{- end }}
{{- end }}

{{- define "prunella.links.mounts" }}
{{- if (.Values.answerLinks | default dict).enabled }}
- name: links
  mountPath: /etc/prunella/links
  readOnly: true
{{- end }}
{{- end }}

{{- define "prunella.links.volumes" }}
{{- if (.Values.answerLinks | default dict).enabled }}
- name: links
  secret:
    secretName: {{ .Values.answerLinks.secretName }}
    defaultMode: 0440
{{- end }}
{{- end }}

{{- define "prunella.worker.env" }}
{{- include "prunella.reader.env" . }}
{{- include "prunella.links.env" . }}
{{- include "prunella.extra.env" . }}
{{- end }}

{{- define "prunella.worker.mounts" }}
{{- include "prunella.reader.mounts" . }}
{{- include "prunella.links.mounts" . }}
{{- include "prunella.extra.mounts" . }}
{{- end }}

{{- define "prunella.worker.volumes" }}
{{- if .Values.telemetry.enabled }}
- name: telemetry
  secret:
    secretName: {{ .Values.telemetry.secretName }}
    defaultMode: 0440
    items:
      - key: database-url
        path: database-url
{{- end }}
{{- include "prunella.links.volumes" . }}
{{- include "prunella.extra.volumes" . }}
{{- end }}

{{/* The console differs from these workers by its role in the database, which only reads, and by what is added: people
reach it, and it does not speak to Temporal, so it gets no credentials of the others. */}}
{{- define "prunella.console.env" }}
{{- include "prunella.reader.env" . }}
{{- include "prunella.links.env" . }}
{{- if dig "oidc" "enabled" false .Values.console }}
- name: PRUNELLA_CONSOLE_OIDC_CLIENT_SECRET_FILE
  value: /etc/prunella/oidc/client-secret
{{- end }}
{{- with .Values.console.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "prunella.console.mounts" }}
{{- include "prunella.reader.mounts" . }}
{{- include "prunella.links.mounts" . }}
{{- if dig "oidc" "enabled" false .Values.console }}
- name: oidc
  mountPath: /etc/prunella/oidc
  readOnly: true
{{- end }}
{{- with .Values.console.extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "prunella.console.volumes" }}
{{- if .Values.telemetry.enabled }}
- name: telemetry
  secret:
    secretName: {{ .Values.telemetry.secretName }}
    defaultMode: 0440
    items:
      - key: console-database-url
        path: database-url
{{- end }}
{{- include "prunella.links.volumes" . }}
{{- if dig "oidc" "enabled" false .Values.console }}
- name: oidc
  secret:
    secretName: {{ .Values.console.oidc.secretName }}
    defaultMode: 0440
{{- end }}
{{- with .Values.console.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end }}
