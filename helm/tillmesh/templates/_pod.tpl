{{/* The one pod of all components that run the image. Takes (dict "root" $ "name" … "component" … "image" … "track" …). */}}
{{- define "tillmesh.pod" -}}
{{- $root := .root -}}{{- $name := .name -}}{{- $component := .component -}}
{{- $secrets := (include "tillmesh.secretSources" . | fromJson).sources -}}
{{- $channelSecret := "" -}}
{{- if $component.channelId -}}
{{- $channelSecret = $component.secretName -}}
{{- if eq $root.Values.profile "evaluation" -}}{{- $channelSecret = include "tillmesh.simulatedSecret" $root -}}{{- end -}}
{{- end -}}
metadata:
  labels:
    {{- include "tillmesh.labels" . | nindent 4 }}
    tillmesh.io/track: {{ .track }}
    {{- with $component.podLabels }}{{ toYaml . | nindent 4 }}{{ end }}
  annotations:
    # A pod reads its configuration once: what changes it makes new pods.
    checksum/config: {{ include "tillmesh.config" . | sha256sum }}
    {{- with $component.podAnnotations }}{{ toYaml . | nindent 4 }}{{ end }}
spec:
  serviceAccountName: {{ include "tillmesh.nameOf" . }}
  automountServiceAccountToken: {{ eq $root.Values.discovery.mode "endpointSlices" }}
  enableServiceLinks: false
  {{- with $root.Values.global.imagePullSecrets }}
  imagePullSecrets: {{ toYaml . | nindent 4 }}
  {{- end }}
  # Longer than preStop, drain and closing together; _validate.tpl holds that.
  terminationGracePeriodSeconds: {{ $component.drain.graceSeconds | int }}
  securityContext:
    runAsNonRoot: true
    runAsUser: 65532
    runAsGroup: 65532
    fsGroup: 65532
    fsGroupChangePolicy: OnRootMismatch
    seccompProfile: {type: RuntimeDefault}
  dnsConfig:
    # Names are whole: four look-ups that cannot succeed are saved at every one.
    options: [{name: ndots, value: "2"}]
  topologySpreadConstraints:
    {{- range $key := list "topology.kubernetes.io/zone" "kubernetes.io/hostname" }}
    - maxSkew: 1
      topologyKey: {{ $key }}
      whenUnsatisfiable: {{ $component.spread.whenUnsatisfiable }}
      labelSelector:
        matchLabels: {{ include "tillmesh.selector" (dict "root" $root "name" $name) | nindent 10 }}
      matchLabelKeys: [pod-template-hash]
    {{- end }}
  affinity:
    podAntiAffinity:
      preferredDuringSchedulingIgnoredDuringExecution:
        {{- range $weight, $key := dict "100" "topology.kubernetes.io/zone" "50" "kubernetes.io/hostname" }}
        - weight: {{ $weight }}
          podAffinityTerm:
            topologyKey: {{ $key }}
            labelSelector:
              matchLabels: {{ include "tillmesh.selector" (dict "root" $root "name" $name) | nindent 16 }}
        {{- end }}
    {{- with $component.nodeAffinity }}
    nodeAffinity: {{ toYaml . | nindent 6 }}
    {{- end }}
  {{- with $component.nodeSelector }}
  nodeSelector: {{ toYaml . | nindent 4 }}
  {{- end }}
  {{- with $component.tolerations }}
  tolerations: {{ toYaml . | nindent 4 }}
  {{- end }}
  {{- with $component.priorityClassName }}
  priorityClassName: {{ . }}
  {{- end }}
  containers:
    - name: {{ $name }}
      image: {{ .image }}
      imagePullPolicy: {{ $root.Values.image.pullPolicy }}
      args: [{{ $component.script | quote }}]
      env:
        - {name: TILLMESH_CONFIG, value: /etc/tillmesh/config/config.json}
        - {name: POD_NAME, valueFrom: {fieldRef: {fieldPath: metadata.name}}}
        {{- include "tillmesh.tracingEnv" (dict "root" $root) | nindent 8 }}
        {{- with $component.extraEnv }}{{ toYaml . | nindent 8 }}{{ end }}
      ports:
        - {name: grpc, containerPort: 50051}
        - {name: probes, containerPort: 50052}
        - {name: metrics, containerPort: 9464}
        {{- if eq $name "edge" }}
        - {name: http, containerPort: 8080}
        {{- else if eq $name "watch" }}
        - {name: http, containerPort: 8081}
        {{- end }}
      # Listening is all that a start is: what a neighbour has to mend restarts nobody.
      startupProbe:
        grpc: {port: 50052, service: startup}
        periodSeconds: 2
        timeoutSeconds: 2
        failureThreshold: 60
      readinessProbe:
        grpc: {port: 50052, service: readiness}
        periodSeconds: 3
        timeoutSeconds: 2
        failureThreshold: 2
      livenessProbe:
        grpc: {port: 50052, service: liveness}
        periodSeconds: 10
        timeoutSeconds: 5
        failureThreshold: 6
      lifecycle:
        # The pod leaves the endpoints while it still serves; only then SIGTERM begins the drain.
        preStop: {sleep: {seconds: {{ $component.drain.preStopSeconds | int }}}}
      resources: {{ toYaml $component.resources | nindent 8 }}
      securityContext:
        allowPrivilegeEscalation: false
        readOnlyRootFilesystem: true
        capabilities: {drop: [ALL]}
      volumeMounts:
        - {name: config, mountPath: /etc/tillmesh/config, readOnly: true}
        {{- if $secrets }}
        - {name: secrets, mountPath: /etc/tillmesh/secrets, readOnly: true}
        {{- end }}
        {{- if $channelSecret }}
        - {name: channel-secrets, mountPath: /etc/tillmesh/channel-secrets, readOnly: true}
        {{- end }}
        {{- if $component.ownSecret }}
        - {name: own-secrets, mountPath: /etc/tillmesh/own-secrets, readOnly: true}
        {{- end }}
        {{- with include "tillmesh.tls" (dict "root" $root) | fromJson }}
        - {name: tls, mountPath: {{ .folder }}, readOnly: true}
        {{- end }}
        {{- if eq $name "routing" }}
        - {name: routing, mountPath: /etc/tillmesh/routing, readOnly: true}
        {{- end }}
        {{- if has $name (list "routing" "cashier" "reconciler") }}
        - {name: state, mountPath: /var/lib/tillmesh}
        {{- end }}
        - {name: tmp, mountPath: /tmp}
  volumes:
    - name: config
      configMap:
        name: {{ include "tillmesh.nameOf" . }}
        items: [{key: config.json, path: config.json}]
    {{- if $secrets }}
    - name: secrets
      projected:
        defaultMode: 288
        sources:
          {{- range $secrets }}
          - secret: {name: {{ .name }}, items: [{key: {{ .key }}, path: {{ .path }}}]}
          {{- end }}
    {{- end }}
    {{- if $channelSecret }}
    - name: channel-secrets
      secret: {secretName: {{ $channelSecret }}, defaultMode: 288}
    {{- end }}
    {{- with $component.ownSecret }}
    - name: own-secrets
      secret: {secretName: {{ . }}, defaultMode: 288}
    {{- end }}
    {{- with include "tillmesh.tlsSecret" . }}
    - name: tls
      secret: {secretName: {{ . }}, defaultMode: 288}
    {{- end }}
    {{- if eq $name "routing" }}
    - name: routing
      configMap: {name: {{ include "tillmesh.nameOf" (dict "root" $root "name" "routing-table") }}}
    {{- end }}
    {{- if or (eq $name "cashier") (and (has $name (list "routing" "reconciler")) (not $root.Values.routing.persistence.enabled)) }}
    - name: state
      emptyDir: {sizeLimit: 64Mi}
    {{- end }}
    - name: tmp
      emptyDir: {sizeLimit: 64Mi}
{{- end -}}

{{/* Where traces go, as the OpenTelemetry variables that startTelemetry reads. */}}
{{- define "tillmesh.tracingEnv" -}}
{{- $endpoint := .root.Values.tracing.endpoint -}}
{{- if and (eq .root.Values.profile "evaluation") (not $endpoint) -}}
{{- $endpoint = printf "http://%s.%s.svc.%s:4318" (include "tillmesh.nameOf" (dict "root" .root "name" "jaeger")) .root.Release.Namespace .root.Values.clusterDomain -}}
{{- end -}}
{{- if $endpoint }}
- {name: OTEL_EXPORTER_OTLP_ENDPOINT, value: {{ $endpoint | quote }}}
- {name: OTEL_TRACES_SAMPLER_ARG, value: {{ .root.Values.tracing.ratio | quote }}}
- {name: OTEL_RESOURCE_ATTRIBUTES, value: "k8s.namespace.name={{ .root.Release.Namespace }},k8s.pod.name=$(POD_NAME)"}
{{- end }}
{{- end -}}
