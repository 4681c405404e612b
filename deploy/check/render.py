"""Renders every manifest as a user would, with what is on this host: kubectl (or kustomize), helm, and throng itself."""

import os
import pathlib
import shutil
import subprocess
import tempfile

import yaml

from rules import Rendering

DEPLOY = pathlib.Path(__file__).resolve().parent.parent
CHART = DEPLOY / "helm" / "throng"
IMAGE = "registry.example/throng@sha256:" + "0" * 64
SETTINGS = {"image": IMAGE, "targetCIDR": "203.0.113.0/24", "agents": "3", "deadlineSeconds": "1200"}
SEEN = {"metricsNamespace": "monitoring", "webName": "throng.example", "webNamespace": "ingress-nginx"}
PODS = {"targetNamespace": "shop", "targetApp": "web", "allowTarget": "*.shop,*.shop.svc,*.shop.svc.cluster.local"}
SCENARIO = (DEPLOY.parent / "scenarios" / "reservation.yaml").read_text()


class Refused(Exception):
    """The renderer would not."""


def run(command, **more):
    done = subprocess.run(command, capture_output=True, text=True, **more)
    if done.returncode != 0:
        raise Refused(f"{' '.join(map(str, command))}: {done.stderr.strip()}")
    return done.stdout


def load(text):
    return [thing for thing in yaml.safe_load_all(text) if thing]


def kustomize(name, settings, overlay=None, arbitrary_user=False):
    """An overlay of deploy/kubernetes with settings.env; `overlay` is a kustomization of the user's own that replaces it."""
    with tempfile.TemporaryDirectory() as folder:
        tree = pathlib.Path(folder) / "kubernetes"
        shutil.copytree(DEPLOY / "kubernetes", tree)
        place = tree / name
        if overlay:
            place = tree / "mine"
            place.mkdir()
            (place / "kustomization.yaml").write_text(overlay)
        if settings is not None:
            (place / "settings.env").write_text("".join(f"{key}={value}\n" for key, value in settings.items()))
        (place / "scenario.yaml").write_text(SCENARIO)
        kubectl = shutil.which("kubectl")
        command = [kubectl, "kustomize", str(place)] if kubectl else ["kustomize", "build", str(place)]
        called = f"{name} with {', '.join(overlay_components(overlay))}" if overlay else name
        return Rendering(f"kustomize {called}", load(run(command)), arbitrary_user=arbitrary_user)


def overlay_components(overlay):
    return [path.rsplit("/", 1)[-1] for path in yaml.safe_load(overlay)["components"]]


def mine(base, *components):
    """A kustomization that a user writes beside a checkout."""
    lines = ["apiVersion: kustomize.config.k8s.io/v1beta1", "kind: Kustomization", f"resources: [../base/{base}]", "components:"]
    lines += [f"  - ../components/{component}" for component in components]
    lines += ["configMapGenerator:", "  - name: throng-settings", "    envs: [settings.env]", "    options:", "      disableNameSuffixHash: true"]
    lines += ["      annotations:", '        config.kubernetes.io/local-config: "true"']
    if base == "once":
        lines += ["  - name: throng-scenario", "    files: [scenario.yaml]", "    options:", "      labels:"]
        lines += ["        app.kubernetes.io/name: throng", "        app.kubernetes.io/instance: throng"]
    return "\n".join(lines) + "\n"


def helm(values, release="throng", **wishes):
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        yaml.safe_dump(values, file)
        file.flush()
        text = run(["helm", "template", release, str(CHART), "--kube-version", "1.33.0", "--values", file.name])
    certified = " with cert-manager" if values.get("certManager") else ""
    certified += " with metrics, web" if "web" in values else ""
    return Rendering(f"helm {values.get('mode', 'fleet')} as {release}{certified}", load(text), **wishes)


FLEET = {"image": IMAGE, "target": {"cidrs": ["203.0.113.0/24"]}}
ONCE = FLEET | {"mode": "once", "run": {"agents": 3, "deadlineSeconds": 1200, "scenario": SCENARIO}}
WISHES = {
    "imagePullSecrets": [{"name": "pull"}],
    "openshift": True,
    "agents": {"replicas": 12, "args": ["--label=zone=eu"], "nodeSelector": {"pool": "load"}, "tolerations": [{"key": "load", "operator": "Exists"}]},
    "controller": {"storage": {"size": "20Gi", "className": "fast"}, "nodeSelector": {"pool": "system"}},
}


def k8s_run(name, *more, **wishes):
    """What `throng k8s run` would apply."""
    scenario = DEPLOY.parent / "scenarios" / "reservation.yaml"
    command = [throng(), "k8s", "run", str(scenario), "--render", "--name", name, "--image", IMAGE, "--agents", "3", "--target-cidr", "203.0.113.0/24"]
    return Rendering(f"throng k8s run as {name}", load(run([*command, *more])), **wishes)


