"""What schemas do not see. Each rule is a function from one rendering to faults (texts); bites.py shows that each can fail.

A rendering is a list of Kubernetes objects (dicts) that are applied together.
"""

import re

NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
POD_VOLUMES = {"configMap", "emptyDir", "persistentVolumeClaim", "projected", "secret", "downwardAPI", "csi", "ephemeral"}
# Made by a person, or by cert-manager from a Certificate of the rendering.
FROM_OUTSIDE = {("Secret", "join"), ("Secret", "authority")}


class Rendering(list):
    """Objects that are applied together, and what was wished of them."""

    def __init__(self, name, things, arbitrary_user=False, replicas=False):
        super().__init__(things)
        self.name = name
        # No user ids of our own.
        self.arbitrary_user = arbitrary_user
        # A number of agents was asked for.
        self.replicas = replicas


def named(thing):
    return f"{thing['kind']} {thing['metadata']['name']}"


def of(things, *kinds):
    return [thing for thing in things if thing["kind"] in kinds]


def workloads(things):
    return of(things, "Deployment", "Job")


def pod(workload):
    return workload["spec"]["template"]["spec"]


def containers(workload):
    return pod(workload).get("initContainers", []) + pod(workload)["containers"]


def labels(workload):
    return workload["spec"]["template"]["metadata"]["labels"]


def component(workload):
    return labels(workload).get("app.kubernetes.io/component")


def selects(selector, pod_labels):
    """Kubernetes' label selector."""
    for key, value in selector.get("matchLabels", {}).items():
        if pod_labels.get(key) != value:
            return False
    for rule in selector.get("matchExpressions", []):
        inside = pod_labels.get(rule["key"]) in rule.get("values", [])
        if {"In": not inside, "NotIn": inside}[rule["operator"]]:
            return False
    return True


def selected(things, selector):
    return [workload for workload in workloads(things) if selects(selector, labels(workload))]


def ports(workload):
    return {port["name"]: port["containerPort"] for container in containers(workload) for port in container.get("ports", [])}


def names(things):
    seen = set()
    for thing in things:
        name = thing["metadata"]["name"]
        if not NAME.fullmatch(name):
            yield f"{named(thing)}: not a name that every kind may have (RFC 1123 label)"
        if named(thing) in seen:
            yield f"{named(thing)}: twice"
        seen.add(named(thing))
        for container in containers(thing) if thing in workloads(things) else []:
            if not NAME.fullmatch(container["name"]):
                yield f"{named(thing)}: container {container['name']!r} is no name"


def images(things):
    for workload in workloads(things):
        for container in containers(workload):
            image = container["image"]
            tag = image.rsplit("/", 1)[-1].partition(":")[2]
            if "@sha256:" not in image and tag in ("", "latest"):
                yield f"{named(workload)}: image {image} is whatever is newest; name a tag or a digest"


def jobs(things):
    for job in of(things, "Job"):
        spec = job["spec"]
        if pod(job).get("restartPolicy") != "Never":
            yield f"{named(job)}: restartPolicy must be Never, or load repeats itself"
        if spec.get("activeDeadlineSeconds", 0) < 60:
            yield f"{named(job)}: activeDeadlineSeconds is missing or no run's length"
        if component(job) == "controller" and spec.get("backoffLimit") != 0:
            yield f"{named(job)}: backoffLimit must be 0, or load repeats itself"
        if component(job) == "agent":
            if spec.get("backoffLimitPerIndex") != 0 or "backoffLimit" in spec:
                yield f"{named(job)}: backoffLimitPerIndex must be 0, alone, or one failed agent ends the others"
            if spec.get("completionMode") != "Indexed" or spec.get("completions") != spec.get("parallelism"):
                yield f"{named(job)}: all agents must run at once, each with its index"
            environment = {
                variable["name"]: variable.get("value")
                for run in of(things, "Job")
                for container in containers(run)
                for variable in container.get("env", [])
            }
            if environment.get("THRONG_EXPECT_AGENTS") != str(spec.get("completions")):
                yield f"{named(job)}: the run expects {environment.get('THRONG_EXPECT_AGENTS')} agents, and {spec.get('completions')} come"


