{{- /*
What the values change in an object of the base. Objects are dictionaries, changed where they are; these templates print nothing,
but for "wanted" and "image".
*/}}

{{- define "data-locality.image" -}}
{{- with .Values.image -}}
{{- .repository }}{{ if .digest }}@{{ .digest }}{{ else }}:{{ .tag | default $.Chart.AppVersion }}{{ end }}
{{- end -}}
{{- end }}

{{- /* "yes" for an object that is to be installed: (dict "object" . "root" $) */}}
{{- define "data-locality.wanted" -}}
{{- $values := .root.Values }}
{{- $name := .object.metadata.name }}
{{- $replicas := dict "data-locality-scheduler" $values.scheduler.replicas "data-locality-webhook" $values.webhook.replicas }}
{{- if and (eq .object.kind "PriorityClass") (ne $values.priority "own") }}
{{- else if and (eq $name "data-locality-webhook-certificate") (ne $values.webhook.certificate "own") }}
{{- else if and (eq .object.kind "PodDisruptionBudget") (lt (int (get $replicas $name)) 2) }}
{{- /* a budget of one of one would only keep a node from being drained */}}
{{- else }}yes{{ end }}
{{- end }}

{{- /* (dict "object" . "root" $ "config" NAME-OF-CONFIGMAP) */}}
{{- define "data-locality.adjust" -}}
{{- $values := .root.Values }}
{{- $labels := dict "app.kubernetes.io/part-of" "data-locality-scheduler" }}
{{- $_ := set .object.metadata "labels" (merge $labels (.object.metadata.labels | default dict)) }}
{{- $kind := .object.kind }}
{{- if has $kind (list "Deployment" "DaemonSet" "CronJob") }}
{{- $component := get $values (get .object.metadata.labels "app.kubernetes.io/component") }}
{{- $pod := ternary .object.spec.jobTemplate .object (eq $kind "CronJob") | dig "spec" "template" "spec" dict }}
{{- include "data-locality.pod" (dict "pod" $pod "kind" $kind "component" $component "root" .root "config" .config) }}
{{- if eq $kind "Deployment" }}
{{- $_ := set .object.spec "replicas" $component.replicas }}
{{- end }}
{{- else if and (eq $kind "Role") (eq .object.metadata.name "data-locality-daemon-stores") }}
{{- $rule := first .object.rules }}
{{- $_ := set $rule "resourceNames" (concat $rule.resourceNames $values.daemon.storeSecrets) }}
{{- else if and (hasSuffix "WebhookConfiguration" $kind) (eq $values.webhook.certificate "cert-manager") }}
{{- $from := printf "%s/data-locality-webhook" .root.Release.Namespace }}
{{- $_ := set .object.metadata "annotations" (dict "cert-manager.io/inject-ca-from" $from) }}
{{- end }}
{{- end }}

{{- define "data-locality.pod" -}}
{{- $values := .root.Values }}
{{- $container := first .pod.containers }}
{{- $_ := set $container "image" (include "data-locality.image" .root) }}
{{- with $values.image.pullPolicy }}{{ $_ := set $container "imagePullPolicy" . }}{{ end }}
{{- with $values.image.pullSecrets }}
{{- $references := list }}
{{- range . }}{{ $references = append $references (dict "name" .) }}{{ end }}
{{- $_ := set $.pod "imagePullSecrets" $references }}
{{- end }}
{{- if eq $values.priority "system" }}
{{- $_ := set .pod "priorityClassName" (ternary "system-node-critical" "system-cluster-critical" (eq .kind "DaemonSet")) }}
{{- else if eq $values.priority "none" }}
{{- $_ := unset .pod "priorityClassName" }}
{{- end }}
{{- with .component.nodeSelector }}{{ $_ := set $.pod "nodeSelector" . }}{{ end }}
{{- with .component.tolerations }}{{ $_ := set $.pod "tolerations" . }}{{ end }}
{{- if ne .kind "CronJob" }}
{{- with .component.args }}{{ $_ := set $container "args" (concat $container.args .) }}{{ end }}
{{- with .component.resources }}{{ $_ := set $container "resources" . }}{{ end }}
{{- end }}
{{- range .pod.volumes }}
{{- if eq (dig "configMap" "name" "" .) "data-locality-scheduler-config" }}
{{- $_ := set . "configMap" (fromYaml (include "data-locality.configuration" $.root)) }}
{{- end }}
{{- end }}
{{- if and (eq .kind "DaemonSet") .component.hostFacts }}
{{- include "data-locality.hostFacts" . }}
{{- end }}
{{- end }}

{{- /* As manifests/overlays/host-facts does. */}}
{{- define "data-locality.hostFacts" -}}
{{- $container := first .pod.containers }}
{{- $mount := dict "name" "host" "mountPath" "/host" "readOnly" true "mountPropagation" "HostToContainer" }}
{{- $volume := dict "name" "host" "hostPath" (dict "path" "/" "type" "Directory") }}
{{- $_ := set $container "env" (prepend $container.env (dict "name" "HOST_ROOT" "value" "/host")) }}
{{- $_ := set $container "volumeMounts" (prepend $container.volumeMounts $mount) }}
{{- $_ := set .pod "volumes" (prepend .pod.volumes $volume) }}
{{- end }}
