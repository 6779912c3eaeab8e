{{- /*
The configuration files: those of the base to the letter where the values add nothing, else their keys and those of the values.
*/}}

{{- /* (dict "root" $ "file" FILE "keys" VALUES) */}}
{{- define "data-locality.file" -}}
{{- $text := .root.Files.Get .file }}
{{- if .keys }}{{ toYaml (mergeOverwrite (fromYaml $text) .keys) }}{{ else }}{{ $text }}{{ end }}
{{- end }}

{{- define "data-locality.schedulerFile" -}}
{{- include "data-locality.file" (dict "root" . "file" "base/scheduler-config.yaml" "keys" .Values.scheduler.config) }}
{{- end }}

{{- /* What it says is part of its name, so that a change rolls the scheduler, as with kustomize. */}}
{{- define "data-locality.schedulerFileName" -}}
data-locality-scheduler-config-{{ include "data-locality.schedulerFile" . | sha256sum | trunc 10 }}
{{- end }}

{{- /* What the scheduler's pods mount. */}}
{{- define "data-locality.configuration" -}}
{{- with .Values.scheduler.existingConfigMap }}
{{- if .name }}
name: {{ .name }}
{{- with .key }}
items: [{key: {{ . }}, path: config.yaml}]
{{- end }}
{{- else }}
name: {{ include "data-locality.schedulerFileName" $ }}
{{- end }}
{{- end }}
{{- end }}
