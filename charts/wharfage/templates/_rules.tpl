{{- /*
What the operator may do. Equal to operator/wharfage_operator/rules.py, which says why each is needed;
a test compares the two.
*/ -}}

{{- /* On objects in namespaces: a ClusterRole's, or in a namespaced install those of a Role per namespace. */ -}}
{{- define "wharfage.rules.served" -}}
- apiGroups: [wharfage.dev]
  resources: [llmdeployments]
  verbs: [list, watch]
- apiGroups: [wharfage.dev]
  resources: [llmdeployments/status]
  verbs: [patch]
- apiGroups: [""]
  resources: [configmaps, pods, serviceaccounts, services]
  verbs: [create, delete, get, list, patch, watch]
- apiGroups: [policy]
  resources: [poddisruptionbudgets]
  verbs: [create, delete, get, list, patch, watch]
- apiGroups: [networking.k8s.io]
  resources: [networkpolicies]
  verbs: [create, delete, get, list, patch, watch]
- apiGroups: [apps]
  resources: [deployments]
  verbs: [create, delete, get, list, patch, watch]
- apiGroups: [monitoring.coreos.com]
  resources: [podmonitors]
  verbs: [create, delete, get, list, patch, watch]
- apiGroups: [autoscaling.x-k8s.io]
  resources: [capacitybuffers]
  verbs: [create, delete, get, list, patch, watch]
- apiGroups: [autoscaling]
  resources: [horizontalpodautoscalers]
  verbs: [list]
- apiGroups: [""]
  resources: [events]
  verbs: [create, list]
{{- if eq (get .Values.operator.settings "scrape_via" | toString) "Proxy" }}
- apiGroups: [""]
  resources: [pods/proxy]
  verbs: [get]
{{- end }}
{{- end -}}

{{- /* On objects of the cluster. */ -}}
{{- define "wharfage.rules.cluster" -}}
- apiGroups: [wharfage.dev]
  resources: [llmbudgets, offercatalogs]
  verbs: [list, watch]
- apiGroups: [wharfage.dev]
  resources: [llmbudgets/status, offercatalogs/status]
  verbs: [patch]
- apiGroups: [""]
  resources: [namespaces, nodes]
  verbs: [list, watch]
- apiGroups: [karpenter.sh]
  resources: [nodepools]
  verbs: [list, watch]
{{- if .Values.page.enabled }}
- apiGroups: [authentication.k8s.io]
  resources: [tokenreviews]
  verbs: [create]
- apiGroups: [authorization.k8s.io]
  resources: [subjectaccessreviews]
  verbs: [create]
{{- end }}
{{- end -}}

{{- /* In the operator's own namespace: the Lease that only one replica holds, what is known of machines, the ledger. */ -}}
{{- define "wharfage.rules.own" -}}
- apiGroups: [coordination.k8s.io]
  resources: [leases]
  verbs: [create]
- apiGroups: [coordination.k8s.io]
  resources: [leases]
  resourceNames: [wharfage-leader]
  verbs: [get, update]
- apiGroups: [""]
  resources: [configmaps]
  verbs: [create]
- apiGroups: [""]
  resources: [configmaps]
  resourceNames: [wharfage-machines]
  verbs: [get, patch]
- apiGroups: [""]
  resources: [configmaps]
  verbs: [delete, get, list, patch]
{{- /* no names at all would be every name */}}
{{- with regexSplit "[, ]+" (get .Values.operator.settings "webhook_secrets" | toString) -1 | compact }}
- apiGroups: [""]
  resources: [secrets]
  resourceNames: {{ toJson . }}
  verbs: [get]
{{- end }}
{{- end -}}