def one_controller(things):
    for workload in of(things, "Deployment"):
        if component(workload) == "controller":
            if workload["spec"].get("replicas") != 1 or workload["spec"].get("strategy", {}).get("type") != "Recreate":
                yield f"{named(workload)}: there must be one, and never two at once"
        elif "replicas" in workload["spec"] and not things.replicas:
            yield f"{named(workload)}: `replicas` would undo an autoscaler's work at each apply"


def selectors(things):
    for workload in of(things, "Deployment"):
        if not selects(workload["spec"]["selector"], labels(workload)):
            yield f"{named(workload)}: its selector does not match its pods"
    for service in of(things, "Service"):
        found = selected(things, {"matchLabels": service["spec"]["selector"]})
        if len(found) != 1:
            yield f"{named(service)}: selects {len(found)} workloads, not one"
    for budget in of(things, "PodDisruptionBudget"):
        found = selected(things, budget["spec"]["selector"])
        if len(found) != 1:
            yield f"{named(budget)}: selects {len(found)} workloads, not one"
        elif found[0]["kind"] == "Job" and "maxUnavailable" in budget["spec"]:
            yield f"{named(budget)}: a Job's pods can only be counted by minAvailable"
    for policy in of(things, "NetworkPolicy"):
        if not selected(things, policy["spec"]["podSelector"]):
            yield f"{named(policy)}: selects nothing"
    for workload in workloads(things):
        for spread in pod(workload).get("topologySpreadConstraints", []):
            if selected(things, spread["labelSelector"]) != [workload]:
                yield f"{named(workload)}: spreads other pods than its own"


def ports_exist(things):
    for service in of(things, "Service"):
        for workload in selected(things, {"matchLabels": service["spec"]["selector"]}):
            for port in service["spec"]["ports"]:
                if port["targetPort"] not in ports(workload):
                    yield f"{named(service)}: {named(workload)} has no port {port['targetPort']}"
    for workload in workloads(things):
        for container in containers(workload):
            own = {port["name"] for port in container.get("ports", [])}
            for kind in ("startupProbe", "livenessProbe", "readinessProbe"):
                port = container.get(kind, {}).get("httpGet", {}).get("port")
                if port is not None and port not in own:
                    yield f"{named(workload)}: {kind} asks port {port}, which is not there"
            for flag, port in listens(container):
                if port not in ports(workload).values():
                    yield f"{named(workload)}: {flag} {port} is not among its ports"
    for policy in of(things, "NetworkPolicy"):
        spec = policy["spec"]
        for peers, key, receivers in [(spec.get("ingress", []), "from", [spec["podSelector"]]), (spec.get("egress", []), "to", None)]:
            for rule in peers:
                ends = receivers or [peer["podSelector"] for peer in rule.get(key, []) if "podSelector" in peer and "namespaceSelector" not in peer]
                for end in ends:
                    for workload in selected(things, end):
                        for port in rule.get("ports", []):
                            if isinstance(port["port"], str) and port["port"] not in ports(workload):
                                yield f"{named(policy)}: {named(workload)} has no port {port['port']}"


def listens(container):
    for argument in container.get("args", []):
        found = re.fullmatch(r"(--(?:probe-|metrics-)?listen|--web)=.*:(\d+)", argument)
        if found:
            yield found[1], int(found[2])