def every():
    """Each rendering there is."""
    yield k8s_run("throng")
    yield k8s_run("rush-7", "--target-pods", "shop=web", "--cpu", "4", "--memory", "2Gi", "--pull-secret", "pull", "--openshift", arbitrary_user=True)
    yield kustomize("fleet", SETTINGS)
    yield kustomize("once", SETTINGS)
    yield kustomize("fleet", SETTINGS, mine("fleet", "image", "target-cidr", "openshift"), arbitrary_user=True)
    yield kustomize("once", SETTINGS, mine("once", "image", "target-cidr", "once", "openshift"), arbitrary_user=True)
    yield kustomize("fleet", SETTINGS | PODS, mine("fleet", "image", "target-pods"))
    yield kustomize("fleet", SETTINGS, mine("fleet", "image", "target-cidr", "cert-manager"))
    yield kustomize("once", SETTINGS, mine("once", "image", "target-cidr", "once", "cert-manager"))
    yield kustomize("fleet", SETTINGS | SEEN, mine("fleet", "image", "target-cidr", "metrics", "web"))
    yield helm(FLEET)
    yield helm(FLEET | {"metrics": {"enabled": True}, "web": {"enabled": True, "names": ["throng.example"]}})
    yield helm(ONCE)
    yield helm(FLEET | {"certManager": True})
    yield helm(ONCE | {"certManager": True})
    yield helm(FLEET | WISHES, "load-7", arbitrary_user=True, replicas=True)
    yield helm(ONCE | WISHES, "load-7", arbitrary_user=True)
    pods = {"target": {"pods": [{"namespace": "shop", "labels": {"app.kubernetes.io/name": "web"}}]}}
    volume = {"run": {"agents": 2, "deadlineSeconds": 600, "scenarioVolume": {"persistentVolumeClaim": {"claimName": "load-8-runs"}}}}
    claim = {"kind": "PersistentVolumeClaim", "apiVersion": "v1", "metadata": {"name": "load-8-runs"}, "spec": {"accessModes": ["ReadOnlyMany"], "resources": {"requests": {"storage": "1Gi"}}}}
    rendering = helm(ONCE | pods | volume, "load-8")
    rendering.append(claim)
    yield rendering


def refusals():
    """What must not render, and the words that say why."""
    without = {key: value for key, value in SETTINGS.items() if key != "targetCIDR"}
    yield "no settings", "settings.env", lambda: kustomize("fleet", None)
    yield "no target", "data.targetCIDR", lambda: kustomize("fleet", without)
    yield "no target pods", "data.targetNamespace", lambda: kustomize("fleet", SETTINGS, mine("fleet", "image", "target-pods"))
    yield "no namespace that scrapes", "data.metricsNamespace", lambda: kustomize("fleet", SETTINGS, mine("fleet", "image", "target-cidr", "metrics"))
    yield "no name of the page", "data.webName", lambda: kustomize("fleet", SETTINGS, mine("fleet", "image", "target-cidr", "web"))
    for order in (["cert-manager", "web"], ["web", "cert-manager"]):
        both = mine("fleet", "image", "target-cidr", *order)
        yield f"a page nobody can sign in to, by {' and '.join(order)}", "throng-either-web-or-cert-manager", lambda both=both: kustomize("fleet", SETTINGS | SEEN, both)
    yield "no image", "data.image", lambda: kustomize("once", {key: value for key, value in SETTINGS.items() if key != "image"})
    yield "no deadline", "data.deadlineSeconds", lambda: kustomize("once", {key: value for key, value in SETTINGS.items() if key != "deadlineSeconds"})
    yield "chart without a target", "/target", lambda: helm({"image": IMAGE})
    yield "chart without an image", "/image", lambda: helm({"target": FLEET["target"]})
    yield "k8s run without a target", "--target-cidr", lambda: run([throng(), "k8s", "run", "s.yaml", "--image", IMAGE, "--render"])
    yield "k8s run with latest", "--image", lambda: run([throng(), "k8s", "run", "s.yaml", "--image", "throng:latest", "--target-cidr", "203.0.113.0/24", "--render"])
    yield "chart with latest", "/image", lambda: helm(FLEET | {"image": "registry.example/throng:latest"})
    yield "chart with a page without a name", "names", lambda: helm(FLEET | {"web": {"enabled": True}})
    yield "chart with a page nobody can sign in to", "web.enabled", lambda: helm(FLEET | {"certManager": True, "web": {"enabled": True, "names": ["throng.example"]}})
    yield "chart with a misspelt value", "agent", lambda: helm(FLEET | {"agent": {}})
    yield "chart without a deadline", "deadlineSeconds", lambda: helm(ONCE | {"run": {"scenario": SCENARIO}})
    yield "chart without a scenario", "run.scenario", lambda: helm(ONCE | {"run": {"deadlineSeconds": 60}})


def throng():
    """The program, to ask it which flags it knows."""
    return os.environ["THRONG"]
