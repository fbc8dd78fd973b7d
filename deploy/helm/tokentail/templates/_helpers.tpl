{{- define "tokentail.name" -}}
{{- if contains "tokentail" .Release.Name }}{{ .Release.Name | trunc 40 | trimSuffix "-" }}{{ else }}{{ printf "%s-tokentail" .Release.Name | trunc 40 | trimSuffix "-" }}{{ end }}
{{- end }}

{{/* Labels by which a part is selected: dict "root" $ "part" NAME. */}}
{{- define "tokentail.selector" -}}
app.kubernetes.io/name: tokentail
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .part }}
{{- end }}

{{- define "tokentail.labels" -}}
{{ include "tokentail.selector" . }}
app.kubernetes.io/part-of: tokentail
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version }}
{{- end }}

{{- define "tokentail.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end }}

{{/* The configuration of the nodes: the values, the names of the Service, and the key of the pseudonyms. */}}
{{- define "tokentail.config" -}}
{{- $config := deepCopy .Values.config }}
{{- $service := include "tokentail.name" . }}
{{- $web := $config.web | default dict }}
{{- $names := list $service (printf "%s.%s" $service .Release.Namespace) (printf "%s.%s.svc" $service .Release.Namespace) (printf "%s.%s.svc.cluster.local" $service .Release.Namespace) }}
{{- $_ := set $web "allowed_hosts" (concat $names ($web.allowed_hosts | default list) | uniq) }}
{{- $_ := set $config "web" $web }}
{{- if .Values.privacySecret }}
{{- $privacy := $config.privacy | default dict }}
{{- $_ := set $privacy "key_file" "/run/secrets/privacy/privacy.key" }}
{{- $_ := set $config "privacy" $privacy }}
{{- end }}
{{- toYaml $config }}
{{- end }}

{{- define "tokentail.container.security" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}

{{- define "tokentail.pull" -}}
{{- with .Values.image.pullSecrets }}
imagePullSecrets: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}
