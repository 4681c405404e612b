{{- /* What agents may talk to, as `--allow-target` has it: networks, and the names of pods' services. */ -}}
{{- define "throng.allow" -}}
{{- $allowed := .Values.target.cidrs -}}
{{- range .Values.target.pods -}}
{{- $allowed = concat $allowed (list (printf "*.%s" .namespace) (printf "*.%s.svc" .namespace) (printf "*.%s.svc.cluster.local" .namespace)) -}}
{{- end -}}
{{- join "," $allowed -}}
{{- end -}}
