"""Shows that each rule can fail: one change that it must find, on a rendering that is otherwise fine."""

import copy

import rules
from rules import component, of, pod, workloads


def first(things, kind, part=None):
    return next(thing for thing in of(things, kind) if part is None or part in thing["metadata"]["name"])


def container(things, part):
    return pod(next(w for w in workloads(things) if component(w) == part))["containers"][0]


def setter(path, value, kind, part=None):
    """Sets a value deep inside one object; `...` as value removes it."""

    def change(things):
        place = first(things, kind, part)
        for key in path[:-1]:
            place = place[key]
        if value is ...:
            del place[path[-1]]
        else:
            place[path[-1]] = value

    return change


POD = ["spec", "template", "spec"]
BOX = POD + ["containers", 0]

# rule, mode, change
BITES = [
    ("names", "fleet", setter(["metadata", "name"], "Throng_1", "Service")),
    ("names", "fleet", lambda things: things.append(copy.deepcopy(things[0]))),
    ("names", "fleet", setter(BOX + ["name"], "A B", "Deployment")),
    ("images", "fleet", setter(BOX + ["image"], "registry.example:5000/throng", "Deployment")),
    ("images", "fleet", setter(BOX + ["image"], "throng:latest", "Deployment")),
    ("jobs", "once", setter(POD + ["restartPolicy"], "OnFailure", "Job")),
    ("jobs", "once", setter(["spec", "activeDeadlineSeconds"], 1, "Job")),
    ("jobs", "once", setter(["spec", "backoffLimit"], ..., "Job", "run")),
    ("jobs", "once", setter(["spec", "backoffLimit"], 0, "Job", "agent")),
    ("jobs", "once", setter(["spec", "parallelism"], 2, "Job", "agent")),
    ("jobs", "once", setter(BOX + ["env", 0, "value"], "2", "Job", "run")),
    ("one_controller", "fleet", setter(["spec", "replicas"], 2, "Deployment", "controller")),
    ("one_controller", "fleet", setter(["spec", "strategy", "type"], "RollingUpdate", "Deployment", "controller")),
    ("one_controller", "fleet", setter(["spec", "replicas"], 2, "Deployment", "agent")),
    ("selectors", "fleet", setter(["spec", "selector", "matchLabels", "app.kubernetes.io/name"], "other", "Deployment")),
    ("selectors", "fleet", setter(["spec", "selector"], {"app.kubernetes.io/name": "throng"}, "Service")),
    ("selectors", "fleet", setter(["spec", "selector", "matchLabels", "app.kubernetes.io/name"], "other", "PodDisruptionBudget")),
    ("selectors", "once", setter(["spec", "maxUnavailable"], 0, "PodDisruptionBudget")),
    ("selectors", "fleet", setter(["spec", "podSelector", "matchLabels", "app.kubernetes.io/name"], "other", "NetworkPolicy", "deny")),
    ("selectors", "fleet", setter(POD + ["topologySpreadConstraints", 0, "labelSelector"], {}, "Deployment", "agent")),
    ("ports_exist", "fleet", setter(["spec", "ports", 0, "targetPort"], "grpc", "Service")),
    ("ports_exist", "fleet", setter(BOX + ["readinessProbe", "httpGet", "port"], "http", "Deployment")),
    ("ports_exist", "fleet", setter(["spec", "ingress", 0, "ports", 0, "port"], "grpc", "NetworkPolicy", "controller")),
    ("ports_exist", "fleet", setter(["spec", "egress", 0, "ports", 0, "port"], "grpc", "NetworkPolicy", "agent")),
    ("ports_exist", "fleet", lambda things: container(things, "controller")["args"].append("--listen=0.0.0.0:9")),
    ("references", "once", setter(POD + ["volumes", 3, "configMap", "name"], "other", "Job", "run")),
    ("references", "fleet", setter(POD + ["serviceAccountName"], "other", "Deployment")),
    ("references", "fleet", lambda things: container(things, "agent").setdefault("env", []).append({"name": "X", "valueFrom": {"secretKeyRef": {"name": "other", "key": "x"}}})),
    ("references", "fleet", lambda things: container(things, "agent")["volumeMounts"].append({"name": "nowhere", "mountPath": "/x"})),
    ("references", "fleet", setter(BOX + ["volumeMounts"], [], "Deployment")),
    ("controller_found", "fleet", setter(["metadata", "name"], "other", "Service")),
    ("controller_found", "fleet", lambda things: container(things, "agent").update(args=["agent"])),
    ("certificates", "certified", setter(["spec", "ca", "secretName"], "other", "Issuer", "throng-ca")),
    ("certificates", "certified", setter(["spec", "issuerRef", "name"], "other", "Certificate")),
    ("certificates", "certified", setter(["spec", "dnsNames"], ["localhost"], "Certificate", "controller")),
    ("certificates", "certified", setter(["spec", "uris"], ["throng://operator/pod"], "Certificate", "agent")),
    ("references", "certified", setter(["spec", "secretName"], "other", "Certificate", "agent")),
    ("bounded", "certified", lambda things: container(things, "agent")["env"].append({"name": "THRONG_JOIN_FILE", "value": "/x"})),
    ("bounded", "fleet", setter(BOX + ["env", 1, "value"], "any", "Deployment", "agent")),
    ("bounded", "fleet", lambda things: container(things, "agent")["args"].append("--insecure")),
    ("bounded", "fleet", setter(POD + ["volumes", 0, "secret", "secretName"], "throng-authority", "Deployment", "agent")),
    ("restricted", "fleet", setter(POD + ["securityContext", "runAsNonRoot"], False, "Deployment")),
    ("restricted", "fleet", setter(POD + ["securityContext", "seccompProfile"], ..., "Deployment")),
    ("restricted", "fleet", setter(POD + ["automountServiceAccountToken"], ..., "Deployment")),
    ("restricted", "fleet", setter(POD + ["hostNetwork"], True, "Deployment")),
    ("restricted", "fleet", lambda things: pod(workloads(things)[0])["volumes"].append({"name": "host", "hostPath": {"path": "/"}})),
    ("restricted", "fleet", setter(BOX + ["securityContext", "allowPrivilegeEscalation"], ..., "Deployment")),
    ("restricted", "fleet", setter(BOX + ["securityContext", "capabilities", "drop"], [], "Deployment")),
    ("restricted", "fleet", setter(BOX + ["securityContext", "readOnlyRootFilesystem"], False, "Deployment")),
    ("restricted", "fleet", setter(BOX + ["securityContext", "runAsUser"], 0, "Deployment")),
    ("restricted", "fleet", lambda things: container(things, "controller")["ports"][0].update(hostPort=7437)),
    ("ports_exist", "fleet", lambda things: container(things, "controller")["args"].append("--web=0.0.0.0:9")),
    ("meshes", "fleet", setter(["spec", "template", "metadata", "labels", "sidecar.istio.io/inject"], "true", "Deployment")),
    ("meshes", "once", setter(["spec", "ports", 0, "name"], "link", "Service")),
    ("seen", "seen", setter(["spec", "template", "metadata", "annotations", "prometheus.io/port"], "7438", "Deployment", "controller")),
    ("seen", "seen", setter(BOX + ["env", -1], {"name": "THRONG_X"}, "Deployment", "controller")),
    ("seen", "seen", lambda things: container(things, "controller")["env"].append({"name": "THRONG_TLS_CERT", "value": "/x"})),
    ("network", "seen", setter(["spec", "ingress", 0, "ports", 0, "port"], "probe", "NetworkPolicy", "metrics")),
    ("network", "seen", setter(["spec", "ingress", 0, "ports"], ..., "NetworkPolicy", "web")),
    ("accounts", "fleet", setter(["automountServiceAccountToken"], True, "ServiceAccount")),
    ("accounts", "fleet", lambda things: things.append({"kind": "Role", "metadata": {"name": "x"}})),
    ("resources", "fleet", setter(BOX + ["resources", "limits", "memory"], "100Mi", "Deployment")),
    ("resources", "fleet", setter(BOX + ["resources", "requests"], {}, "Deployment")),
    ("lives", "fleet", setter(["spec", "template", "metadata", "annotations"], {}, "Deployment")),
    ("lives", "once", setter(POD + ["terminationGracePeriodSeconds"], 30, "Job")),
    ("lives", "fleet", setter(BOX + ["startupProbe"], ..., "Deployment")),
    ("lives", "fleet", setter(BOX + ["livenessProbe", "httpGet", "port"], "link", "Deployment", "controller")),
    ("network", "fleet", lambda things: things.remove(first(things, "NetworkPolicy", "deny"))),
    ("network", "fleet", lambda things: things.remove(first(things, "NetworkPolicy", "target"))),
    ("network", "fleet", setter(["spec", "egress", 0], {}, "NetworkPolicy", "agent")),
    ("network", "fleet", setter(["spec", "ingress", 0], {}, "NetworkPolicy", "controller")),
    ("network", "fleet", lambda things: first(things, "NetworkPolicy", "controller")["spec"].update(podSelector={})),
    ("arbitrary_user", "fleet", lambda things: setattr(things, "arbitrary_user", True)),
]


def faults(good):
    """`good` has a rendering for each mode. What no rule found, and rules that nothing bites."""
    known = {rule.__name__ for rule in rules.RULES}
    for name in known - {bite[0] for bite in BITES}:
        yield f"nothing shows that rule {name} can fail"
    for number, (name, mode, change) in enumerate(BITES):
        things = copy.deepcopy(good[mode])
        change(things)
        if not any(fault.startswith(f"{name}: ") for fault in rules.faults(things)):
            yield f"bite {number} is not found by rule {name}"