def references(things):
    here = {(thing["kind"], thing["metadata"]["name"]) for thing in things}
    here |= {("Secret", thing["spec"]["secretName"]) for thing in of(things, "Certificate")}

    def missing(kind, name):
        outside = any(kind == known and name.endswith(f"-{suffix}") for known, suffix in FROM_OUTSIDE)
        return (kind, name) not in here and not outside

    for workload in workloads(things):
        wanted = [("ServiceAccount", pod(workload).get("serviceAccountName"))]
        volumes = {volume["name"]: volume for volume in pod(workload).get("volumes", [])}
        for volume in volumes.values():
            if "configMap" in volume:
                wanted.append(("ConfigMap", volume["configMap"]["name"]))
            if "secret" in volume:
                wanted.append(("Secret", volume["secret"]["secretName"]))
            if "persistentVolumeClaim" in volume:
                wanted.append(("PersistentVolumeClaim", volume["persistentVolumeClaim"]["claimName"]))
        for container in containers(workload):
            for variable in container.get("env", []):
                for key, kind in [("secretKeyRef", "Secret"), ("configMapKeyRef", "ConfigMap")]:
                    if key in variable.get("valueFrom", {}):
                        wanted.append((kind, variable["valueFrom"][key]["name"]))
            mounted = {mount["name"] for mount in container.get("volumeMounts", [])}
            for name in mounted - set(volumes):
                yield f"{named(workload)}: mounts {name}, which is no volume of it"
            for name in set(volumes) - mounted:
                yield f"{named(workload)}: nobody mounts volume {name}"
        for kind, name in wanted:
            if missing(kind, name):
                yield f"{named(workload)}: there is no {kind} {name}"


def controller_found(things):
    services = {service["metadata"]["name"]: service for service in of(things, "Service")}
    for workload in workloads(things):
        if component(workload) != "agent":
            continue
        arguments = [argument for container in containers(workload) for argument in container.get("args", [])]
        dialed = [re.fullmatch(r"--controller=https?://([^:/]+):(\d+)", argument) for argument in arguments]
        dialed = [found for found in dialed if found]
        if len(dialed) != 1:
            yield f"{named(workload)}: is told {len(dialed)} controllers, not one"
        for found in dialed:
            service = services.get(found[1])
            if service is None or int(found[2]) not in [port["port"] for port in service["spec"]["ports"]]:
                yield f"{named(workload)}: dials {found[1]}:{found[2]}, which no Service offers"


def certificates(things):
    """Of cert-manager's kinds, what matters: who issues, for which names, and which rights the URI gives."""
    issuers = {issuer["metadata"]["name"]: issuer["spec"] for issuer in of(things, "Issuer")}
    made = {certificate["spec"]["secretName"] for certificate in of(things, "Certificate")}
    services = {service["metadata"]["name"] for service in of(things, "Service")}
    for issuer in of(things, "Issuer"):
        secret = issuer["spec"].get("ca", {}).get("secretName")
        if secret is not None and secret not in made:
            yield f"{named(issuer)}: nobody makes {secret}"
    for certificate in of(things, "Certificate"):
        spec = certificate["spec"]
        if spec["issuerRef"]["name"] not in issuers:
            yield f"{named(certificate)}: nobody is called {spec['issuerRef']['name']}"
        if "server auth" in spec.get("usages", []) and not services <= set(spec["dnsNames"]):
            yield f"{named(certificate)}: lacks the names of {sorted(services - set(spec['dnsNames']))}"
        if "client auth" in spec.get("usages", []):
            role = "operator" if "operator" in certificate["metadata"]["name"] else "agent"
            if len(spec.get("uris", [])) != 1 or not spec["uris"][0].startswith(f"throng://{role}/"):
                yield f"{named(certificate)}: its URI does not make it an {role}'s"


