{{- define "pmemfs.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 52 | trimSuffix "-" }}
{{- end }}

{{- /* 52 characters leave room for what Kubernetes appends to a StatefulSet's name. */}}
{{- define "pmemfs.fullname" -}}
{{- $name := printf "%s-%s" .Release.Name (include "pmemfs.name" .) }}
{{- if .Values.fullnameOverride }}
{{- $name = .Values.fullnameOverride }}
{{- else if contains (include "pmemfs.name" .) .Release.Name }}
{{- $name = .Release.Name }}
{{- end }}
{{- $name = $name | trunc 52 | trimSuffix "-" }}
{{- /* Releases may have names that Services may not. */}}
{{- if not (regexMatch "^[a-z]([-a-z0-9]*[a-z0-9])?$" $name) }}
{{- fail (printf "%q is no name of a Service: it begins with a letter and has small letters, digits and hyphens. Set fullnameOverride" $name) }}
{{- end }}
{{- $name }}
{{- end }}

{{- define "pmemfs.selector" -}}
app.kubernetes.io/name: {{ include "pmemfs.name" . | quote }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end }}

{{- define "pmemfs.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
{{ include "pmemfs.selector" . }}
{{- end }}

{{- /* Labels that the values add to one object: the root, the name of the value, and the labels. A key that comes twice is no YAML. */}}
{{- define "pmemfs.moreLabels" -}}
{{- $own := include "pmemfs.labels" (index . 0) | fromYaml }}
{{- $value := index . 1 }}
{{- range $key, $_ := index . 2 }}
{{- if hasKey $own $key }}
{{- fail (printf "%s: the chart itself sets %s" $value $key) }}
{{- end }}
{{- end }}
{{- toYaml (index . 2) }}
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

{{- /* What begins an array of the tables that are named so, in TOML. */}}
{{- define "pmemfs.tableArray" -}}
{{- printf "(?m)^\\s*(\\[\\[\\s*[\"']?%s[\"']?\\s*\\]\\]|[\"']?%s[\"']?\\s*=\\s*\\[)" . . }}
{{- end }}

{{- define "pmemfs.namesExports" -}}
{{- if regexMatch (include "pmemfs.tableArray" "export") .Values.config }}true{{ end }}
{{- end }}

{{- define "pmemfs.environment" -}}
- {name: PMEMFS_CONFIG, value: /etc/pmemfs/pmemfs.toml}
- {name: PMEMFS_IMAGE, value: {{ include "pmemfs.imagePath" . | quote }}}
{{- if eq .Values.medium.type "pvc" }}
- {name: PMEMFS_SIZE, value: {{ .Values.medium.size | quote }}}
{{- end }}
- {name: PMEMFS_NFS, value: "0.0.0.0:2049"}
- {name: PMEMFS_ROOT_MODE, value: "1777"}
- {name: PMEMFS_ADMIN, value: "{{ if .Values.admin.expose }}0.0.0.0{{ else }}127.0.0.1{{ end }}:9049"}
{{- if .Values.clients }}
- {name: PMEMFS_CLIENTS, value: {{ join " " .Values.clients | quote }}}
{{- end }}
{{- if ne .Values.squash "root" }}
- {name: PMEMFS_SQUASH, value: {{ .Values.squash | quote }}}
{{- end }}
{{- if .Values.nineP.enabled }}
- {name: PMEMFS_9P, value: "0.0.0.0:{{ .Values.nineP.port }}"}
{{- end }}
{{- if .Values.admin.tlsSecret }}
- {name: PMEMFS_ADMIN_CERT, value: /run/secrets/pmemfs-tls/tls.crt}
- {name: PMEMFS_ADMIN_KEY, value: /run/secrets/pmemfs-tls/tls.key}
{{- end }}
{{- if .Values.admin.tokenSecret }}
- {name: PMEMFS_ADMIN_TOKEN, value: /run/secrets/pmemfs-token/token}
{{- end }}
{{- if eq .Values.medium.type "devdax" }}
- {name: PMEMFS_CONTROL, value: /run/pmemfs/control.sock}
{{- end }}
{{- end }}
