{{- /* Certificates in files, from cert-manager. */ -}}
{{- define "throng.tls" -}}
- { name: THRONG_TLS_CA, value: /etc/throng/tls/ca.crt }
- { name: THRONG_TLS_CERT, value: /etc/throng/tls/tls.crt }
- { name: THRONG_TLS_KEY, value: /etc/throng/tls/tls.key }
{{- end -}}