def bounded(things):
    """Agents talk to nobody but the target, whoever directs them, and come in with a token."""
    for workload in workloads(things):
        variables = {variable["name"]: variable.get("value") for container in containers(workload) for variable in container.get("env", [])}
        files = {f"THRONG_TLS_{part}" for part in ("CA", "CERT", "KEY")} & set(variables)
        if len(files) not in (0, 3) or files and {"THRONG_JOIN_FILE", "THRONG_STATE_FROM"} & set(variables):
            yield f"{named(workload)}: comes in by {sorted(files)} and something else"
        secrets = {volume["secret"]["secretName"].rsplit("-", 1)[-1] for volume in pod(workload).get("volumes", []) if "secret" in volume}
        if component(workload) == "agent":
            allowed = (variables.get("THRONG_ALLOW_TARGET") or "any").split(",")
            if "any" in allowed or "127.0.0.1/32" in allowed:
                yield f"{named(workload)}: may be aimed at anything, or at nothing"
        arguments = [argument for container in containers(workload) for argument in container.get("args", [])]
        if "--insecure" in arguments or "THRONG_INSECURE" in variables:
            yield f"{named(workload)}: speaks in clear text"
        wanted = {"agent": "join", "controller": "authority"}.get(component(workload))
        if not secrets & {wanted, "tls"} or secrets - {wanted, "tls"}:
            yield f"{named(workload)}: has the secrets {sorted(secrets)}, not {wanted}"


def restricted(things):
    """The Pod Security Standard "restricted", and what throng adds to it."""
    for workload in workloads(things):
        spec = pod(workload)
        context = spec.get("securityContext", {})
        if context.get("runAsNonRoot") is not True or context.get("runAsUser") == 0:
            yield f"{named(workload)}: may run as root"
        if context.get("seccompProfile", {}).get("type") != "RuntimeDefault":
            yield f"{named(workload)}: no seccomp profile"
        if spec.get("automountServiceAccountToken") is not False:
            yield f"{named(workload)}: has a token for the cluster's API"
        for key in ("hostNetwork", "hostPID", "hostIPC"):
            if spec.get(key):
                yield f"{named(workload)}: {key}"
        for volume in spec.get("volumes", []):
            for kind in set(volume) - {"name"} - POD_VOLUMES:
                yield f"{named(workload)}: volume {volume['name']} is of kind {kind}"
        for container in containers(workload):
            own = container.get("securityContext", {})
            if own.get("allowPrivilegeEscalation") is not False or own.get("privileged"):
                yield f"{named(workload)}: may get more rights"
            if own.get("capabilities", {}).get("drop") != ["ALL"] or own.get("capabilities", {}).get("add"):
                yield f"{named(workload)}: has capabilities"
            if own.get("readOnlyRootFilesystem") is not True:
                yield f"{named(workload)}: may write to its image"
            if own.get("runAsUser") == 0 or own.get("runAsNonRoot") is False:
                yield f"{named(workload)}: container {container['name']} may run as root"
            if any(port.get("hostPort") for port in container.get("ports", [])):
                yield f"{named(workload)}: takes a port of the node"


def meshes(things):
    """Pods ask to be left out: the link has its own TLS, and load through a proxy measures the proxy."""
    for workload in workloads(things):
        annotations = workload["spec"]["template"]["metadata"].get("annotations", {})
        asked = (labels(workload).get("sidecar.istio.io/inject"), labels(workload).get("istio.io/dataplane-mode"), annotations.get("linkerd.io/inject"))
        if asked != ("false", "none", "disabled"):
            yield f"{named(workload)}: a mesh may put itself between"
    for service in of(things, "Service"):
        for port in service["spec"]["ports"]:
            if not re.match(r"(tcp|https)-", port["name"]):
                yield f"{named(service)}: port {port['name']} does not say its protocol, so that a mesh guesses"


def seen(things):
    """What is open for scraping says so, and a page beyond the loopback has a name and somebody who may sign in."""
    for workload in workloads(things):
        annotations = workload["spec"]["template"]["metadata"].get("annotations", {})
        told = annotations.get("prometheus.io/port") if annotations.get("prometheus.io/scrape") == "true" else None
        if told != (str(ports(workload)["metrics"]) if "metrics" in ports(workload) else None):
            yield f"{named(workload)}: is scraped at {told}"
        variables = {variable["name"] for container in containers(workload) for variable in container.get("env", [])}
        if "web" in ports(workload) and ("THRONG_WEB_NAME" not in variables or "THRONG_TLS_CERT" in variables):
            yield f"{named(workload)}: nobody can use its page"


