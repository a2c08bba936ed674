{{- define "rayproctor.name" -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{- define "rayproctor.labels" -}}
app.kubernetes.io/name: rayproctor
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end -}}

{{- define "rayproctor.selector" -}}
app.kubernetes.io/name: rayproctor
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "rayproctor.tag" -}}
{{- .Values.image.tag | default .Chart.AppVersion -}}
{{- end -}}

{{- define "rayproctor.image" -}}
{{- printf "%s:%s" .Values.image.repository (include "rayproctor.tag" .) -}}
{{- end -}}

{{- define "rayproctor.gpuImage" -}}
{{- printf "%s:%s" .Values.image.repository (.Values.image.gpuTag | default (printf "%s-cuda" (include "rayproctor.tag" .))) -}}
{{- end -}}

{{/* serve_config.yaml as it is run: without GPUs where there are none, with the values' changes. */}}
{{- define "rayproctor.serveConfig" -}}
{{- $config := .Files.Get "files/serve_config.yaml" | fromYaml -}}
{{- $known := list -}}
{{- range $application := $config.applications -}}
{{- range $deployment := $application.deployments -}}
{{- $known = append $known $deployment.name -}}
{{- if and (not $.Values.models.gpu) (hasKey (default dict $deployment.ray_actor_options) "num_gpus") -}}
{{- $_ := unset $deployment.ray_actor_options "num_gpus" -}}
{{- $_ := unset $deployment.ray_actor_options "runtime_env" -}}
{{- end -}}
{{- with index $.Values.serve.deployments $deployment.name -}}
{{- $_ := mergeOverwrite $deployment (deepCopy .) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- range $name := keys .Values.serve.deployments -}}
{{- if not (has $name $known) -}}
{{- fail (printf "serve.deployments: serve_config.yaml has no deployment %q; it has %s" $name (join ", " $known)) -}}
{{- end -}}
{{- end -}}
{{- toYaml $config -}}
{{- end -}}

{{/* What every process of the product is told. Secrets by reference only. */}}
{{- define "rayproctor.env" -}}
- {name: HOME, value: /var/lib/rayproctor}
- {name: PYTHONPATH, value: /srv/app}
- {name: RAY_USAGE_STATS_ENABLED, value: "0"}
- {name: RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH, value: deployments.grpc_door.guard_address}
- {name: RAY_SERVE_GRPC_MAX_MESSAGE_SIZE, value: "4194304"}
- {name: PROCTOR_HOME, value: /var/lib/rayproctor}
- {name: PROCTOR_HOST, value: 0.0.0.0}
- {name: PROCTOR_TLS_PROXY, value: {{ .Values.ingress.host | default "ingress" | quote }}}
{{- with .Values.ingress.host }}
- {name: PROCTOR_PUBLIC_URL, value: {{ printf "https://%s" . | quote }}}
{{- end }}
- name: PROCTOR_DATABASE_URL
  valueFrom: {secretKeyRef: {name: {{ .Values.database.secret.name }}, key: {{ .Values.database.secret.key }}}}
- name: PROCTOR_REDIS_URL
  valueFrom: {secretKeyRef: {name: {{ .Values.redis.secret.name }}, key: {{ .Values.redis.secret.key }}}}
- {name: PROCTOR_TOKEN_KEYS, value: /etc/rayproctor/keys/tokens}
- {name: PROCTOR_PROOF_KEY, value: {{ printf "/etc/rayproctor/keys/%s" .Values.keys.proof | quote }}}
- {name: PROCTOR_KEY_RING, value: {{ .Values.keys.ring | quote }}}
{{- if eq .Values.keys.ring "file" }}
- {name: PROCTOR_KEY_FILE, value: {{ printf "/etc/rayproctor/keys/%s" .Values.keys.ringFile | quote }}}
{{- end }}
{{- with .Values.keys.ringToken }}
- {name: PROCTOR_KEY_RING_TOKEN, value: {{ printf "/etc/rayproctor/keys/%s" . | quote }}}
{{- end }}
- {name: PROCTOR_FACES_URI, value: {{ required "storage.faces: name a bucket, such as s3://bucket/faces" .Values.storage.faces | quote }}}
- {name: PROCTOR_RECORDINGS_URL, value: {{ required "storage.recordings: name a bucket, such as s3://bucket/recordings" .Values.storage.recordings | quote }}}
- {name: PROCTOR_EVIDENCE_URL, value: {{ required "storage.evidence: name a bucket, such as s3://bucket/evidence" .Values.storage.evidence | quote }}}
- {name: PROCTOR_CHECKPOINTS_URL, value: {{ required "storage.checkpoints: name a bucket, such as s3://other-bucket/checkpoints" .Values.storage.checkpoints | quote }}}
- {name: PROCTOR_EVIDENCE_SPOOL, value: /var/lib/rayproctor/spool}
- {name: PROCTOR_MODELS_DIR, value: /srv/models}
{{- range $name, $value := .Values.settings }}
- {name: {{ $name }}, value: {{ $value | quote }}}
{{- end }}
{{- end -}}

