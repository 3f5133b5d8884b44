{{- /* What the schema cannot say: values that contradict each other, or of which Kubernetes or the server makes nothing. */}}
{{- define "pmemfs.check" -}}
{{- include "pmemfs.checkConfig" . }}
{{- include "pmemfs.checkAddresses" . }}
{{- include "pmemfs.checkMedium" . }}
{{- include "pmemfs.checkAdmin" . }}
{{- if .Values.nineP.enabled }}
{{- with get (dict "2049" "NFS has" "9049" "the admin port has") (toString .Values.nineP.port) }}
{{- fail (printf "nineP.port: %s port %d" . (int $.Values.nineP.port)) }}
{{- end }}
{{- end }}
{{- if and .Values.restartOnConfig (hasKey .Values.podAnnotations "checksum/config") }}
{{- fail "podAnnotations: restartOnConfig sets checksum/config: leave out one of the two" }}
{{- end }}
{{- end }}

{{- /* Exports are said in one place only, and the container's variables are about one image. */}}
{{- define "pmemfs.checkConfig" -}}
{{- if regexMatch (include "pmemfs.tableArray" "image") .Values.config }}
{{- fail "config: [[image]] is not possible here: the chart serves one image. Say its keys above all tables" }}
{{- end }}
{{- if include "pmemfs.namesExports" . }}
{{- if .Values.clients }}
{{- fail "clients is for the one export that there is when config has no [[export]]: say clients with each export" }}
{{- end }}
{{- if ne .Values.squash "root" }}
{{- fail "squash is for the one export that there is when config has no [[export]]: say squash with each export" }}
{{- end }}
{{- end }}
{{- if regexMatch "(?m)^\\s*[\"']?admin_(cert|key|token)[\"']?\\s*=" .Values.config }}
{{- fail "config: say admin.tlsSecret and admin.tokenSecret: the probes and the pod's volumes have to know of them" }}
{{- end }}
{{- end }}

{{- define "pmemfs.isAddress" -}}
{{- $octet := "(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])" }}
{{- $group := "[0-9a-fA-F]{1,4}" }}
{{- $groups := printf "%s(:%s)*" $group $group }}
{{- if regexMatch (printf "^(%s\\.){3}%s$" $octet $octet) . }}true
{{- else if regexMatch (printf "^%s(:%s){7}$" $group $group) . }}true
{{- else if and (regexMatch (printf "^(%s)?::(%s)?$" $groups $groups) .) (lt (len (regexFindAll $group . -1)) 8) }}true
{{- end }}
{{- end }}

{{- define "pmemfs.checkAddresses" -}}
{{- range $value, $address := dict "service.clusterIP" .Values.service.clusterIP "service.loadBalancerIP" .Values.service.loadBalancerIP }}
{{- if and $address (not (include "pmemfs.isAddress" $address)) }}
{{- fail (printf "%s: %s is no address" $value $address) }}
{{- end }}
{{- end }}
{{- range $value, $networks := dict "clients" .Values.clients "service.loadBalancerSourceRanges" .Values.service.loadBalancerSourceRanges }}
{{- range $network := $networks }}
{{- $parts := splitList "/" $network }}
{{- $bits := ternary 128 32 (contains ":" $network) }}
{{- $prefix := int (get (dict "1" $bits "2" (last $parts)) (toString (len $parts))) }}
{{- if or (not (include "pmemfs.isAddress" (first $parts))) (gt $prefix $bits) (regexMatch "/0[0-9]" $network) }}
{{- fail (printf "%s: %s is no network: give one such as 10.0.0.0/8, or an address" $value $network) }}
{{- end }}
{{- if eq $bits 32 }}
{{- include "pmemfs.checkHostBits" (list $value $network (first $parts) $prefix) }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{- /* The server refuses an address in a network where one of the two is meant: the value, what it has, and the two. */}}
{{- define "pmemfs.checkHostBits" -}}
{{- $address := 0 }}
{{- range splitList "." (index . 2) }}{{ $address = add (mul $address 256) (int64 .) }}{{ end }}
{{- $addresses := 1 }}
{{- range until (int (sub 32 (index . 3))) }}{{ $addresses = mul $addresses 2 }}{{ end }}
{{- if mod $address $addresses }}
{{- fail (printf "%s: %s is an address in a network: one of the two is meant" (index . 0) (index . 1)) }}
{{- end }}
{{- end }}

{{- define "pmemfs.checkMedium" -}}
{{- with .Values.medium }}
{{- if eq .type "devdax" }}
{{- if not (or .devdax.resource $.Values.nodeSelector) }}
{{- fail "medium.type devdax needs nodeSelector, or medium.devdax.resource: the device is that of one node" }}
{{- end }}
{{- else if not .pvc.existingClaim }}
{{- if ge (float64 (include "pmemfs.bytes" .size)) (float64 (include "pmemfs.bytes" .pvc.size)) }}
{{- fail (printf "medium.pvc.size: an image of %s needs a claim that is a little larger than that, and not %s" .size .pvc.size) }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{- /* A size as the server writes it or as Kubernetes does, in bytes. */}}
{{- define "pmemfs.bytes" -}}
{{- $unit := trimSuffix "B" (regexFind "[A-Za-z]*$" .) }}
{{- mulf (regexFind "^[0-9]+" .) (get (dict "" 1 "Ki" 1024 "Mi" 1048576 "Gi" 1073741824 "Ti" 1099511627776) $unit) }}
{{- end }}

{{- define "pmemfs.checkAdmin" -}}
{{- if and .Values.admin.expose .Values.admin.tokenSecret (not .Values.admin.tlsSecret) }}
{{- fail "admin.tokenSecret with admin.expose needs admin.tlsSecret: a token does not travel in plain text" }}
{{- end }}
{{- if .Values.serviceMonitor.enabled }}
{{- if not .Values.admin.expose }}
{{- fail "serviceMonitor.enabled needs admin.expose: Prometheus cannot reach the pod's loopback" }}
{{- end }}
{{- if and .Values.networkPolicy.enabled (not .Values.networkPolicy.monitoring) }}
{{- fail "serviceMonitor.enabled needs networkPolicy.monitoring, from where Prometheus connects, or networkPolicy.enabled=false" }}
{{- end }}
{{- end }}
{{- end }}
