{{/* Mutual TLS between pods: where each has its certificate, and from whom. */}}

{{/* The Secret with a component's certificate; empty without TLS. Takes (dict "root" $ "name" "cashier"). */}}
{{- define "tillmesh.tlsSecret" -}}
{{- if eq .root.Values.tls.mode "existingSecret" -}}{{ .root.Values.tls.existingSecret.name }}
{{- else if eq .root.Values.tls.mode "certManager" -}}{{ include "tillmesh.nameOf" (dict "root" .root "name" (printf "%s-tls" .name)) }}
{{- end -}}
{{- end -}}

{{/* The setting server.tls, as JSON; null without TLS. Takes (dict "root" $). */}}
{{- define "tillmesh.tls" -}}
{{- $tls := .root.Values.tls -}}
{{- if eq $tls.mode "off" -}}null
{{- else -}}
{{- $setting := dict "folder" "/etc/tillmesh/tls" -}}
{{- if and (eq $tls.mode "existingSecret") $tls.existingSecret.serverName -}}{{- $_ := set $setting "serverName" $tls.existingSecret.serverName -}}{{- end -}}
{{- toJson $setting -}}
{{- end -}}
{{- end -}}

{{/* A component's own certificate by cert-manager: for each name by which neighbours find it. Takes (dict "root" $ "name" "cashier"). */}}
{{- define "tillmesh.certificate" -}}
{{- $host := include "tillmesh.nameOf" . -}}
{{- $certManager := .root.Values.tls.certManager -}}
---
apiVersion: cert-manager.io/v1
kind: Certificate
metadata:
  name: {{ include "tillmesh.tlsSecret" . }}
  labels: {{ include "tillmesh.labels" . | nindent 4 }}
spec:
  secretName: {{ include "tillmesh.tlsSecret" . }}
  secretTemplate:
    labels: {{ include "tillmesh.labels" . | nindent 6 }}
  dnsNames:
    - {{ $host }}.{{ .root.Release.Namespace }}.svc.{{ .root.Values.clusterDomain }}
    - {{ $host }}.{{ .root.Release.Namespace }}.svc
    - {{ $host }}.{{ .root.Release.Namespace }}
    - {{ $host }}
  # Every service calls others and is called.
  usages: [digital signature, key encipherment, server auth, client auth]
  privateKey: {algorithm: ECDSA, size: 256, rotationPolicy: Always}
  duration: {{ $certManager.duration }}
  renewBefore: {{ $certManager.renewBefore }}
  issuerRef: {name: {{ $certManager.issuer.name }}, kind: {{ $certManager.issuer.kind }}, group: {{ $certManager.issuer.group }}}
{{- end -}}
