{{- define "tillmesh.dnsEgress" -}}
- to:
    - namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: kube-system}}
  ports: [{port: 53, protocol: UDP}, {port: 53, protocol: TCP}]
{{- end -}}

{{/* The way to databases, lists or Redis. Takes (dict "root" $ "store" "orders"). */}}
{{- define "tillmesh.storeEgress" -}}
{{- $root := .root -}}
{{- if eq $root.Values.profile "evaluation" -}}
{{- if eq .store "redis" -}}
- to:
    - podSelector: {matchLabels: {{ include "tillmesh.selector" (dict "root" $root "name" "redis") | fromYaml | toJson }}}
  ports: [{port: 6379, protocol: TCP}]
{{- else -}}
- to:
    {{- range $tag := $root.Values.evaluation.groupTags }}
    - podSelector: {matchLabels: {{ include "tillmesh.selector" (dict "root" $root "name" (printf "db-%v" $tag)) | fromYaml | toJson }}}
    {{- end }}
  ports: [{port: 3306, protocol: TCP}]
{{- end -}}
{{- else -}}
{{- $ports := list -}}
{{- if eq .store "redis" -}}
{{- if $root.Values.redis.host -}}{{- $ports = list ($root.Values.redis.port | int) -}}{{- end -}}
{{- else if eq .store "lists" -}}
{{- range $root.Values.lists.endpoints -}}{{- $ports = append $ports (.port | int) -}}{{- end -}}
{{- else -}}
{{- range $root.Values.orders.groups -}}{{- range .endpoints -}}{{- $ports = append $ports (.port | int) -}}{{- end -}}{{- end -}}
{{- end -}}
{{- if $ports -}}
- to:
    {{- range index $root.Values.networkPolicy.stores .store }}
    - ipBlock: {cidr: {{ . | quote }}}
    {{- end }}
  ports:
    {{- range $ports | uniq }}
    - {port: {{ . }}, protocol: TCP}
    {{- end }}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "tillmesh.tracingEgress" -}}
{{- if .Values.tracing.endpoint -}}
- to:
    {{- range .Values.networkPolicy.stores.tracing }}
    - ipBlock: {cidr: {{ . | quote }}}
    {{- end }}
  ports: [{port: {{ default (ternary "443" "80" (hasPrefix "https:" .Values.tracing.endpoint)) (regexFind "[0-9]+$" (regexFind ":[0-9]+" (trimPrefix "https:" (trimPrefix "http:" .Values.tracing.endpoint)))) }}, protocol: TCP}]
{{- else if eq .Values.profile "evaluation" -}}
- to:
    - podSelector: {matchLabels: {{ include "tillmesh.selector" (dict "root" . "name" "jaeger") | fromYaml | toJson }}}
  ports: [{port: 4318, protocol: TCP}]
{{- end -}}
{{- end -}}
