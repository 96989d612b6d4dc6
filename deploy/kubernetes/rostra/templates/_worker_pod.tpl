{{/* The pod of a worker: alone (multi: false), or one host of a group that torchrun joins. */}}
{{- define "rostra.workerPod" -}}
{{- $worker := .worker }}
{{- $root := .root }}
metadata:
  labels: {{- include "rostra.labels" . | nindent 4 }}
  annotations:
    checksum/config: {{ include "rostra.workerConfig" . | sha256sum }}
    {{- if .leader }}
    {{- include "rostra.scraped" (dict "port" $root.Values.metrics.workerPort "scheme" "http") | nindent 4 }}
    {{- end }}
spec:
  automountServiceAccountToken: false
  enableServiceLinks: false
  terminationGracePeriodSeconds: {{ include "rostra.grace" . }}
  {{- include "rostra.pull" $root | nindent 2 }}
  securityContext: {{- include "rostra.podSecurity" . | nindent 4 }}
  {{- with $worker.nodeSelector }}
  nodeSelector: {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $worker.tolerations }}
  tolerations: {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- if not .multi }}
  {{- include "rostra.spread" . | nindent 2 }}
  {{- end }}
  containers:
    - name: worker
      image: {{ include "rostra.image" (dict "image" (default $root.Values.images.worker $worker.image)) }}
      imagePullPolicy: {{ $root.Values.images.pullPolicy }}
      {{- if .multi }}
      command: [torchrun]
      args:
        - --nnodes={{ $worker.hosts }}
        - --node-rank=$(LWS_WORKER_INDEX)
        - --nproc-per-node={{ $worker.ranksPerHost }}
        - --master-addr=$(LWS_LEADER_ADDRESS)
        - --master-port=29500
        # The set makes the whole group anew: a second supervisor would fight it.
        - --max-restarts=0
        - --no-python
        - rostra
        - worker
        - --config=/etc/rostra/rostra.toml
        - --listen=0.0.0.0:50051
        {{- if not $root.Values.workerTls.secret }}
        # The network policy lets in gateways alone.
        - --insecure-public
        {{- end }}
      {{- else }}
      args:
        - worker
        - --config=/etc/rostra/rostra.toml
        - --listen=0.0.0.0:50051
        {{- if not $root.Values.workerTls.secret }}
        # The network policy lets in gateways alone.
        - --insecure-public
        {{- end }}
      {{- end }}
      {{- with $worker.env }}
      env: {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- if .leader }}
      ports:
        - { name: grpc, containerPort: 50051 }
        - { name: metrics, containerPort: {{ $root.Values.metrics.workerPort }} }
      # Loading may take long. After that, alive is who answers, and ready who can compute.
      startupProbe:
        {{- include "rostra.workerProbe" (dict "root" $root "path" "/ready" "service" "rostra.v1.Inference") | nindent 8 }}
        periodSeconds: 5
        timeoutSeconds: 5
        failureThreshold: {{ div (add (int $worker.startupSeconds) 4) 5 }}
      readinessProbe:
        {{- include "rostra.workerProbe" (dict "root" $root "path" "/ready" "service" "rostra.v1.Inference") | nindent 8 }}
        periodSeconds: 5
        timeoutSeconds: 5
        failureThreshold: 2
      livenessProbe:
        # Answers as long as the process does: a worker starts its engine again by itself, and one
        # that drains must not be killed for it.
        {{- include "rostra.workerProbe" (dict "root" $root "path" "/health" "service" "rostra.v1.Control") | nindent 8 }}
        periodSeconds: 10
        timeoutSeconds: 10
        failureThreshold: 6
      {{- end }}
      lifecycle:
        preStop:
          sleep: { seconds: {{ $root.Values.preStopSeconds }} }
      resources: {{- toYaml $worker.resources | nindent 8 }}
      securityContext: {{- include "rostra.containerSecurity" . | nindent 8 }}
      volumeMounts:
        - { name: config, mountPath: /etc/rostra, readOnly: true }
        - { name: home, mountPath: /var/lib/rostra }
        - { name: tmp, mountPath: /tmp }
        - { name: shm, mountPath: /dev/shm }
        {{- if $root.Values.workerTls.secret }}
        - { name: tls, mountPath: /etc/rostra-tls, readOnly: true }
        {{- end }}
  volumes:
    - name: config
      configMap: { name: {{ .name }} }
    - name: home
      {{- if $worker.cache.claim }}
      persistentVolumeClaim: { claimName: {{ $worker.cache.claim }} }
      {{- else }}
      emptyDir: { sizeLimit: {{ $worker.cache.size }} }
      {{- end }}
    - name: tmp
      emptyDir: { sizeLimit: 1Gi }
    - name: shm
      emptyDir: { medium: Memory, sizeLimit: {{ $worker.shm }} }
    {{- with $root.Values.workerTls.secret }}
    - name: tls
      secret: { secretName: {{ . }}, defaultMode: 0440 }
    {{- end }}
{{- end -}}

{{/* Kubernetes' probes by gRPC speak no TLS. */}}
{{- define "rostra.workerProbe" -}}
{{- if .root.Values.workerTls.secret -}}
httpGet: { path: {{ .path }}, port: metrics }
{{- else -}}
grpc: { port: 50051, service: {{ .service }} }
{{- end -}}
{{- end -}}
