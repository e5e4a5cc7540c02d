{{- /* The release's name, with the chart's name in it. */ -}}
{{- define "wharfage.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 52 | trimSuffix "-" -}}
{{- else -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if contains $name .Release.Name -}}
{{- .Release.Name | trunc 52 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 52 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- /* Objects without a namespace carry the release's, so that two releases of one name do not collide. */ -}}
{{- define "wharfage.clusterName" -}}
{{ include "wharfage.fullname" . }}.{{ .Release.Namespace }}
{{- end -}}

{{- define "wharfage.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "wharfage.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- required "serviceAccount.name: needed where serviceAccount.create is false" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- /* What the operator's pods are found by. */ -}}
{{- define "wharfage.selectorLabels" -}}
app.kubernetes.io/name: wharfage
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: operator
{{- end -}}

{{- define "wharfage.labels" -}}
{{ include "wharfage.selectorLabels" . }}
{{ include "wharfage.releaseLabels" . }}
{{- end -}}

{{- define "wharfage.releaseLabels" -}}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/part-of: wharfage
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- /* What the pods that keep prices current are found by; the operator's selectors must not find them. */ -}}
{{- define "wharfage.offersSelectorLabels" -}}
app.kubernetes.io/name: wharfage
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: offers
{{- end -}}

{{- define "wharfage.offersLabels" -}}
{{ include "wharfage.offersSelectorLabels" . }}
{{ include "wharfage.releaseLabels" . }}
{{- end -}}

{{- /* The name of a catalog of offersRefresh, as `wharfage offers build` gives it by default. */ -}}
{{- define "wharfage.catalogName" -}}
{{- default (printf "%s-%s" .provider .region) .name -}}
{{- end -}}

{{- /* An image's address: (dict "image" .Values.image "root" $). A digest wins over a tag. */ -}}
{{- define "wharfage.image" -}}
{{- with .root.Values.global.imageRegistry }}{{ trimSuffix "/" . }}/{{ end -}}
{{- .image.repository -}}
{{- if .image.digest }}@{{ .image.digest }}{{ else }}:{{ default .root.Chart.AppVersion .image.tag }}{{ end -}}
{{- end -}}

{{- /* The namespaces in which a namespaced install may write. */ -}}
{{- define "wharfage.namespaces" -}}
{{- if .Values.watchNamespaces -}}
{{- join "," .Values.watchNamespaces -}}
{{- else if .Values.rbac.namespaced -}}
{{- .Release.Namespace -}}
{{- end -}}
{{- end -}}

{{- /* A gateway's Service, Deployment and account, in each namespace that has one. */ -}}
{{- define "wharfage.gatewayName" -}}
{{ include "wharfage.fullname" . }}-gateway
{{- end -}}

{{- /* The namespaces that have a gateway, with commas; empty: none. */ -}}
{{- define "wharfage.gatewayNamespaces" -}}
{{- if .Values.gateway.enabled -}}
{{- join "," (default (list .Release.Namespace) .Values.gateway.namespaces) -}}
{{- end -}}
{{- end -}}

{{- /* What a gateway's pods are found by, by its Service and by the operator. */ -}}
{{- define "wharfage.gatewaySelectorLabels" -}}
app.kubernetes.io/name: wharfage
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: gateway
{{- end -}}

{{- define "wharfage.gatewayLabels" -}}
{{ include "wharfage.gatewaySelectorLabels" . }}
{{ include "wharfage.releaseLabels" . }}
{{- end -}}
