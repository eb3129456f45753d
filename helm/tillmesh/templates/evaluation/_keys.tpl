{{/* The pod that makes what the evaluation keeps secret. */}}
{{- define "tillmesh.keysPod" -}}
{{- $keys := dict "root" . "name" "evaluation-keys" }}
metadata:
  labels: {{ include "tillmesh.labels" $keys | nindent 4 }}
spec:
  restartPolicy: OnFailure
  serviceAccountName: {{ include "tillmesh.nameOf" $keys }}
  automountServiceAccountToken: true
  enableServiceLinks: false
  {{- with .Values.global.imagePullSecrets }}
  imagePullSecrets: {{ toYaml . | nindent 4 }}
  {{- end }}
  securityContext: {runAsNonRoot: true, runAsUser: 65532, runAsGroup: 65532, fsGroup: 65532, seccompProfile: {type: RuntimeDefault}}
  containers:
    - name: keys
      image: {{ include "tillmesh.image" (dict "root" . "image" .Values.image) }}
      imagePullPolicy: {{ .Values.image.pullPolicy }}
      args:
        - services/sandbox/src/cluster-keys-main.ts
        - --databases
        - {{ include "tillmesh.evaluationSecret" . }}
        - --channels
        - {{ include "tillmesh.simulatedSecret" . }}
        - --host
        - {{ printf "%s.%s.svc.%s" (include "tillmesh.nameOf" (dict "root" . "name" "sandbox")) .Release.Namespace .Values.clusterDomain }}
      resources: {{ toYaml .Values.evaluation.resources.other | nindent 8 }}
      securityContext: {allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: {drop: [ALL]}}
      volumeMounts: [{name: tmp, mountPath: /tmp}]
  volumes: [{name: tmp, emptyDir: {sizeLimit: 64Mi}}]
{{- end -}}
