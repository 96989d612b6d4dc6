{{- define "rostra.name" -}}
{{- printf "%s-%s" .root.Release.Name .part | trunc 52 | trimSuffix "-" -}}
{{- end -}}

{{- define "rostra.selector" -}}
app.kubernetes.io/name: rostra
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .part }}
{{- end -}}

{{- define "rostra.labels" -}}
{{ include "rostra.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
{{- end -}}

{{- define "rostra.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
fsGroupChangePolicy: OnRootMismatch
seccompProfile: { type: RuntimeDefault }
{{- end -}}

{{- define "rostra.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: { drop: [ALL] }
{{- end -}}

{{- define "rostra.image" -}}
{{ .image.repository }}:{{ .image.tag }}{{ with .image.digest }}@{{ . }}{{ end }}
{{- end -}}

{{- define "rostra.pull" -}}
{{- with .Values.images.pullSecrets }}
imagePullSecrets:
{{- range . }}
  - name: {{ . }}
{{- end }}
{{- end }}
{{- end -}}

{{/* Where Prometheus reads a pod's metrics, by the annotations that its usual configurations know. */}}
{{- define "rostra.scraped" -}}
prometheus.io/scrape: "true"
prometheus.io/path: /metrics
prometheus.io/port: {{ .port | quote }}
prometheus.io/scheme: {{ .scheme }}
{{- end -}}

{{/* Replicas apart from each other, where there is room. */}}
{{- define "rostra.spread" -}}
topologySpreadConstraints:
  - maxSkew: 1
    topologyKey: kubernetes.io/hostname
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels: {{- include "rostra.selector" . | nindent 8 }}
{{- end -}}

{{/* A worker's name as a component. */}}
{{- define "rostra.workerPart" -}}
worker-{{ .worker.name }}
{{- end -}}

{{- define "rostra.workerConfig" -}}
{{- range list "listen" "replicas" "metrics" "tls_cert" "tls_key" "tls_client_ca" -}}
{{- if hasKey $.worker.config . -}}
{{- fail (printf "workers %s: config.%s is for rostra up; the chart sets what corresponds to it" $.worker.name .) -}}
{{- end -}}
{{- end -}}
{{- $table := mustDeepCopy .worker.config -}}
{{- if gt (int .worker.hosts) 1 -}}
{{- $_ := set $table "tensor_parallel_size" (mul (int .worker.hosts) (int .worker.ranksPerHost)) -}}
{{- end -}}
{{- $_ := set $table "metrics" (printf "0.0.0.0:%d" (int .root.Values.metrics.workerPort)) -}}
{{- if .root.Values.workerTls.secret -}}
{{- $_ := mergeOverwrite $table (dict "tls_cert" "/etc/rostra-tls/tls.crt" "tls_key" "/etc/rostra-tls/tls.key" "tls_client_ca" "/etc/rostra-tls/ca.crt") -}}
{{- end -}}
{{- dict "worker" (list $table) | toToml -}}
{{- end -}}

{{/* Seconds that a pod has in all: withdrawal, drain, and a margin to end in. */}}
{{- define "rostra.grace" -}}
{{- add (int .root.Values.preStopSeconds) (int (ceil (float64 (default 30 (index .config "drain_grace"))))) 15 -}}
{{- end -}}

{{- define "rostra.postgresqlSecret" -}}
{{- .Values.postgresql.existingSecret | default (include "rostra.name" (dict "root" . "part" "postgresql")) -}}
{{- end -}}

{{- define "rostra.arenaSecret" -}}
{{- .Values.arena.existingSecret | default (include "rostra.name" (dict "root" . "part" "arena")) -}}
{{- end -}}

{{- define "rostra.votesUrl" -}}
{{- if .Values.postgresql.enabled -}}
postgresql+psycopg://rostra@{{ include "rostra.name" (dict "root" . "part" "postgresql") }}:5432/rostra
{{- else -}}
{{- required "postgresql.externalUrl: give the URL of the votes, or set postgresql.enabled" .Values.postgresql.externalUrl -}}
{{- end -}}
{{- end -}}

{{- define "rostra.gatewayScheme" -}}
{{- empty .Values.gateway.tls.secret | ternary "http" "https" -}}
{{- end -}}

{{- define "rostra.gatewayConfig" -}}
{{- range list "host" "port" "workers" "workers_file" "api_keys" "tls_cert" "tls_key" "tls_client_ca" "worker_tls" -}}
{{- if hasKey $.Values.gateway.config . -}}
{{- fail (printf "gateway.config.%s is set by the chart" .) -}}
{{- end -}}
{{- end -}}
{{- $workers := list -}}
{{- range .Values.workers -}}
{{- $service := include "rostra.name" (dict "root" $ "part" (include "rostra.workerPart" (dict "worker" .))) -}}
{{- $workers = append $workers (printf "dns://%s:50051" $service) -}}
{{- end -}}
{{- $table := mustMergeOverwrite (mustDeepCopy .Values.gateway.config) (dict "host" "0.0.0.0" "port" 8000 "workers" $workers) -}}
{{- if .Values.gateway.keysSecret -}}
{{- $_ := set $table "api_keys" "/etc/rostra-keys/keys.toml" -}}
{{- else -}}
{{- $_ := set $table "insecure_public" true -}}
{{- end -}}
{{- if .Values.gateway.tls.secret -}}
{{- $_ := mergeOverwrite $table (dict "tls_cert" "/etc/rostra-tls/tls.crt" "tls_key" "/etc/rostra-tls/tls.key") -}}
{{- end -}}
{{- with .Values.workerTls -}}
{{- if or .secret .gatewaySecret -}}
{{- if not (and .secret .gatewaySecret .serverName) -}}
{{- fail "workerTls: secret, gatewaySecret and serverName go together" -}}
{{- end -}}
{{- $folder := "/etc/rostra-worker-tls" -}}
{{- $_ := set $table "worker_tls" (dict "ca" (printf "%s/ca.crt" $folder) "cert" (printf "%s/tls.crt" $folder) "key" (printf "%s/tls.key" $folder) "server_name" .serverName) -}}
{{- end -}}
{{- end -}}
{{- dict "gateway" $table | toToml -}}
{{- end -}}

{{/* For one pod: `rates` says whether it is the one that rates. */}}
{{- define "rostra.arenaConfig" -}}
{{- $arena := .root.Values.arena -}}
{{- range list "host" "port" "gateway_url" "gateway_ca" "votes_url" "ratings_dir" "api_key" -}}
{{- if hasKey $arena.config . -}}
{{- fail (printf "arena.config.%s is set by the chart" .) -}}
{{- end -}}
{{- end -}}
{{- $table := mustMergeOverwrite (mustDeepCopy $arena.config) (dict "host" "0.0.0.0" "port" 8001) -}}
{{- if $arena.ingress.enabled -}}
{{- $_ := set $table "behind_proxy" true -}}
{{- $_ := set $table "allowed_origins" (append (default list $table.allowed_origins) $arena.ingress.host) -}}
{{- end -}}
{{- if .root.Values.gateway.tls.secret -}}
{{- $_ := set $table "gateway_ca" "/etc/rostra-gateway-ca/ca.crt" -}}
{{- end -}}
{{- if not .rates -}}
{{- $_ := set $table "refresh" (mustMergeOverwrite (default dict $table.refresh) (dict "interval" 0)) -}}
{{- end -}}
{{- dict "arena" $table "contestant" $arena.contestants | toToml -}}
{{- end -}}

{{- define "rostra.ingress" -}}
{{- if .values.ingress.enabled }}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: {{ include "rostra.name" . }}
  labels: {{- include "rostra.labels" . | nindent 4 }}
  {{- with .values.ingress.annotations }}
  annotations: {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  {{- with .values.ingress.className }}
  ingressClassName: {{ . }}
  {{- end }}
  {{- if .values.ingress.tlsSecret }}
  tls:
    - { hosts: [{{ .values.ingress.host }}], secretName: {{ .values.ingress.tlsSecret }} }
  {{- end }}
  rules:
    - host: {{ .values.ingress.host }}
      http:
        paths:
          - path: /
            pathType: Prefix
            backend:
              service: { name: {{ include "rostra.name" . }}, port: { name: http } }
{{- end }}
{{- end -}}
