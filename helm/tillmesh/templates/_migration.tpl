{{/* The pod that brings every group to the latest schema. */}}
{{- define "tillmesh.migrationPod" -}}
{{- $root := .root -}}
metadata:
  labels: {{ include "tillmesh.labels" . | nindent 4 }}
  annotations:
    checksum/config: {{ .config | toJson | sha256sum }}
spec:
  restartPolicy: OnFailure
  serviceAccountName: {{ include "tillmesh.nameOf" . }}
  automountServiceAccountToken: false
  enableServiceLinks: false
  {{- with $root.Values.global.imagePullSecrets }}
  imagePullSecrets: {{ toYaml . | nindent 4 }}
  {{- end }}
  securityContext:
    runAsNonRoot: true
    runAsUser: 65532
    runAsGroup: 65532
    fsGroup: 65532
    seccompProfile: {type: RuntimeDefault}
  containers:
    - name: migrate
      image: {{ include "tillmesh.image" (dict "root" $root "image" $root.Values.image) }}
      imagePullPolicy: {{ $root.Values.image.pullPolicy }}
      args: [services/order-store/src/migrate-main.ts]
      env:
        - {name: TILLMESH_CONFIG, value: /etc/tillmesh/config/config.json}
      resources: {{ toYaml $root.Values.migration.resources | nindent 8 }}
      securityContext:
        allowPrivilegeEscalation: false
        readOnlyRootFilesystem: true
        capabilities: {drop: [ALL]}
      volumeMounts:
        - {name: config, mountPath: /etc/tillmesh/config, readOnly: true}
        - {name: secrets, mountPath: /etc/tillmesh/secrets, readOnly: true}
        - {name: tmp, mountPath: /tmp}
  volumes:
    - name: config
      configMap: {name: {{ include "tillmesh.nameOf" . }}}
    - name: secrets
      projected:
        defaultMode: 288
        sources:
          {{- range (include "tillmesh.secretSources" . | fromJson).sources }}
          - secret: {name: {{ .name }}, items: [{key: {{ .key }}, path: {{ .path }}}]}
          {{- end }}
    - name: tmp
      emptyDir: {sizeLimit: 64Mi}
{{- end -}}
