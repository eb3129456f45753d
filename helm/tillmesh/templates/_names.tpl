{{/* Names, labels and images. */}}

{{- define "tillmesh.fullname" -}}
{{- default .Release.Name .Values.nameOverride | trunc 36 | trimSuffix "-" -}}
{{- end -}}

{{/* Name of a component's objects. Takes (dict "root" $ "name" "cashier"). */}}
{{- define "tillmesh.nameOf" -}}
{{- printf "%s-%s" (include "tillmesh.fullname" .root) .name | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{/* What selects a component's pods: never changes. */}}
{{- define "tillmesh.selector" -}}
app.kubernetes.io/name: tillmesh
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .name }}
{{- end -}}

{{- define "tillmesh.labels" -}}
{{ include "tillmesh.selector" . }}
app.kubernetes.io/part-of: tillmesh
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version }}
{{- end -}}

{{/* An image by digest or tag, from the registry of the house where there is one. Takes (dict "root" $ "image" (dict …)). */}}
{{- define "tillmesh.image" -}}
{{- $registry := .root.Values.global.imageRegistry -}}
{{- $repository := .image.repository -}}
{{- if $registry -}}{{- $repository = printf "%s/%s" (trimSuffix "/" $registry) (regexReplaceAll "^[^/]+\\.[^/]+/" $repository "") -}}{{- end -}}
{{- if .image.digest -}}
{{- printf "%s@%s" $repository .image.digest -}}
{{- else -}}
{{- printf "%s:%s" $repository (default .root.Chart.AppVersion .image.tag) -}}
{{- end -}}
{{- end -}}

{{/* Where a component's clients find its instances. Takes (dict "root" $ "name" "order-store"). */}}
{{- define "tillmesh.target" -}}
{{- $name := include "tillmesh.nameOf" . -}}
{{- $namespace := .root.Release.Namespace -}}
{{- if eq .root.Values.discovery.mode "endpointSlices" -}}
kubernetes:///{{ $name }}.{{ $namespace }}:grpc
{{- else -}}
dns:///{{ $name }}.{{ $namespace }}.svc.{{ .root.Values.clusterDomain }}:50051
{{- end -}}
{{- end -}}

{{/* The database server i of a group of the evaluation. Takes (dict "root" $ "tag" 1 "place" 0). */}}
{{- define "tillmesh.databaseHost" -}}
{{- $name := include "tillmesh.nameOf" (dict "root" .root "name" (printf "db-%v" .tag)) -}}
{{- printf "%s-%v.%s.%s.svc.%s" $name .place $name .root.Release.Namespace .root.Values.clusterDomain -}}
{{- end -}}
