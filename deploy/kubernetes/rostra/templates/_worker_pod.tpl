{{/* The pod of a worker: alone (multi: false), or one host of a group that torchrun joins. */}}
{{- define "rostra.workerPod" -}}
{{- $worker := .worker }}
{{- $root := .root }}
metadata:
  labels: {{- include "rostra.labels" . | nindent 4 }}
  annotations:
    checksum/config: {{ include "rostra.workerConfig" . | sha256sum }}
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
        # The network policy lets in gateways alone.
        - --insecure-public
      {{- else }}
      # The network policy lets in gateways alone.
      args: [worker, --config=/etc/rostra/rostra.toml, "--listen=0.0.0.0:50051", --insecure-public]
      {{- end }}
      {{- with $worker.env }}
      env: {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- if .leader }}
      ports:
        - { name: grpc, containerPort: 50051 }
      # Loading may take long. After that, alive is who answers, and ready who can compute.
      startupProbe:
        grpc: { port: 50051, service: rostra.v1.Inference }
        periodSeconds: 5
        timeoutSeconds: 5
        failureThreshold: {{ div (add (int $worker.startupSeconds) 4) 5 }}
      readinessProbe:
        grpc: { port: 50051, service: rostra.v1.Inference }
        periodSeconds: 5
        timeoutSeconds: 5
        failureThreshold: 2
      livenessProbe:
        # Answers as long as the process does: a worker starts its engine again by itself, and one
        # that drains must not be killed for it.
        grpc: { port: 50051, service: rostra.v1.Control }
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
{{- end -}}