{{- define "rayproctor.mediaEnv" -}}
- name: PROCTOR_WEBRTC__BIND_ADDRESS
  valueFrom: {fieldRef: {fieldPath: status.podIP}}
{{- with .Values.media.advertisedAddress }}
- {name: PROCTOR_WEBRTC__ADVERTISED_ADDRESS, value: {{ . | quote }}}
{{- end }}
- {name: PROCTOR_WEBRTC__UDP_PORT_MIN, value: {{ .Values.media.udpPorts.first | quote }}}
- {name: PROCTOR_WEBRTC__UDP_PORT_MAX, value: {{ .Values.media.udpPorts.last | quote }}}
{{- end -}}

{{/* Told to candidates' pages by the gateway, and asked by hosts. */}}
{{- define "rayproctor.turnEnv" -}}
{{- if .Values.media.turn.urls }}
- {name: PROCTOR_WEBRTC__TURN_URLS, value: {{ .Values.media.turn.urls | toJson | quote }}}
- name: PROCTOR_WEBRTC__TURN_SECRET
  valueFrom: {secretKeyRef: {name: {{ .Values.media.turn.secret.name }}, key: {{ .Values.media.turn.secret.key }}}}
- {name: PROCTOR_WEBRTC__HOST_GATHERS, value: {{ eq .Values.media.reach "turn" | quote }}}
{{- else if eq .Values.media.reach "turn" }}
{{- fail "media.turn.urls: with media.reach=turn name at least one TURN server" }}
{{- end }}
{{- end -}}