def accounts(things):
    for account in of(things, "ServiceAccount"):
        if account.get("automountServiceAccountToken") is not False:
            yield f"{named(account)}: gives pods a token"
    for thing in of(things, "Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding"):
        yield f"{named(thing)}: throng's pods need no rights in the cluster"


def amount(text):
    units = {"m": 0.001, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30}
    for unit, factor in units.items():
        if str(text).endswith(unit):
            return float(str(text)[: -len(unit)]) * factor
    return float(text)


def resources(things):
    for workload in workloads(things):
        for container in containers(workload):
            own = container.get("resources", {})
            for what in ("cpu", "memory"):
                request, limit = own.get("requests", {}).get(what), own.get("limits", {}).get(what)
                if request is None or limit is None or amount(request) > amount(limit):
                    yield f"{named(workload)}: {what} needs a request and a limit not below it"


def lives(things):
    for workload in workloads(things):
        annotations = workload["spec"]["template"]["metadata"].get("annotations", {})
        if annotations.get("cluster-autoscaler.kubernetes.io/safe-to-evict") != "false" or annotations.get("karpenter.sh/do-not-disrupt") != "true":
            yield f"{named(workload)}: an autoscaler may take its node in the middle of a run"
        if pod(workload).get("terminationGracePeriodSeconds", 0) < 45:
            yield f"{named(workload)}: is killed before it has told what it knows"
        for container in containers(workload):
            if workload["kind"] == "Deployment":
                for kind in ("startupProbe", "livenessProbe", "readinessProbe"):
                    if kind not in container:
                        yield f"{named(workload)}: no {kind}"
            for kind in ("livenessProbe", "readinessProbe"):
                if container.get(kind, {}).get("httpGet", {}).get("port") not in (None, "probe"):
                    yield f"{named(workload)}: {kind} is not on the plain port"


def network(things):
    policies = of(things, "NetworkPolicy")
    for workload in workloads(things):
        mine = [policy["spec"] for policy in policies if selects(policy["spec"]["podSelector"], labels(workload))]
        if not any(set(spec["policyTypes"]) == {"Ingress", "Egress"} and not spec.get("ingress") and not spec.get("egress") for spec in mine):
            yield f"{named(workload)}: nothing shuts its network"
        if component(workload) == "agent":
            if any(port["port"] != "metrics" for spec in mine for rule in spec.get("ingress", []) for port in rule.get("ports", [{"port": "any"}])):
                yield f"{named(workload)}: agents are dialed by nobody, but for their figures"
            if not any(peer for spec in mine for rule in spec.get("egress", []) for peer in rule.get("to", []) if "ipBlock" in peer or "app.kubernetes.io/name" in peer.get("podSelector", {}).get("matchLabels", {}) and "namespaceSelector" in peer):
                yield f"{named(workload)}: no policy lets it reach a target"
        for spec in mine:
            for rule in spec.get("egress", []):
                if not rule.get("to"):
                    yield f"{named(workload)}: may reach everything"
            for rule in spec.get("ingress", []):
                if not rule.get("from") or not rule.get("ports"):
                    yield f"{named(workload)}: may be reached by everything"


def arbitrary_user(things):
    """For the renderings that say so: no ids of our own."""
    if not things.arbitrary_user:
        return
    for workload in workloads(things):
        for key in ("runAsUser", "runAsGroup", "fsGroup"):
            if key in pod(workload).get("securityContext", {}):
                yield f"{named(workload)}: {key} is set, which restricted-v2 refuses"


RULES = [
    names,
    images,
    jobs,
    one_controller,
    selectors,
    ports_exist,
    references,
    controller_found,
    certificates,
    bounded,
    restricted,
    meshes,
    seen,
    accounts,
    resources,
    lives,
    network,
    arbitrary_user,
]


def faults(things):
    return [f"{rule.__name__}: {fault}" for rule in RULES for fault in rule(things)]
