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
{{ .image.repository }}:{{ .image.tag }}
{{- end -}}

{{- define "rostra.pull" -}}
{{- with .Values.images.pullSecrets }}
imagePullSecrets:
{{- range . }}
  - name: {{ . }}
{{- end }}
{{- end }}
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
{{- range list "listen" "replicas" -}}
{{- if hasKey $.worker.config . -}}
{{- fail (printf "workers %s: config.%s is for rostra up; the chart sets what corresponds to it" $.worker.name .) -}}
{{- end -}}
{{- end -}}
{{- $table := mustDeepCopy .worker.config -}}
{{- if gt (int .worker.hosts) 1 -}}
{{- $_ := set $table "tensor_parallel_size" (mul (int .worker.hosts) (int .worker.ranksPerHost)) -}}
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