{{- define "rayproctor.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
seccompProfile: {type: RuntimeDefault}
{{- end -}}

{{- define "rayproctor.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end -}}

{{- define "rayproctor.volumes" -}}
- {name: tmp, emptyDir: {}}
- {name: home, emptyDir: {}}
- {name: shm, emptyDir: {medium: Memory, sizeLimit: 2Gi}}
- {name: keys, emptyDir: {medium: Memory, sizeLimit: 1Mi}}
- name: keys-secret
  secret: {secretName: {{ .Values.keys.secret }}}
- name: tokens-secret
  secret: {secretName: {{ .Values.keys.tokens }}}
{{- with .Values.keys.trusted }}
- name: trusted-secret
  secret: {secretName: {{ . }}}
{{- end }}
{{- with .Values.models.weights.existingClaim }}
- name: weights
  persistentVolumeClaim: {claimName: {{ . }}, readOnly: true}
{{- end }}
{{- end -}}

{{- define "rayproctor.mounts" -}}
- {name: tmp, mountPath: /tmp}
- {name: home, mountPath: /var/lib/rayproctor}
- {name: shm, mountPath: /dev/shm}
- {name: keys, mountPath: /etc/rayproctor/keys, readOnly: true}
{{- if .Values.models.weights.existingClaim }}
- {name: weights, mountPath: /srv/models, readOnly: true}
{{- end }}
{{- end -}}

{{/* A pod of the cluster. Of: a dict of root, role, image, resources, gpu, env, group. */}}
{{- define "rayproctor.pod" -}}
metadata:
  labels:
    {{- include "rayproctor.labels" .root | nindent 4 }}
    app.kubernetes.io/component: {{ .role }}
spec:
  serviceAccountName: {{ include "rayproctor.name" .root }}
  {{- if ne .role "head" }}
  automountServiceAccountToken: false   # KubeRay lets this account delete pods, for the autoscaler beside the head
  {{- end }}
  {{- with .root.Values.image.pullSecrets }}
  imagePullSecrets:
    {{- range . }}
    - name: {{ . }}
    {{- end }}
  {{- end }}
  {{- if and (eq .role "media") (eq .root.Values.media.reach "hostNetwork") }}
  hostNetwork: true
  dnsPolicy: ClusterFirstWithHostNet
  affinity:
    podAntiAffinity:
      requiredDuringSchedulingIgnoredDuringExecution:
        - labelSelector:
            matchLabels: {{- include "rayproctor.selector" .root | nindent 14 }}
              app.kubernetes.io/component: media
          topologyKey: kubernetes.io/hostname
  {{- end }}
  {{- if eq .role "media" }}
  terminationGracePeriodSeconds: {{ .root.Values.media.drainSeconds }}
  {{- end }}
  securityContext: {{- include "rayproctor.podSecurity" .root | nindent 4 }}
  {{- with .group.nodeSelector }}
  nodeSelector: {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .group.tolerations }}
  tolerations: {{- toYaml . | nindent 4 }}
  {{- end }}
  initContainers:
    # A Secret's files are readable by the group; the product takes keys that are its own alone.
    - name: keys
      image: {{ .image }}
      imagePullPolicy: {{ .root.Values.image.pullPolicy }}
      command:
        - sh
        - -ec
        - |
          install -m 0600 /var/run/rayproctor-keys/* /etc/rayproctor/keys/
          install -d -m 0700 /etc/rayproctor/keys/tokens
          install -m 0600 /var/run/rayproctor-tokens/* /etc/rayproctor/keys/tokens/
          {{- if .root.Values.keys.trusted }}
          install -d -m 0700 /etc/rayproctor/keys/tokens/trusted
          install -m 0600 /var/run/rayproctor-trusted/* /etc/rayproctor/keys/tokens/trusted/
          {{- end }}
      securityContext: {{- include "rayproctor.containerSecurity" .root | nindent 8 }}
      resources:
        requests: {cpu: 50m, memory: 32Mi}
        limits: {cpu: 200m, memory: 64Mi}
      volumeMounts:
        - {name: keys, mountPath: /etc/rayproctor/keys}
        - {name: keys-secret, mountPath: /var/run/rayproctor-keys, readOnly: true}
        - {name: tokens-secret, mountPath: /var/run/rayproctor-tokens, readOnly: true}
        {{- if .root.Values.keys.trusted }}
        - {name: trusted-secret, mountPath: /var/run/rayproctor-trusted, readOnly: true}
        {{- end }}
  containers:
    - name: ray
      image: {{ .image }}
      imagePullPolicy: {{ .root.Values.image.pullPolicy }}
      workingDir: /
      ports:
        {{- if eq .role "head" }}
        - {name: gcs-server, containerPort: 6379}
        - {name: dashboard, containerPort: 8265}
        - {name: client, containerPort: 10001}
        {{- end }}
        - {name: serve, containerPort: 8800}
        - {name: grpc, containerPort: 8801}
        - {name: metrics, containerPort: 8080}
      env:
        {{- include "rayproctor.env" .root | nindent 8 }}
        {{- include "rayproctor.turnEnv" .root | nindent 8 }}
        {{- if eq .role "media" }}
        {{- include "rayproctor.mediaEnv" .root | nindent 8 }}
        {{- end }}
      {{- with .root.Values.storage.credentialsSecret }}
      envFrom:
        - secretRef: {name: {{ . }}}
      {{- end }}
      securityContext: {{- include "rayproctor.containerSecurity" .root | nindent 8 }}
      resources:
        requests: {cpu: {{ .group.resources.cpu | quote }}, memory: {{ .group.resources.memory }}}
        limits:
          cpu: {{ .group.resources.cpu | quote }}
          memory: {{ .group.resources.memory }}
          {{- if .gpu }}
          nvidia.com/gpu: 1
          {{- end }}
      volumeMounts: {{- include "rayproctor.mounts" .root | nindent 8 }}
      {{- /* KubeRay adds readiness and liveness probes of its own to every Ray container that states none. */}}
  volumes: {{- include "rayproctor.volumes" .root | nindent 4 }}
{{- end -}}
