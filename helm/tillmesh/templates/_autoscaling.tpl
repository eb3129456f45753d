{{/* An autoscaler of Kubernetes or of KEDA. */}}
{{- define "tillmesh.autoscaling" -}}
{{- $autoscaling := .component.autoscaling -}}
{{- $name := include "tillmesh.nameOf" . }}
---
{{- if eq $autoscaling.type "keda" }}
apiVersion: keda.sh/v1alpha1
kind: ScaledObject
metadata:
  name: {{ $name }}
  labels: {{ include "tillmesh.labels" . | nindent 4 }}
spec:
  scaleTargetRef: {name: {{ $name }}}
  minReplicaCount: {{ $autoscaling.minReplicas | int }}
  maxReplicaCount: {{ $autoscaling.maxReplicas | int }}
  pollingInterval: 15
  cooldownPeriod: 300
  triggers:
    - type: cpu
      metricType: Utilization
      metadata: {value: {{ $autoscaling.cpuPercent | int | quote }}}
    - type: prometheus
      metadata:
        serverAddress: {{ $autoscaling.prometheusUrl | quote }}
        query: {{ printf "sum(%s{namespace=%q,pod=~\"%s-.*\"})" $autoscaling.queueMetric .root.Release.Namespace $name | quote }}
        threshold: {{ $autoscaling.queueThreshold | quote }}
{{- else }}
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata:
  name: {{ $name }}
  labels: {{ include "tillmesh.labels" . | nindent 4 }}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: {{ $name }}}
  minReplicas: {{ $autoscaling.minReplicas | int }}
  maxReplicas: {{ $autoscaling.maxReplicas | int }}
  metrics:
    - type: Resource
      resource: {name: cpu, target: {type: Utilization, averageUtilization: {{ $autoscaling.cpuPercent | int }}}}
    {{- if $autoscaling.inFlightPerPod }}
    - type: Pods
      pods:
        metric: {name: tillmesh_rpc_in_flight}
        target: {type: AverageValue, averageValue: {{ $autoscaling.inFlightPerPod | int | quote }}}
    {{- end }}
  behavior:
    scaleUp: {stabilizationWindowSeconds: 0, policies: [{type: Percent, value: 100, periodSeconds: 15}]}
    # Payments come in waves: what was needed five minutes ago may be needed again.
    scaleDown: {stabilizationWindowSeconds: 300, policies: [{type: Pods, value: 1, periodSeconds: 60}]}
{{- end }}
{{- end -}}
