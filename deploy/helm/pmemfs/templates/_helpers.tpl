{{- define "pmemfs.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 52 | trimSuffix "-" }}
{{- end }}

{{- /* 52 characters leave room for what Kubernetes appends to a StatefulSet's name. */}}
{{- define "pmemfs.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 52 | trimSuffix "-" }}
{{- else if contains (include "pmemfs.name" .) .Release.Name }}
{{- .Release.Name | trunc 52 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name (include "pmemfs.name" .) | trunc 52 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- define "pmemfs.selector" -}}
app.kubernetes.io/name: {{ include "pmemfs.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "pmemfs.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
{{ include "pmemfs.selector" . }}
{{- end }}

{{- define "pmemfs.image" -}}
{{- if .Values.image.digest }}
{{- printf "%s@%s" .Values.image.repository .Values.image.digest }}
{{- else }}
{{- printf "%s:%s" .Values.image.repository (default .Chart.AppVersion .Values.image.tag) }}
{{- end }}
{{- end }}

{{- define "pmemfs.imagePath" -}}
{{- if eq .Values.medium.type "devdax" }}{{ .Values.medium.devdax.path }}{{ else }}/data/pmemfs.img{{ end }}
{{- end }}

{{- define "pmemfs.adminScheme" -}}
{{- if .Values.admin.tlsSecret }}https{{ else }}http{{ end }}
{{- end }}

{{- /* The probe runs in the pod, so that the admin port may stay on loopback. */}}
{{- define "pmemfs.health" -}}
- /pmemfs
- health
{{- if .Values.admin.tlsSecret }}
- --insecure
{{- end }}
- {{ include "pmemfs.adminScheme" . }}://127.0.0.1:9049
{{- end }}

{{- define "pmemfs.hostDevice" -}}
{{- if and (eq .Values.medium.type "devdax") (not .Values.medium.devdax.resource) }}true{{ end }}
{{- end }}

{{- define "pmemfs.environment" -}}
PMEMFS_CONFIG: /etc/pmemfs/pmemfs.toml
PMEMFS_IMAGE: {{ include "pmemfs.imagePath" . }}
{{- if eq .Values.medium.type "pvc" }}
PMEMFS_SIZE: {{ .Values.medium.size }}
{{- end }}
PMEMFS_NFS: 0.0.0.0:2049
PMEMFS_ROOT_MODE: "1777"
PMEMFS_ADMIN: {{ if .Values.admin.expose }}0.0.0.0{{ else }}127.0.0.1{{ end }}:9049
{{- if .Values.clients }}
PMEMFS_CLIENTS: {{ join " " .Values.clients }}
{{- end }}
{{- if ne .Values.squash "root" }}
PMEMFS_SQUASH: {{ .Values.squash }}
{{- end }}
{{- if .Values.nineP.enabled }}
PMEMFS_9P: 0.0.0.0:{{ .Values.nineP.port }}
{{- end }}
{{- if .Values.admin.tlsSecret }}
PMEMFS_ADMIN_CERT: /run/secrets/pmemfs-tls/tls.crt
PMEMFS_ADMIN_KEY: /run/secrets/pmemfs-tls/tls.key
{{- end }}
{{- if .Values.admin.tokenSecret }}
PMEMFS_ADMIN_TOKEN: /run/secrets/pmemfs-token/token
{{- end }}
{{- if eq .Values.medium.type "devdax" }}
PMEMFS_CONTROL: /run/pmemfs/control.sock
{{- end }}
{{- end }}
